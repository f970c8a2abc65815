# SPDX-License-Identifier: Apache-2.0
"""Exposure windows follow version 2 of Exposure Notification."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bzd.matching.encounters import Encounter, Slice, encounters
from bzd.matching.keys import ReportType
from bzd.matching.matcher import Matcher
from bzd.matching.windows import (
    INFECTIOUS_DAYS,
    ExposureWindow,
    Infectiousness,
    cut,
    day_of,
    midnight_after,
    pool,
    windows,
)
from bzd.protocols import gaen

if TYPE_CHECKING:
    from tests.matching.conftest import Cases


def piece(time: float, seconds: float = 60.0, typical: float = 60.0, sightings: int = 6) -> Slice:
    """A scan instance at a time."""
    return Slice(time, seconds, sightings, typical, typical - 2, near=True, confidence=None)


def of(cases: type[Cases], start: float, seconds: float) -> list[ExposureWindow]:
    """The windows of one meeting."""
    key = cases.key(1, days_since_onset=0)
    matcher = Matcher({"badge": cases.contacts(cases.heard(key, start, start + seconds))})
    matcher.match([key])
    return windows(encounters(matcher.hits()))


def test_forty_minutes_are_two_windows(cases: type[Cases]) -> None:
    """30 and 10 minutes, in scans of whole minutes of at most 5, at 63 dB, of a highly infectious case."""
    first, second = of(cases, cases.midnight + 43200, 2400)
    assert sum(scan.seconds for scan in (*first.scans, *second.scans)) == pytest.approx(2400, abs=60)
    assert [sum(scan.seconds > 0 for scan in window.scans) for window in (first, second)] == [6, 2]
    assert all(scan.seconds % 60 == 0 and scan.seconds <= 300 for scan in (*first.scans, *second.scans))
    assert {scan.typical_attenuation for scan in first.scans} == {63}
    assert {window.infectiousness for window in (first, second)} == {Infectiousness.HIGH}
    assert {window.date for window in (first, second)} == {date(2020, 7, 2)}


def test_a_window_ends_with_its_day() -> None:
    """Ten minutes around a local midnight are two windows, of two days."""
    offset_s = 7 * 3600
    midnight = midnight_after(1_593_648_000.0, offset_s)
    first, second = cut([piece(midnight - 300), piece(midnight + 1)], offset_s)
    assert day_of(first[0].time, offset_s) < day_of(second[0].time, offset_s)


def test_vietnams_day_turns_at_seventeen_utc() -> None:
    """With 7 hours of offset 16:59:59 UTC is still the day, and 17:00 the next."""
    assert [day_of(1_593_648_000 + 17 * 3600 + one, 7 * 3600).day for one in (-1, 0)] == [2, 3]


@given(st.lists(st.tuples(st.floats(0, 40000), st.floats(0, 300)), max_size=60))
def test_windows_are_short_and_lose_nothing(raw: list[tuple[float, float]]) -> None:
    """Every slice is in one window of under 30 minutes; pooling keeps the seconds to half a minute, or cuts at 300."""
    slices = [piece(time, seconds) for time, seconds in sorted(raw)]
    found = list(cut(slices))
    assert [one for window in found for one in window] == slices
    for window in found:
        assert window[-1].time - window[0].time < 1800
        scans = list(pool(window))
        total, kept = sum(one.seconds for one in window), sum(scan.seconds for scan in scans)
        assert kept <= total + 30
        assert all(scan.seconds % 60 == 0 and 0 <= scan.seconds <= 300 for scan in scans)
        assert kept >= total - 30 or any(scan.seconds == 300 for scan in scans)


def test_pooling_weighs_by_sightings() -> None:
    """The typical attenuation of a pooled scan is the mean of all sightings, the least that of the strongest."""
    (scan,) = pool([piece(0.0, 60, 50.0, 30), piece(60.0, 60, 80.0, 10)])
    assert (scan.typical_attenuation, scan.min_attenuation, scan.seconds) == (58, 48, 120)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-5, 0), (-4, 1), (-3, 1), (-2, 2), (3, 2), (4, 1), (5, 1), (6, 0), (None, 1)],
)
def test_infectious_days(days: int | None, expected: int) -> None:
    """Days -4, -3, 4 and 5 are standard, -2 to 3 high, others none; unknown is standard."""
    assert INFECTIOUS_DAYS.on(days) == expected


def test_encounters_of_one_key_share_a_window(cases: type[Cases]) -> None:
    """Two short meetings with a pause of ten minutes are two encounters and one window; of two keys, two windows."""
    keys = [cases.key(1), cases.key(2)]
    contacts = [cases.contact(keys[0], cases.day + number) for number in (50, 51)]
    matcher = Matcher({"badge": [*contacts, cases.contact(keys[1], cases.day + 50)]})
    matcher.match(keys)
    found: list[Encounter] = encounters(matcher.hits())
    assert (len(found), sorted(len(window.scans) for window in windows(found))) == (3, [1, 2])


def test_what_a_window_knows_of_its_case(cases: type[Cases]) -> None:
    """Calibration confidence from the metadata on air, report type and infectiousness from the published key."""
    key = cases.key(1, days_since_onset=4, report_type=ReportType.SELF_REPORT)
    plain = cases.contact(key, cases.day + 50)
    said = gaen.seal(key.key, plain.rolling_id, gaen.Metadata(8, confidence=2, minor=1))
    matcher = Matcher({"badge": [replace(plain, metadata=said)]})
    matcher.match([key])
    (window,) = windows(encounters(matcher.hits()))
    assert (window.confidence, window.report_type) == (2, ReportType.SELF_REPORT)
    assert window.infectiousness == Infectiousness.STANDARD


def test_no_instance_stands_for_more_than_a_scan_period() -> None:
    """A listening that stands for five minutes and one for four more in the same period: the rest is carried on."""
    pooled = list(pool([piece(0.0, 300), piece(200.0, 240), piece(400.0, 60)]))
    assert [scan.seconds for scan in pooled] == [300, 300]


def test_badges_share_no_window(cases: type[Cases]) -> None:
    """The same meeting heard by two badges is a window of each."""
    key = cases.key(1)
    contact = cases.contact(key, cases.day + 50)
    matcher = Matcher({"A": [contact], "B": [contact]})
    matcher.match([key])
    assert [len(window.scans) for window in windows(encounters(matcher.hits()))] == [1, 1]


def test_the_last_day_that_can_be_said() -> None:
    """What a store may claim at most, with an offset too, is the last day of all and no error."""
    assert day_of(253_402_300_800.0) == day_of(253_402_300_799.0, 50_400.0) == date.max
