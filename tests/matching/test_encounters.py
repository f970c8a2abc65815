# SPDX-License-Identifier: Apache-2.0
"""Encounters: what one key explains is joined across rolling IDs, and closeness follows from its tx power."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.config import ProximityConfig, RangingConfig
from bzd.matching.encounters import Encounter, Joining, encounters
from bzd.matching.matcher import Matcher

if TYPE_CHECKING:
    from bzd.matching.keys import DiagnosisKey
    from bzd.model import Contact
    from tests.matching.conftest import Cases

NOON = 12 * 3600.0


def met(key: DiagnosisKey, contacts: list[Contact], joining: Joining | None = None) -> list[Encounter]:
    """The encounters of one store with one key."""
    matcher = Matcher({"badge": contacts})
    matcher.match([key])
    return encounters(matcher.hits(), joining)


def test_forty_minutes_with_three_rotations_are_one_encounter(cases: type[Cases]) -> None:
    """The rolling ID changes three times; the encounter is whole, 40 minutes within 30 s, all of it near."""
    key, start = cases.key(1), cases.midnight + NOON
    contacts = cases.contacts(cases.heard(key, start, start + 2400))
    assert len(contacts) >= 4
    (one,) = met(key, contacts)
    assert one.duration_s == pytest.approx(2400, abs=30)
    assert one.near_s == one.duration_s
    assert (one.start, one.end, one.contacts) == (start, start + 2400, len(contacts))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 86_400 - 2400), st.sampled_from([1.0, 5.0, 10.3]), st.integers(600, 760), st.integers(0, 10))
def test_forty_minutes_are_forty_however_they_fall(
    cases: type[Cases], begin: int, period: float, rotation: int, silent: int
) -> None:
    """At any time of day, with rotations anywhere, and silence at each as long as one report fails to come."""
    key, start = cases.key(1), cases.midnight + begin
    every = cases.heard(key, start, start + 2400, period=period, rotation=float(rotation))
    heard = [one for one in every if one.time - start < silent or (one.time - start) % rotation >= silent]
    contacts = cases.contacts(heard)
    assert len(contacts) >= 4
    (one,) = met(key, contacts)
    assert one.duration_s == pytest.approx(2400, abs=30)
    assert one.contacts == len(contacts)


def test_the_same_with_a_phones_scan_period(cases: type[Cases]) -> None:
    """Listening once in 5 minutes, the same 40 minutes are still 40 within a scan period, not more by each rotation."""
    key, start = cases.key(1), cases.midnight + NOON
    every = [one for one in cases.heard(key, start, start + 2400, period=1.0) if (one.time - start) % 300 < 4]
    contacts = cases.contacts(every, scan_period_s=300)
    (one,) = met(key, contacts, Joining(ProximityConfig(), RangingConfig(), scan_period_s=300))
    assert one.duration_s == pytest.approx(2400, abs=300)


def test_four_minutes_across_a_rotation_are_not_lost(cases: type[Cases]) -> None:
    """Two minutes on either side of a rotation are four minutes."""
    key, start = cases.key(1), cases.midnight + NOON + 480
    (one,) = met(key, cases.contacts(cases.heard(key, start, start + 240, rotation=120)))
    assert (one.contacts, one.duration_s) == (2, 240)


@pytest.mark.parametrize("before", range(0, 241, 20))
def test_wherever_the_rotation_falls_in_four_minutes(cases: type[Cases], before: int) -> None:
    """The shorter part may be too short to be a contact of its own; the meeting is still within a sighting of whole."""
    key, boundary = cases.key(1), cases.midnight + NOON
    sightings = [
        *cases.heard(key, boundary - before, boundary - 1, rotation=600),
        *cases.heard(key, boundary, boundary + 240 - before, rotation=600),
    ]
    (one,) = met(key, cases.contacts(sightings))
    assert one.duration_s == pytest.approx(240, abs=20)


def test_a_pause_makes_two_encounters(cases: type[Cases]) -> None:
    """Somebody who comes back after an hour is met twice; nothing is counted for the time between."""
    key, start = cases.key(1), cases.midnight + NOON
    sightings = [*cases.heard(key, start, start + 300), *cases.heard(key, start + 3900, start + 4200)]
    assert [one.duration_s for one in met(key, cases.contacts(sightings))] == [300, 300]


@pytest.mark.parametrize(("pause", "parts"), [(360.0, 1), (360.001, 2)])
def test_the_longest_pause_of_one_encounter(cases: type[Cases], pause: float, parts: int) -> None:
    """`max_gap_s`, 6 minutes from the last sighting to the next, is still the same encounter."""
    key = cases.key(1)
    first = cases.contact(key, cases.day + 50)
    second = cases.contact(key, cases.day + 51, at=first.end + pause)
    assert len(met(key, [first, second])) == parts


def test_attenuation_is_tx_power_less_corrected_rssi(cases: type[Cases]) -> None:
    """8 dBm sent, -60 dBm heard on average, -58 at best, 3 dB corrected: 65 dB typical, 63 at least."""
    key = cases.key(1)
    joining = Joining(ProximityConfig(), RangingConfig(), rssi_correction_db=3)
    (one,) = met(key, [cases.contact(key, cases.day + 50)], joining)
    assert (one.attenuation_typical, one.attenuation_min) == (65, 63)


def test_attenuation_is_never_negative(cases: type[Cases]) -> None:
    """A tx power that is stated too low does not make a case closer than touching."""
    key = cases.key(1)
    contact = cases.contact(key, cases.day + 50, tx_power=-50)
    loud = replace(contact, scans=(replace(contact.scans[0], rssi_mean=-20.0, rssi_max=-10),))
    (one,) = met(key, [loud])
    assert (one.attenuation_typical, one.attenuation_min, one.distance_m) == (0, 0, 0.1)


@pytest.mark.parametrize(("tx_power", "near"), [(5, True), (7, False)])
def test_near_follows_the_tx_power_that_the_key_reveals(cases: type[Cases], tx_power: int, near: bool) -> None:  # noqa: FBT001
    """-60 dBm is within 2 m (66.02 dB of attenuation) of a sender of 5 dBm, and beyond it of one of 7 dBm."""
    key = cases.key(1)
    (one,) = met(key, [cases.contact(key, cases.day + 50, tx_power=tx_power)])
    assert one.near_s == (60 if near else 0)


def test_two_ids_at_once_do_not_double_the_time(cases: type[Cases]) -> None:
    """A recording of a case, played beside the case itself, cannot make 10 minutes into 20."""
    key, start = cases.key(1), cases.midnight + NOON
    itself = list(cases.heard(key, start, start + 600, rotation=1200))
    before = cases.heard(key, start - 3600, start - 3000, rotation=1200)
    replayed = [again._replace(time=again.time + 3600) for again in before]
    together = sorted([*itself, *replayed], key=lambda sighting: sighting.time)
    (one,) = met(key, cases.contacts(together))
    assert one.contacts == 2
    assert one.duration_s <= 601
    assert one.offset_s == 3000


def test_what_two_badges_heard_stays_apart(cases: type[Cases]) -> None:
    """Both met the case at once: that is one encounter of each, not one of both."""
    key = cases.key(1)
    contact = cases.contact(key, cases.day + 50)
    matcher = Matcher({"A": [contact], "B": [contact]})
    matcher.match([key])
    assert [(one.store, one.contacts) for one in encounters(matcher.hits())] == [("A", 1), ("B", 1)]


def test_a_short_contact_within_a_long_one_is_no_pause(cases: type[Cases]) -> None:
    """What counts is when the case was last heard under any ID, not under the one that began last."""
    key, noon = cases.key(1), (cases.day + 72) * 600.0
    long = cases.contact(key, cases.day + 72, seconds=1200.0)
    short = cases.contact(key, cases.day + 71, at=noon + 60, seconds=30.0)
    after = cases.contact(key, cases.day + 74, at=noon + 1500)
    (one,) = met(key, [long, short, after])
    assert (one.contacts, one.start, one.end) == (3, noon, noon + 1560)


def test_undated_contacts_stay_apart(cases: type[Cases]) -> None:
    """A contact of unknown time is never joined with one of known time."""
    key = cases.key(1)
    guessed = cases.contact(key, cases.day + 51, at=(cases.day + 50) * 600 + 100.0, synced=False)
    contacts = [cases.contact(key, cases.day + 50), guessed]
    assert sorted(one.synced for one in met(key, contacts)) == [False, True]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_encounters_hold_what_hits_hold(cases: type[Cases], data: st.DataObject) -> None:
    """Joining loses no contact, and makes no time but the silences of rotations."""
    key = cases.key(1)
    intervals = data.draw(st.lists(st.integers(0, 143), min_size=1, max_size=20, unique=True))
    contacts = [cases.contact(key, cases.day + number, seconds=data.draw(st.floats(1, 590))) for number in intervals]
    contacts = [
        replace(one, end=round(one.end, 3), scans=(replace(one.scans[0], seconds=round(one.scans[0].seconds, 3)),))
        for one in contacts
    ]
    found = met(key, contacts)
    assert sum(one.contacts for one in found) == len(contacts)
    total, joined = sum(one.duration_s for one in contacts), sum(one.duration_s for one in found)
    assert total - 0.1 <= joined <= total + 25 * (len(contacts) - len(found)) + 0.1
    assert all(one.near_s <= one.duration_s for one in found)
