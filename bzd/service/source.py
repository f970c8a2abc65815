# SPDX-License-Identifier: Apache-2.0
"""The files that come with bzd, as they are to be on a machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import bzd
from bzd.errors import InputError

PREFIX = "/opt/bzd"
"""The virtual environment that the units name as they come."""

_HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108  they are refused
"""What the units' sandbox hides (ProtectHome=, PrivateTmp=, TemporaryFileSystem=, PrivateDevices=)."""
_EXECUTED = ("/usr", "/lib")
"""What the units' ExecPaths= names beside the virtual environment."""
_PLAIN = re.compile(r"/[\w.+@/-]+", re.ASCII)
"""A path that needs no quoting in a unit (systemd.syntax(7), systemd.unit(5), Specifiers)."""


def folder() -> Path:
    """Where the units lie: within the package if it was installed from a wheel, beside it in a checkout.

    Raises:
        InputError: if they were left out of the installation.
    """
    package = Path(bzd.__file__).parent
    for place in (package / "systemd", package.parent / "systemd"):
        if (place / "bzd.service").exists():
            return place
    raise InputError(f"the units of the service are missing from {package}", "install bzd from its wheel")


def unit(name: str, prefix: str) -> str:
    """A file of `folder`, with the paths of a virtual environment.

    Args:
        name: for example `bzd.service`.
        prefix: the virtual environment, see `check_prefix`.
    """
    return (folder() / name).read_text(encoding="utf-8").replace(PREFIX, prefix)


def check_prefix(prefix: str) -> None:
    """Refuse a virtual environment that the service could not run from.

    Raises:
        InputError: naming it.
    """
    hint = f"install bzd into a virtual environment at {PREFIX}: `python3 -m venv {PREFIX}`"
    if not _PLAIN.fullmatch(prefix):
        raise InputError(f"{prefix} cannot be named in a unit", hint)
    if _within(prefix, _HIDDEN):
        raise InputError(f"the service cannot run from {prefix}, which its sandbox hides", hint)


def check_interpreter(prefix: str) -> None:
    """Refuse a virtual environment of this machine whose Python the sandbox does not execute.

    Raises:
        InputError: naming it.
    """
    interpreter = os.path.realpath(f"{prefix}/bin/python3")
    if not _within(interpreter, (*_EXECUTED, prefix)):
        raise InputError(
            f"the service cannot execute {interpreter}, the Python of {prefix}",
            f"make the virtual environment with the system's: `/usr/bin/python3 -m venv {PREFIX}`",
        )


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
