# SPDX-License-Identifier: Apache-2.0
"""One appender, and one keeper of findings, at a time: advisory locks that die with their process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from bzd.errors import BusyError, StateError
from bzd.store.state import FINDINGS_LOCK_FILE, LOCK_FILE, adopt, output_error

_HELD: set[tuple[int, int, int]] = set()
"""Process, device and inode of the locks this process holds. POSIX record locks belong to a process, so that they
would not keep out a second appender of the same process, and closing any descriptor of the file would drop them
(fcntl(2)); in return a forked child does not keep them alive, as it would a flock(2)."""


class Lock:
    """A right in a state directory that one process at a time has, until `release`.

    Args:
        state: the state directory.

    Raises:
        BusyError: if another, of this process or another, has it.
        StateError: if there is no state directory.
        OutputError: if the lock file cannot be opened; DiskFullError on a read-only file system.
    """

    file: ClassVar[str]
    """What is locked."""
    doing: ClassVar[str]
    """What whoever has it is doing, in words."""

    def __init__(self, state: Path) -> None:
        path = state / self.file
        if not os.path.isdir(state):  # noqa: PTH112  Path.is_dir raises where a folder above may not be entered
            raise StateError(f"there is no state directory at {state}")
        self._key = _identify(path)
        if self._key in _HELD:
            raise self._busy(state)
        try:
            self._descriptor = _open(path)
        except OSError as error:
            raise output_error(path, error) from error
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise self._busy(state) from error
        self._key = _identify(path)
        _HELD.add(self._key)

    def release(self) -> None:
        """Give it back."""
        _HELD.discard(self._key)
        os.close(self._descriptor)

    def _busy(self, state: Path) -> BusyError:
        return BusyError(f"another bzd is {self.doing} {state}")


class AppenderLock(Lock):
    """The right to append to the store of a state directory."""

    file, doing = LOCK_FILE, "appending to the store in"


class FindingsLock(Lock):
    """The right to keep what matching found in the store of a state directory."""

    file, doing = FINDINGS_LOCK_FILE, "matching keys against the store in"


def _open(path: Path) -> int:
    """The lock file, which is made where there is none; its owner is whose the directory is."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileExistsError):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        adopt(descriptor, path.parent)
        return descriptor
    return os.open(path, flags)


def _identify(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return os.getpid(), 0, 0
    return os.getpid(), status.st_dev, status.st_ino
