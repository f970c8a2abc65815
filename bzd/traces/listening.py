# SPDX-License-Identifier: Apache-2.0
"""How often the recorder of a trace listened.

Phones listen a few seconds every few minutes, badges all the time. A sighting of a phone therefore stands for minutes,
and the tracker must be told (`scan_period`). A trace shows it in the commands that start and stop a scan, or, where it
has none, in the gaps between bursts of reports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

Window = tuple[float, float]
"""First and last instant of a stretch of time, unix seconds."""

_SWITCHES = 8192
"""Scan commands remembered, the last ones. BlueZ restarts a scan every 10 s: these are the last 11 hours."""
_BURSTS = 4096
"""Bursts remembered, the first ones: two weeks of a phone that listens every 5 minutes."""
PAUSE_S = 25.0
"""A silence that ends a burst, seconds: longer than BlueZ's 10.3 s between reports of one device, and what closes a
scan instance in `bzd.proximity`."""
_LONGEST_PAUSE_S = 900.0
"""A longer silence is no pause between two scans but Bluetooth switched off or nobody near, seconds; GAEN's rules scan
at least every 5 minutes, with some reserve."""
_FEWEST = 3
"""Pauses needed for a median that one chance silence cannot shift."""
_LISTENS = 0.2
"""Duty (window / interval) from which a scan counts as listening. Android scans for exposure at 100 % or 25 % for a few
seconds and leaves an idle scan of 2 to 10 % running in between, which hears next to nothing."""
_CONTINUOUS = 0.5
"""Share of the time above which listening is called continuous; phones listen 2 %, a recorder that restarts 95 %."""
_REGULAR = 0.25
"""Largest typical deviation of bursts from their period, as a share of it, for a rhythm: GAEN draws its periods
between 3.5 and 5 minutes, a deviation of 12 %; people who come and go have none."""


@dataclass(frozen=True, slots=True)
class ScanPeriod:
    """How often the recorder listened.

    Attributes:
        seconds: from one listening to the next; 0 means all the time.
        how: what this was taken from, for the summary.
    """

    seconds: float
    how: str


class ScanLog:
    """When scans were switched on and off, the last ones."""

    def __init__(self) -> None:
        self._switches: deque[tuple[float, bool]] = deque(maxlen=_SWITCHES)
        self._duty = 1.0

    def parameters(self, duty: float) -> None:
        """Note a scan parameters command: the share of the time that the next scan listens (window / interval)."""
        self._duty = duty

    def switched(self, time: float, *, on: bool) -> None:
        """Note a scan enable command at `time`, unix seconds; a scan that hardly listens counts as none."""
        self._switches.append((time, on and self._duty >= _LISTENS))

    @property
    def starts(self) -> list[float]:
        """Times at which a scan that listens was switched on, unix seconds."""
        return [time for time, on in self._switches if on]

    def windows(self) -> list[Window]:
        """(first, last) time of each listening; one that has not ended yet ends where it began."""
        windows: list[Window] = []
        begun: float | None = None
        for time, on in self._switches:
            if on and begun is None:
                begun = time
            elif begun is not None and not on:
                windows.append((begun, max(begun, time)))
                begun = None
        return windows if begun is None else [*windows, (begun, begun)]


class Bursts:
    """Stretches of reports without a pause, the first ones."""

    def __init__(self) -> None:
        self.seen: list[Window] = []
        self._first = self._last = float("-inf")

    def heard(self, time: float) -> None:
        """Note a report at `time`, unix seconds; a time before the last one's counts as the last one's."""
        if time - self._last > PAUSE_S:
            self._close()
            self._first = time
        self._last = max(time, self._last)

    def went_on(self, until: float) -> None:
        """Note that since the last noted report others came without a pause."""
        self._last = max(until, self._last)

    def _close(self) -> None:
        if self._first > float("-inf") and len(self.seen) < _BURSTS:
            self.seen.append((self._first, self._last))

    def finish(self) -> list[Window]:
        """All bursts, the one in progress included."""
        self._close()
        self._first = float("-inf")
        return self.seen


def bursts_of(times: Iterable[float]) -> list[Window]:
    """The bursts in a sequence of report times, unix seconds."""
    bursts = Bursts()
    for time in times:
        bursts.heard(time)
    return bursts.finish()


def estimate(scans: ScanLog, bursts: Sequence[Window]) -> ScanPeriod:
    """The scan period, from the recorder's own commands if they show one, else from the rhythm of the bursts."""
    windows = _joined(scans.windows())
    if bursts and _share(bursts) > _CONTINUOUS:
        return ScanPeriod(0.0, "reports come all the time: continuous")
    if windows and _share(windows) > _CONTINUOUS:
        return ScanPeriod(0.0, "scan commands: continuous")
    periods = _periods(windows)
    if len(periods) >= _FEWEST:
        return ScanPeriod(round(median(periods), 1), f"scan commands: {len(windows)} listenings")
    periods = _periods(bursts)
    if len(periods) >= _FEWEST:
        typical = median(periods)
        if median(abs(period - typical) for period in periods) <= _REGULAR * typical:
            return ScanPeriod(round(typical, 1), f"gaps between {len(bursts)} bursts of reports")
    return ScanPeriod(0.0, "no regular pauses: continuous")


def _joined(windows: Iterable[Window]) -> list[Window]:
    """Windows with the short pauses between them left out: stacks restart a scan many times while they listen."""
    joined: list[Window] = []
    for first, last in windows:
        if joined and first - joined[-1][1] <= PAUSE_S:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _share(windows: Sequence[Window]) -> float:
    """The part of the time from the first to the last instant that the windows cover."""
    span = windows[-1][1] - windows[0][0]
    return sum(last - first for first, last in windows) / span if span > 0 else 1.0


def _periods(windows: Sequence[Window]) -> list[float]:
    """From the beginning of one window to that of the next, long silences left out, seconds."""
    periods = (later[0] - earlier[0] for earlier, later in pairwise(windows))
    return [period for period in periods if 0 < period <= _LONGEST_PAUSE_S]
