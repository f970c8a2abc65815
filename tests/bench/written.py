# SPDX-License-Identifier: Apache-2.0
"""What a bench that hurries through hours would have made the kernel write to the disk in real time."""

from __future__ import annotations

import os
from pathlib import Path

_SECTOR = 512
_EXPIRES_S = 30.0
"""After so long the kernel writes out what a process has changed (Linux, vm.dirty_expire_centisecs). Without that, what
changes again and again, as the index of SQLite's log does, would be counted once."""


def written() -> tuple[int, int]:
    """`write_bytes`, sent to the disk, and `wchar`, passed to write(2), of this process (proc_pid_io(5))."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
    return int(fields["write_bytes"]), int(fields["wchar"])


def taken(folder: Path) -> int | None:
    """Bytes that the disk below a folder has taken so far, from anybody and with the journal of its file system.

    None where there is no block device below it (Documentation/admin-guide/iostats.rst of Linux).
    """
    os.sync()
    device = folder.stat().st_dev
    try:
        text = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return int(text.split()[6]) * _SECTOR


class Writeback:
    """The kernel's habit of writing out, by the clock of the data."""

    def __init__(self, start: float) -> None:
        self._due = start + _EXPIRES_S

    def at(self, now: float) -> None:
        """It is so late by the data, in seconds."""
        if now >= self._due:
            os.sync()
            self._due = now + _EXPIRES_S
