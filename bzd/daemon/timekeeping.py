# SPDX-License-Identifier: Apache-2.0
"""The time that sightings are dated by: it never jumps by itself, and says when it must.

Data time is CLOCK_BOOTTIME plus an offset. The offset is 0 while the wall clock is not known to be right, so that what
is kept then carries boottime and can be dated later; else it is the difference of the two clocks, which changes only
when the wall clock is set. When it changes, whatever is in progress moves with it, so that durations stay as they are.

A clock that was right once in this boot is trusted on, since it drifts by seconds a day, until somebody sets it: a time
server then says so within moments, and a hand that sets it wrong makes the kernel call it unsynchronised.
"""

from __future__ import annotations

from dataclasses import dataclass

from bzd.clock import BadgeClock
from bzd.store.records import ClockAnchor

STEP_S = 1.0
"""A difference of the two clocks that changed by more was a clock being set: time servers slew what is smaller than
0.4 s (systemd-timesyncd's NTP_MAX_ADJUST), and the tracker takes a second for a clock that goes back."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the clocks.

    Attributes:
        shift_ms: milliseconds to add to data times so far.
        synced: whether the clock is known to be right now.
        stepped_s: seconds by which the wall clock was set, 0.0 if only its standing changed.
        began: whether the clock has become right by this.
    """

    shift_ms: int
    synced: bool
    stepped_s: float
    began: bool


class TimeKeeper:
    """Data time. Told by `check` to look at the clocks; in between its offset stands.

    Args:
        clock: both clocks.
        synchronised: whether the wall clock is known to be right.
    """

    def __init__(self, clock: BadgeClock, *, synchronised: bool) -> None:
        self._clock = clock
        self._wall_ms = self._difference_ms()
        self._synced = synchronised

    @property
    def synced(self) -> bool:
        """Whether data time is UTC."""
        return self._synced

    def now(self) -> float:
        """Data time: UTC unix seconds if the clock is known to be right, else CLOCK_BOOTTIME in seconds."""
        return self.boottime() + (self._wall_ms / 1000 if self._synced else 0.0)

    def boottime(self) -> float:
        """CLOCK_BOOTTIME in seconds."""
        return self._clock.boottime()

    def wall(self) -> float:
        """The wall clock, right or not, UTC unix seconds."""
        return self._clock.now()

    def day(self) -> int:
        """The UTC day by the wall clock, days since 1970-01-01."""
        return int(self.wall() // 86400)

    def anchor(self) -> ClockAnchor:
        """What both clocks say now."""
        boot = round(self.boottime() * 1000)
        return ClockAnchor(self._clock.boot_id(), boot / 1000, max(boot + self._wall_ms, 0) / 1000, self._synced)

    def stepped(self) -> bool:
        """Whether the wall clock was set since the last `check`."""
        return abs(self._difference_ms() - self._wall_ms) > STEP_S * 1000

    def check(self, *, synchronised: bool) -> Change | None:
        """Look at the clocks; None if nothing changed.

        Args:
            synchronised: whether the wall clock is known to be right by now.
        """
        wall_ms = self._difference_ms()
        step_ms = wall_ms - self._wall_ms
        stepped = abs(step_ms) > STEP_S * 1000
        synced = synchronised or (self._synced and not stepped)
        if not stepped and synced == self._synced:
            return None
        before = self._wall_ms if self._synced else 0
        began = synced and not self._synced
        self._wall_ms, self._synced = wall_ms, synced
        after = wall_ms if synced else 0
        return Change(after - before, synced, step_ms / 1000 if stepped else 0.0, began)

    def _difference_ms(self) -> int:
        """Wall clock less boottime in whole milliseconds, so that moved times stay whole milliseconds."""
        before = self._clock.boottime()
        wall = self._clock.now()
        return round((wall - (before + self._clock.boottime()) / 2) * 1000)
