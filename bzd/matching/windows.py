# SPDX-License-Identifier: Apache-2.0
"""Exposure windows as version 2 of Exposure Notification has them.

A window is at most 30 minutes of one key, and does not reach into another day. Its scan instances are what a phone
would have seen that listens once every scan period (5 minutes): bzd's shorter ones are pooled. Seconds are rounded to
whole minutes after pooling; what rounding leaves over is carried into the next instance, so that a window is right to
half a minute. Source: google/exposure-notifications-internals, KeyExposureEvaluator.java.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from itertools import groupby

from bzd.matching.encounters import Encounter, Slice
from bzd.matching.keys import ReportType
from bzd.protocols.schedule import DAY_S

WINDOW_S = 1800
"""A sighting that begins so long after its window did begins another (KeyExposureEvaluator.java)."""
SCAN_PERIOD_S = 300
"""A phone listens at least once in so many seconds (ContactTracingFeature.java), and an instance stands for no more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (datetime.max.replace(microsecond=0, tzinfo=UTC) - _EPOCH).total_seconds()


class Infectiousness(IntEnum):
    """How infectious a case was on the day (Exposure Notification API, `Infectiousness`)."""

    NONE = 0
    STANDARD = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class InfectiousDays:
    """Infectiousness from days since onset of symptoms.

    Attributes:
        standard: first and last day of standard infectiousness, both included.
        high: first and last day of high infectiousness, which stands where both say something.
        unknown: where the days are not known, or are more than 14 away.
    """

    standard: tuple[int, int]
    high: tuple[int, int]
    unknown: Infectiousness = Infectiousness.STANDARD

    def on(self, days: int | None) -> Infectiousness:
        """The infectiousness so many days after onset."""
        if days is None:
            return self.unknown
        if self.high[0] <= days <= self.high[1]:
            return Infectiousness.HIGH
        return Infectiousness.STANDARD if self.standard[0] <= days <= self.standard[1] else Infectiousness.NONE


INFECTIOUS_DAYS = InfectiousDays((-4, 5), (-2, 3))
"""Days -4, -3, 4 and 5 standard, -2 to 3 high (Linux Foundation Public Health, gaen-risk-scoring, version 2)."""


@dataclass(frozen=True, slots=True)
class WindowScan:
    """A scan instance of an exposure window.

    Attributes:
        min_attenuation: least attenuation, whole dB.
        typical_attenuation: mean attenuation, whole dB.
        seconds: seconds since the last scan; from `windows` whole minutes, 0 to 300.
    """

    min_attenuation: int
    typical_attenuation: int
    seconds: int


@dataclass(frozen=True, slots=True)
class ExposureWindow:
    """At most 30 minutes near one case.

    Attributes:
        date: the day that it is counted to.
        report_type: how the owner of the key became a case.
        infectiousness: of the case on that day.
        confidence: calibration confidence 0 to 3; 0 where it is not known.
        scans: its scan instances.
    """

    date: date
    report_type: ReportType
    infectiousness: Infectiousness
    confidence: int
    scans: tuple[WindowScan, ...]


def day_of(time: float, day_offset_s: float = 0.0) -> date:
    """The day that a time is counted to.

    Args:
        time: UTC unix seconds.
        day_offset_s: seconds by which days are ahead of UTC's: 25200 for Vietnam, where they turn at 17:00 UTC.
    """
    # A store may claim the very end of the last year that a date can say; with an offset that would be beyond it.
    return (_EPOCH + timedelta(seconds=min(time + day_offset_s, _LAST))).date()


def midnight_after(time: float, day_offset_s: float = 0.0) -> float:
    """The end of the day that a time is counted to, UTC unix seconds."""
    return ((time + day_offset_s) // DAY_S + 1) * DAY_S - day_offset_s


def windows(
    encounters: Iterable[Encounter], *, infectious: InfectiousDays = INFECTIOUS_DAYS, day_offset_s: float = 0.0
) -> list[ExposureWindow]:
    """The exposure windows of encounters, whatever store they are from: give those of one store.

    Args:
        encounters: in any order; those of one key share windows.
        infectious: infectiousness from days since onset.
        day_offset_s: see `day_of`.
    """
    ordered = sorted(encounters, key=lambda encounter: (*_whose(encounter), encounter.start))
    found: list[ExposureWindow] = []
    for _, of in groupby(ordered, key=_whose):
        of_key = list(of)
        slices = [piece for encounter in of_key for piece in encounter.slices]
        key = of_key[0].key
        for window in cut(slices, day_offset_s):
            confidence = window[0].confidence or 0
            scans = tuple(pool(window))
            day = day_of(window[0].time, day_offset_s)
            found.append(ExposureWindow(day, key.report_type, infectious.on(key.days_since_onset), confidence, scans))
    return sorted(found, key=lambda window: window.date)


def _whose(encounter: Encounter) -> tuple[str, str, bytes]:
    return (encounter.store, encounter.key.protocol, encounter.key.key)


def cut(slices: Sequence[Slice], day_offset_s: float = 0.0) -> Iterator[list[Slice]]:
    """Slices in order of time, cut into windows."""
    window: list[Slice] = []
    end = 0.0
    for piece in slices:
        if window and piece.time >= end:
            yield window
            window = []
        if not window:
            end = min(piece.time + WINDOW_S, midnight_after(piece.time, day_offset_s))
        window.append(piece)
    if window:
        yield window


def pool(window: Sequence[Slice]) -> Iterator[WindowScan]:
    """The scan instances of a window: its slices pooled into scan periods that begin with the first of each."""
    left = 0.0
    at = 0
    while at < len(window):
        end = at
        while end < len(window) and window[end].time < window[at].time + SCAN_PERIOD_S:
            end += 1
        pooled = window[at:end]
        left += sum(piece.seconds for piece in pooled)
        seconds = min(int(left / 60 + 0.5) * 60, SCAN_PERIOD_S)
        left -= seconds
        sightings = sum(piece.sightings for piece in pooled)
        typical = sum(piece.typical * piece.sightings for piece in pooled) / sightings
        yield WindowScan(int(min(piece.least for piece in pooled) + 0.5), int(typical + 0.5), seconds)
        at = end
