# SPDX-License-Identifier: Apache-2.0
"""The configured times in whole milliseconds, and what a scan instance stands for."""

from __future__ import annotations

from dataclasses import dataclass

from bzd.config import ProximityConfig

DAY_MS = 86_400_000
"""A UTC day; unix time knows no leap seconds."""
APART = -1
"""Stands for "no reference point": nothing is known of the time before the instance."""

_PERIOD_JITTER = 1.5
"""Two listenings this many periods apart are neighbours. GAEN draws its period from 210 to 300 s (a ratio of 1.43)
and one that was missed is 2 periods away."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When instances and runs end, in milliseconds.

    Attributes:
        gap: longest silence within an instance.
        longest: an instance takes sightings for less than this.
        max_gap: longest silence within a run.
        period: from one listening to the next, 0 when listening without a break.
        beside: longest silence between two instances that is no absence.
        stands_for_max: most that an instance stands for when there is a period.
    """

    gap: int
    longest: int
    max_gap: int
    period: int
    beside: int
    stands_for_max: int

    def stands_for(self, first: int, last: int, since: int) -> int:
        """Milliseconds that an instance stands for.

        Args:
            first: its first sighting.
            last: its last sighting.
            since: the end of the time before it that is accounted for already, or APART.
        """
        if not self.period:
            return last - (first if since == APART else since)
        seconds = max(self.period, last - first) if since == APART else last - since
        return min(seconds, self.stands_for_max)


def milliseconds(seconds: float) -> int:
    """The nearest whole millisecond, halves up, of a time that is not negative."""
    return int(seconds * 1000.0 + 0.5)


def midnight_after(time: int) -> int:
    """The first UTC midnight after a time, both in milliseconds."""
    return time - time % DAY_MS + DAY_MS


def rules(config: ProximityConfig, scan_period_s: float = 0.0) -> Rules:
    """The rules of a configuration for a scan period in seconds (0: listening without a break)."""
    gap, period = milliseconds(config.instance_gap_s), milliseconds(scan_period_s)
    return Rules(
        gap=gap,
        longest=milliseconds(config.instance_max_s),
        max_gap=milliseconds(config.max_gap_s),
        period=period,
        beside=max(gap, int(period * _PERIOD_JITTER)),
        stands_for_max=milliseconds(config.instance_stands_for_max_s),
    )
