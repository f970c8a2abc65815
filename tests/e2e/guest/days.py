# SPDX-License-Identifier: Apache-2.0
"""What a daemon holds and costs, day by day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.e2e.guest.cpu import seconds_of
from tests.e2e.guest.memory import Holding

HEADER = ("RSS MB", "PSS MB", "CPU s", "files", "threads", "store KB", "written MB", "IDs", "reports")


class Day(NamedTuple):
    """What was at the end of a day; processor time, bytes written, IDs and reports are those of the day."""

    rss_mb: float
    pss_mb: float
    cpu_s: float
    files: int
    threads: int
    store_kb: int
    written_mb: float
    ids: int
    reports: int


class Days:
    """Measures a process from its making on.

    Args:
        pid: the daemon.
        status: what its `status.json` says.
    """

    def __init__(self, pid: int, status: Callable[[], dict[str, Any]]) -> None:
        self._pid, self._status = pid, status
        self._before = self._now()

    def end(self) -> Day:
        """A day is over."""
        before, self._before = self._before, self._now()
        held, cpu_s, ids, reports = self._before
        return Day(
            held.rss_mb,
            held.pss_mb,
            round(cpu_s - before[1], 1),
            held.files,
            held.threads,
            self._status()["store"]["bytes"] // 1000,
            round((held.written_bytes - before[0].written_bytes) / 1e6, 1),
            ids - before[2],
            reports - before[3],
        )

    def _now(self) -> tuple[Holding, float, int, int]:
        radio = self._status()["radio"]
        return Holding.of(self._pid), seconds_of(self._pid), radio["rotations"], radio["reports"]
