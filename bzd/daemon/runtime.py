# SPDX-License-Identifier: Apache-2.0
"""The files in /run/bzd: how the badge is, for `bzd status`, whether there is a warning, and until when it is paused.

They lie in memory and are gone at reboot. `status.json` may be read by the group `bzd`; it holds nobody's ID. So may
`warning`, which says that there is one and nothing else. `paused` survives a restart of the service, so that a badge
that its wearer silenced does not speak again because it was updated.
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
PAUSE_FILE = "paused"
"""Until when it is paused, as CLOCK_BOOTTIME in seconds; `inf` until it is resumed."""
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
    """Replace a file at once, so that a reader sees the old or the new one.

    Raises:
        OSError: if it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
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


def write_pause(folder: Path, until: float | None) -> None:
    """Remember until when (boottime in seconds, infinite until resumed) the badge is paused; None forgets it.

    Raises:
        OSError: if that cannot be written.
    """
    path = folder / PAUSE_FILE
    if until is None:
        path.unlink(missing_ok=True)
    else:
        write(path, f"{until}\n")


def read_pause(folder: Path) -> float | None:
    """Until when the badge is paused (boottime in seconds); None if it is not. A file of nonsense is a pause."""
    try:
        return float((folder / PAUSE_FILE).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return float("inf")
