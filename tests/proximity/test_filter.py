# SPDX-License-Identifier: Apache-2.0
"""The filter: what is dropped, why, and by how little."""

from __future__ import annotations

from collections.abc import Callable

from bzd.model import Sighting
from bzd.proximity.tracker import Tracker

Sight = Callable[..., Sighting]
MakeTracker = Callable[..., Tracker]

NOON = 1_600_084_800.0
MIDNIGHT = 1_600_128_000.0


def _feed(tracker: Tracker, *sightings: Sighting) -> Tracker:
    for sighting in sightings:
        tracker.feed(sighting)
    return tracker


def test_too_few_and_the_nearest_miss(sight: Sight, make_tracker: MakeTracker) -> None:
    """Contacts with fewer sightings than configured are counted, and the most that one had is known."""
    tracker = _feed(make_tracker(min_sightings=4), *(sight(NOON + n, name) for n, name in enumerate((1, 2, 2, 2, 3))))
    assert tracker.finish() == []
    counts = tracker.counts
    assert (counts.too_few, counts.too_few_sightings, counts.too_few_most) == (3, 5, 3)
    assert (counts.too_weak, counts.too_weak_strongest) == (0, None)


def test_too_weak_and_the_nearest_miss(sight: Sight, make_tracker: MakeTracker) -> None:
    """One sighting at the threshold is enough; below it the contact is counted with its strongest."""
    weak = [sight(NOON + n, 1, rssi) for n, rssi in enumerate((-110, -97, -99))]
    strong = [sight(NOON + 10 + n, 2, rssi) for n, rssi in enumerate((-110, -95))]
    tracker = _feed(make_tracker(), *weak, *strong)
    (contact,) = tracker.finish()
    assert (contact.rolling_id[-1], contact.rssi_max) == (2, -95)
    counts = tracker.counts
    assert (counts.too_weak, counts.too_weak_sightings, counts.too_weak_strongest) == (1, 3, -97)


def test_strongest_of_an_earlier_instance_counts(sight: Sight, make_tracker: MakeTracker) -> None:
    """A contact is judged by all its instances, not by its last."""
    tracker = _feed(make_tracker(), sight(NOON, 1, -90), sight(NOON + 100, 1, -100), sight(NOON + 200, 1, -100))
    (contact,) = tracker.finish()
    assert [scan.rssi_max for scan in contact.scans] == [-90, -100, -100]


def test_evicted_run_that_passed_is_a_contact(sight: Sight, make_tracker: MakeTracker) -> None:
    """Who goes because the table is full is handed out if he passed, and counted as lost otherwise."""
    tracker = make_tracker(max_tracked=16)
    contacts = [
        c for name in range(1, 41) for turn in (0, 1) for c in tracker.feed(sight(NOON + name * 3 + turn, name))
    ]
    contacts += tracker.finish()
    assert len(contacts) == 40
    assert (tracker.counts.evicted, tracker.counts.evicted_sightings, tracker.counts.tracked_most) == (24, 0, 16)
    once = _feed(make_tracker(max_tracked=16), *(sight(NOON + name, name) for name in range(1, 41)))
    assert once.finish() == []
    assert (once.counts.evicted, once.counts.evicted_sightings, once.counts.too_few) == (24, 24, 16)


def test_held_piece_is_dropped_with_its_run(sight: Sight, make_tracker: MakeTracker) -> None:
    """A piece cut off at midnight of a run that never passes is dropped with it, and both are counted."""
    tracker = _feed(make_tracker(min_sightings=5), *(sight(MIDNIGHT + n) for n in (-5, -4, 5)))
    assert tracker.pending == 3
    assert tracker.finish() == []
    assert (tracker.counts.too_few, tracker.counts.too_few_sightings, tracker.counts.too_few_most) == (2, 3, 2)


def test_held_piece_is_shown_in_progress_once_the_run_passes(sight: Sight, make_tracker: MakeTracker) -> None:
    """Before the run passes nothing is in progress, then both pieces are, and they are handed out together."""
    tracker = _feed(make_tracker(min_sightings=5), *(sight(MIDNIGHT + n) for n in (-5, -4, 5, 10)))
    assert list(tracker.open_contacts()) == []
    _feed(tracker, sight(MIDNIGHT + 11), sight(MIDNIGHT + 13))
    shown = [key for key, _ in tracker.open_contacts()]
    contacts = tracker.finish()
    assert shown == [contact.key for contact in contacts]
    assert [contact.sightings for contact in contacts] == [2, 4]


def test_weak_static_beacon_holds_one_piece_only(sight: Sight, make_tracker: MakeTracker) -> None:
    """A beacon that is too weak for days keeps a single undecided piece in memory, the older are dropped."""
    tracker = make_tracker(max_gap_s=86400)
    for day in range(5):
        _feed(tracker, *(sight(NOON + day * 86400 + n * 20000, 1, -110) for n in range(4)))
    (run,) = tracker._runs.values()
    assert run.held
    assert tracker.counts.too_weak == 3
    assert tracker.finish() == []
    assert (tracker.counts.too_weak_sightings, tracker.counts.too_few_sightings) == (19, 1)


def test_a_run_that_passed_keeps_its_last_piece(sight: Sight, make_tracker: MakeTracker) -> None:
    """A single sighting after midnight is kept when the run passed before it."""
    tracker = _feed(make_tracker(), *(sight(MIDNIGHT + n) for n in (-9, -5, 5)))
    assert [(contact.sightings, contact.duration_s) for contact in tracker.finish()] == [(2, 9), (1, 5)]


def test_evicted_run_takes_its_held_piece_with_it(sight: Sight, make_tracker: MakeTracker) -> None:
    """Sightings of a held piece are counted as lost when its run has to go."""
    tracker = _feed(make_tracker(min_sightings=5, max_tracked=16), *(sight(MIDNIGHT + n) for n in (-9, -5, 5)))
    crowd = [sight(MIDNIGHT + 10 + name + turn / 2, name) for name in range(2, 60) for turn in (0, 1)]
    assert _feed(tracker, *crowd).finish() == []
    counts = tracker.counts
    assert (counts.sightings, counts.evicted) == (3 + len(crowd), 59 - 16)
    assert counts.evicted_sightings == 3 + 2 * 42
    assert counts.sightings == counts.too_few_sightings + counts.evicted_sightings
