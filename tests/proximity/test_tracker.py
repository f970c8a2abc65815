# SPDX-License-Identifier: Apache-2.0
"""The tracker's rules, one by one: instances, contacts, cuts, order, clock."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Contact, Sighting
from bzd.proximity.ranging import Ranging
from bzd.proximity.run import MAX_INSTANCES
from bzd.proximity.tracker import Tracker

Sight = Callable[..., Sighting]
Track = Callable[..., list[Contact]]
MakeTracker = Callable[..., Tracker]

NOON = 1_600_041_600.0 + 43_200
"""2020-09-14 12:00 UTC."""
MIDNIGHT = 1_600_128_000.0
"""2020-09-15 00:00 UTC."""


def test_one_instance_sums_up_its_sightings(sight: Sight, track: Track) -> None:
    """Sightings close together are one instance with their count, mean, maximum and time from first to last."""
    (contact,) = track([sight(NOON, rssi=-60), sight(NOON + 10.25, rssi=-70), sight(NOON + 20.5, rssi=-61)])
    (scan,) = contact.scans
    assert (scan.offset_s, scan.seconds, scan.sightings, scan.rssi_max) == (0.0, 20.5, 3, -60)
    assert scan.rssi_mean == -63.625
    assert (contact.start, contact.end, contact.metadata) == (NOON, NOON + 20.5, b"meta")


def test_gap_within_limit_joins_and_beyond_splits(sight: Sight, track: Track) -> None:
    """25 s of silence still belong to the instance, 26 s do not, and they are not counted as presence."""
    (joined,) = track([sight(NOON), sight(NOON + 25)])
    assert [scan.seconds for scan in joined.scans] == [25.0]
    (split,) = track([sight(NOON), sight(NOON + 26)])
    assert [(scan.offset_s, scan.seconds) for scan in split.scans] == [(0.0, 0.0), (26.0, 0.0)]


def test_long_presence_is_split_without_losing_seconds(sight: Sight, track: Track) -> None:
    """Ten minutes heard every 7 s are instances of a minute that add up to exactly the time from first to last."""
    (contact,) = track([sight(NOON + second) for second in range(0, 602, 7)])
    assert contact.duration_s == 595
    assert len(contact.scans) == 10
    assert all(scan.seconds <= 67 for scan in contact.scans)


def test_away_for_five_minutes_is_not_present(sight: Sight, track: Track) -> None:
    """Who leaves for five minutes and comes back with the same ID is one contact without those five minutes."""
    here = [sight(NOON + second) for second in range(0, 61, 5)]
    back = [sight(NOON + 360 + second) for second in range(0, 61, 5)]
    (contact,) = track(here + back)
    assert contact.duration_s == 120
    assert contact.end - contact.start == 420


def test_max_gap_makes_two_contacts(sight: Sight, track: Track) -> None:
    """Six minutes of silence keep a contact together, a second more makes two."""
    pair = [sight(NOON), sight(NOON + 1)]
    assert len(track([*pair, sight(NOON + 361), sight(NOON + 362)])) == 1
    assert len(track([*pair, sight(NOON + 361.001), sight(NOON + 362)])) == 2


def test_midnight_cut_splits_the_seconds_exactly(sight: Sight, track: Track) -> None:
    """A presence over midnight is two contacts that meet at midnight and lose no second."""
    before, after = track([sight(MIDNIGHT - 33 + second) for second in range(0, 67, 11)])
    assert (before.start, before.end, before.duration_s) == (MIDNIGHT - 33, MIDNIGHT, 33)
    assert (after.start, after.end, after.duration_s) == (MIDNIGHT, MIDNIGHT + 33, 33)
    late, early = track([sight(MIDNIGHT - 30), sight(MIDNIGHT - 10), sight(MIDNIGHT + 8), sight(MIDNIGHT + 9)])
    assert (late.end, late.duration_s) == (MIDNIGHT, 30)
    assert (early.start, early.duration_s, early.scans[0].offset_s) == (MIDNIGHT, 9, 8)


def test_absence_over_midnight_belongs_to_nobody(sight: Sight, track: Track) -> None:
    """Where the gap over midnight is an absence, the contacts end and begin with their sightings."""
    before, after = track([sight(MIDNIGHT - 60), sight(MIDNIGHT - 50), sight(MIDNIGHT + 50), sight(MIDNIGHT + 60)])
    assert (before.end, before.duration_s) == (MIDNIGHT - 50, 10)
    assert (after.start, after.duration_s) == (MIDNIGHT + 50, 10)


def test_piece_too_small_for_the_filter_survives_the_cut(sight: Sight, track: Track) -> None:
    """One sighting before midnight is kept because its run passes after it; alone it is dropped."""
    before, after = track([sight(MIDNIGHT - 5), sight(MIDNIGHT + 5), sight(MIDNIGHT + 6)])
    assert (before.sightings, before.duration_s, after.duration_s) == (1, 5, 6)
    assert track([sight(MIDNIGHT - 5)]) == []


def test_beacon_that_never_rotates_is_cut_to_bound_memory(sight: Sight, track: Track) -> None:
    """A run of very many instances is handed out in pieces that lose no second."""
    sightings = [sight(NOON + second) for second in range(0, 36000, 20)]
    contacts = track(sightings)
    assert next(len(contact.scans) for contact in contacts) == MAX_INSTANCES
    assert sum(contact.duration_s for contact in contacts) == 35980
    assert [contact.start for contact in contacts[1:]] == [contact.end for contact in contacts[:-1]]


def test_scan_period_stands_for_the_time_since_the_last_listening(sight: Sight, track: Track) -> None:
    """A phone that listens 4 s every 4.5 minutes and hears somebody four times counts four periods, less jitter."""
    bursts = [NOON, NOON + 270, NOON + 520, NOON + 790]
    (contact,) = track([sight(start + tick) for start in bursts for tick in (0, 2, 4)], scan_period_s=270)
    assert [scan.seconds for scan in contact.scans] == [270, 270, 250, 270]


def test_missed_listening_is_absence(sight: Sight, track: Track) -> None:
    """Who was not heard in one listening stands for one period when heard again, not for two."""
    (contact,) = track([sight(NOON), sight(NOON + 300)], scan_period_s=150)
    assert [scan.seconds for scan in contact.scans] == [150, 150]


def test_period_is_capped_as_in_gaen(sight: Sight, track: Track) -> None:
    """However rarely a recorder listens, an instance stands for five minutes at most."""
    contacts = track([sight(NOON), sight(NOON + 1), sight(NOON + 900), sight(NOON + 901)], scan_period_s=900)
    assert [scan.seconds for contact in contacts for scan in contact.scans] == [300, 300]


def test_midnight_cut_with_a_scan_period(sight: Sight, track: Track) -> None:
    """The period in which midnight lies is divided there."""
    before, after = track([sight(MIDNIGHT - 100), sight(MIDNIGHT + 170)], scan_period_s=270)
    assert (before.duration_s, before.end) == (270 + 100, MIDNIGHT)
    assert (after.duration_s, after.start) == (170, MIDNIGHT)


def test_quick_duty_cycle_is_nearly_continuous(sight: Sight, track: Track) -> None:
    """A badge that listens 3 s in every 15 s loses nothing of five minutes."""
    (contact,) = track([sight(NOON + 15 * burst + tick) for burst in range(20) for tick in (0, 2)], scan_period_s=15)
    assert contact.duration_s == contact.end - contact.start == 19 * 15 + 2


def test_clock_stepping_back_ends_everything(sight: Sight, make_tracker: MakeTracker) -> None:
    """More than a second back hands out all contacts, is counted, and tracking goes on from the new time."""
    tracker = make_tracker()
    for second in range(3):
        assert list(tracker.feed(sight(NOON + second))) == []
    (ended,) = tracker.feed(sight(NOON - 3600))
    assert (ended.start, ended.end, ended.sightings) == (NOON, NOON + 2, 3)
    tracker.feed(sight(NOON - 3599))
    (again,) = tracker.finish()
    assert (again.start, tracker.counts.clock_steps_back) == (NOON - 3600, 1)


def test_late_by_less_than_a_second_is_put_in_order(sight: Sight, make_tracker: MakeTracker) -> None:
    """A late sighting is counted and fills the gap that it belongs to."""
    tracker = make_tracker()
    for time in (NOON, NOON + 25.5, NOON + 24.6):
        tracker.feed(sight(time))
    (contact,) = tracker.finish()
    assert (len(contact.scans), tracker.counts.late, tracker.counts.clock_steps_back) == (1, 1, 0)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, -1.0, 253402300800.0, 1e300])
def test_impossible_times_are_dropped(time: float, sight: Sight, make_tracker: MakeTracker) -> None:
    """A time that no calendar has is counted and moves no clock."""
    tracker = make_tracker()
    tracker.feed(sight(NOON))
    tracker.feed(sight(time))
    tracker.advance(time)
    tracker.feed(sight(NOON + 1))
    (contact,) = tracker.finish()
    assert (contact.sightings, tracker.counts.implausible_times, tracker.counts.clock_steps_back) == (2, 1, 0)


def test_thousands_of_sightings_in_one_instant_are_bounded(sight: Sight, make_tracker: MakeTracker) -> None:
    """A recorder that stamps everything alike neither fills the memory nor loses a sighting."""
    tracker = make_tracker()
    for number in range(20000):
        tracker.feed(sight(NOON - number % 3 / 4, number % 7))
    assert len(tracker._waiting) <= 4096
    assert sum(contact.sightings for contact in tracker.finish()) == 20000


def test_advance_hands_out_what_silence_closed(sight: Sight, make_tracker: MakeTracker) -> None:
    """Without further sightings, passing time closes a contact, and not a moment too early."""
    tracker = make_tracker()
    tracker.feed(sight(NOON))
    tracker.feed(sight(NOON + 5))
    assert list(tracker.advance(NOON + 5 + 360 + 1)) == []
    (contact,) = tracker.advance(NOON + 5 + 360 + 1.01)
    assert (contact.duration_s, tracker.finish()) == (5, [])


def test_open_contacts_keep_their_key_until_handed_out(sight: Sight, make_tracker: MakeTracker) -> None:
    """A contact in progress is shown as it would be closed now, under the key that the closed one has."""
    tracker = make_tracker()
    seen = []
    for second in range(120):
        tracker.feed(sight(NOON + second))
        seen += list(tracker.open_contacts())
    (closed,) = tracker.finish()
    assert {key for key, _ in seen} == {closed.key}
    assert all(closed.scans[: len(early.scans) - 1] == early.scans[:-1] for _, early in seen)
    assert seen[0][1].sightings == 2
    assert tracker.counts.contacts == 1


def test_protocols_with_equal_ids_are_kept_apart(sight: Sight, track: Track) -> None:
    """The same 16 bytes under two protocols are two contacts."""
    other = [sight(NOON + second)._replace(protocol="dp3t") for second in (0.5, 1.5)]
    assert [contact.protocol for contact in track([sight(NOON), other[0], sight(NOON + 1), other[1]])] == [
        "gaen",
        "dp3t",
    ]


def test_unsynced_clock_is_stated(sight: Sight) -> None:
    """A tracker that was told that the clock may be wrong says so in every contact."""
    tracker = Tracker(ProximityConfig(), Ranging(RangingConfig()), synced=False)
    tracker.feed(sight(NOON))
    tracker.feed(sight(NOON + 1))
    assert [contact.synced for contact in tracker.finish()] == [False]


@pytest.mark.parametrize(("back_s", "steps", "late"), [(0.9, 0, 1), (1.0, 0, 1), (1.1, 1, 0), (30, 1, 0)])
def test_a_second_divides_late_from_a_step_back(
    back_s: float, steps: int, late: int, sight: Sight, make_tracker: MakeTracker
) -> None:
    """Up to a second before the newest is late, more is a clock that stepped back."""
    tracker = make_tracker()
    for time in (NOON, NOON + 2, NOON + 2 - back_s):
        tracker.feed(sight(time))
    assert (tracker.counts.clock_steps_back, tracker.counts.late) == (steps, late)


def test_silence_is_noticed_beside_those_who_go_on(sight: Sight, make_tracker: MakeTracker) -> None:
    """A contact that ended is handed out in time although an older one is still being heard."""
    tracker, handed_out = make_tracker(max_gap_s=30), {}
    for time, name in [(0, 1), (0.5, 2), (1, 1), (1.5, 2), *((float(second), 1) for second in range(2, 40))]:
        for contact in tracker.feed(sight(NOON + time, name)):
            handed_out[contact.rolling_id[-1]] = time
    assert handed_out == {2: 34}


def test_late_sighting_behind_an_overflow_turns_no_time_back(sight: Sight, make_tracker: MakeTracker) -> None:
    """Where too many wait for their order, one that comes later with an older time counts as of the time reached."""
    tracker = make_tracker()
    tracker.feed(sight(NOON + 0.8, 1))
    for _ in range(5000):
        tracker.feed(sight(NOON + 0.9, 2))
    tracker.feed(sight(NOON + 0.1, 1))
    first, second = tracker.finish()
    assert (first.start, first.end, first.sightings) == (NOON + 0.8, NOON + 0.9, 2)
    assert (second.start, second.sightings) == (NOON + 0.9, 5000)
