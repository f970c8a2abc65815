# SPDX-License-Identifier: Apache-2.0
"""Processor time of the programs that take part, from /proc; under emulation only their ratios mean something."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_DAEMONS = ("bluetoothd", "dbus-daemon")


class Usage:
    """Processor time of one process, bluetoothd and dbus-daemon, from its making until `stop`.

    Args:
        pid: the process; this one if not given.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._pid = pid or os.getpid()
        self._began = time.monotonic()
        self._before = _seconds(self._pid)
        self._spent: dict[str, float] = {}
        self._lasted = 0.0

    def stop(self) -> None:
        """Stop measuring."""
        self._lasted = time.monotonic() - self._began
        after = _seconds(self._pid)
        self._spent = {name: after[name] - self._before.get(name, 0.0) for name in after}

    def percent(self, name: str) -> float:
        """How much of one processor a program used, in percent: `program` or a daemon's name."""
        return round(100 * self._spent.get(name, 0.0) / self._lasted, 1)


def seconds_of(pid: int) -> float:
    """Seconds of processor time that a process has used so far."""
    return _process(Path(f"/proc/{pid}"))[1] / _TICKS


def _seconds(pid: int) -> dict[str, float]:
    """Seconds of processor time so far, by name."""
    spent = {"program": seconds_of(pid)}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            name, ticks = _process(folder)
            if name in _DAEMONS:
                spent[name] = spent.get(name, 0.0) + ticks / _TICKS
    return spent


def _process(folder: Path) -> tuple[str, int]:
    """Name and ticks (user and system) of a process; proc_pid_stat(5)."""
    try:
        text = (folder / "stat").read_text()
    except OSError:
        return "", 0
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], int(fields[11]) + int(fields[12])
