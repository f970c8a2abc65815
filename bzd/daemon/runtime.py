# SPDX-License-Identifier: Apache-2.0
"""The folder /run/bzd, in memory and gone at reboot: how the badge is, for `bzd status`, and whether it warns.

`status.json` may be read by the group `bzd`, and holds nobody's ID. So may `warning`, which says that there is one and
nothing else. (`bzd.daemon.pausing` keeps a file there as well.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SYSTEM_RUNTIME = Path("/run/bzd")
"""What systemd makes of RuntimeDirectory=bzd (systemd.exec(5))."""
STATUS_FILE = "status.json"
"""How the badge is."""
WARNING_FILE = "warning"
"""There while there is a warning, for the group and for whatever lights a lamp; it does not say what it is about."""
WARNING_TEXT = "there is a warning; `sudo bzd status` shows it\n"
"""What that file says."""
_MODE = 0o640


def directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where the daemon keeps them, and `bzd status` looks: $RUNTIME_DIRECTORY, /run/bzd, the user's own; else None."""
    if named := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return Path(named)
    if os.path.exists(SYSTEM_RUNTIME):  # noqa: PTH110  Path.exists raises where the folder may not be entered
        return SYSTEM_RUNTIME
    own = environment.get("XDG_RUNTIME_DIR")
    return Path(own) / "bzd" if own else None


def write(path: Path, text: str, mode: int = _MODE) -> None:
    """Replace a file at once, so that a reader sees the old or the new one; it has this mode whatever the umask is.

    What is no UTF-8, such as the bytes of a path that is none, becomes an escape that JSON has as well.

    Raises:
        OSError: if it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    new.replace(path)


def read_status(folder: Path) -> dict[str, Any] | None:
    """What `status.json` says; None if there is none or it cannot be read as such.

    Raises:
        PermissionError: if it is there but not for this user.
    """
    try:
        found = json.loads((folder / STATUS_FILE).read_text(encoding="utf-8"))
    except PermissionError:
        raise
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
