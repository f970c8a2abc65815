# SPDX-License-Identifier: Apache-2.0
"""The clock is set while contacts are in progress."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Contact, Sighting
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker

NOON = 1_606_046_400.0
"""2020-11-22T12:00:00Z: far from midnight, where moved contacts would not be cut."""


def _tracker(*, synced: bool = True) -> Tracker:
    return Tracker(ProximityConfig(), Ranging(RangingConfig()), synced=synced)


def _sighting(time: float, number: int = 1) -> Sighting:
    return Sighting(time, "gaen", bytes([number] * 16), b"meta", -60 - number)


gaps = st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 3)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=150)
@given(gaps, st.integers(0, 39), st.integers(-3_600_000, 3_600_000))
def test_nothing_but_the_times_changes(steps: list[tuple[int, int]], at: int, shift: int) -> None:
    """A clock set anywhere in between gives the contacts of a clock that was always right, to the millisecond."""
    moved, plain = _tracker(synced=False), _tracker()
    found: list[Contact] = []
    wanted: list[Contact] = []
    milliseconds, wrong = int(NOON * 1000), -shift
    for index, (gap, number) in enumerate(steps):
        milliseconds += gap
        if index == at:
            moved.redate(-wrong, synced=True)
            found = [replace(c, start=_ms(c.start, -wrong), end=_ms(c.end, -wrong), synced=True) for c in found]
            wrong = 0
        found += moved.feed(_sighting((milliseconds + wrong) / 1000, number))
        wanted += plain.feed(_sighting(milliseconds / 1000, number))
    found += moved.finish()
    wanted += plain.finish()
    if at >= len(steps):
        found = [replace(c, start=_ms(c.start, -wrong), end=_ms(c.end, -wrong), synced=True) for c in found]
    order = sorted(found, key=lambda contact: contact.key), sorted(wanted, key=lambda contact: contact.key)
    assert order[0] == order[1]


def _ms(time: float, shift: int) -> float:
    return (round(time * 1000) + shift) / 1000


def test_from_1970_to_today() -> None:
    """A meeting that began at boot and goes on after the first synchronisation is one contact, dated right."""
    tracker = _tracker(synced=False)
    for second in range(0, 300, 5):
        tracker.feed(_sighting(30.0 + second))
    ((key, before),) = tracker.open_contacts()
    assert (before.start, before.synced) == (30.0, False)
    tracker.redate(round(NOON * 1000), synced=True)
    ((moved, _),) = tracker.open_contacts()
    assert moved == (*key[:2], NOON + 30)
    for second in range(300, 600, 5):
        tracker.feed(_sighting(NOON + 30.0 + second))
    (contact,) = tracker.finish()
    assert (contact.start, contact.duration_s, contact.synced) == (NOON + 30, 595.0, True)
    assert tracker.counts.clock_steps_back == 0


def test_a_piece_that_is_held_moves_too() -> None:
    """What was cut off at midnight and waits for its run to pass the filter is moved with the run."""
    midnight = NOON + 43200
    tracker = Tracker(replace(ProximityConfig(), min_sightings=3), Ranging(RangingConfig()))
    tracker.feed(_sighting(midnight - 5))
    tracker.feed(_sighting(midnight + 5))
    tracker.advance(midnight + 10)
    tracker.redate(86_400_000, synced=True)
    for second in (10, 15):
        tracker.feed(_sighting(midnight + 86400 + second))
    before, after = tracker.finish()
    assert (before.start, before.end, after.start) == (midnight + 86395, midnight + 86400, midnight + 86400)


def test_a_day_later_ends_at_its_midnight() -> None:
    """After the move an instance ends at the midnight of the new time, not of the old."""
    tracker = _tracker()
    for second in (0, 5, 10):
        tracker.feed(_sighting(NOON + second))
    tracker.advance(NOON + 12)
    tracker.redate((43200 - 20) * 1000, synced=True)
    found: list[Contact] = []
    for second in (15, 19, 21, 25, 30):
        found += tracker.feed(_sighting(NOON + 43200 - 20 + second))
    before, after = found + tracker.finish()
    assert before.end == after.start == NOON + 43200
