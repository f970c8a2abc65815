# SPDX-License-Identifier: Apache-2.0
"""Contacts that a corrected clock moves over a UTC midnight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Contact, ScanInstance, Sighting
from bzd.proximity.midnight import cut
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker

DAY_S = 86400
MIDNIGHT = 1_606_089_600.0
"""2020-11-23T00:00:00Z."""

steps = st.lists(
    st.tuples(st.integers(0, 70_000) | st.integers(0, 400_000), st.integers(1, 3)), min_size=1, max_size=60
)
"""Milliseconds since the sighting before, and who it is of."""


def _tracker(*, synced: bool = True, period_s: float = 0.0, **config: float) -> Tracker:
    rules = ProximityConfig(**config)  # type: ignore[arg-type]
    return Tracker(rules, Ranging(RangingConfig()), scan_period_s=period_s, synced=synced)


def _sighting(milliseconds: int, number: int) -> Sighting:
    return Sighting(milliseconds / 1000, "gaen", bytes([number] * 16), b"meta", -60 - number)


def _in_one_day(contact: Contact) -> bool:
    day = contact.start // DAY_S * DAY_S
    return contact.end <= day + DAY_S and all(contact.start + scan.offset_s < day + DAY_S for scan in contact.scans)


def _sound(contact: Contact) -> bool:
    """What every contact promises of its fields (`bzd.model`)."""
    offsets = [scan.offset_s for scan in contact.scans]
    return (
        offsets == sorted(offsets)
        and min(offsets) >= 0
        and contact.start <= contact.end
        and all(scan.seconds >= 0 and scan.sightings >= 1 for scan in contact.scans)
        and 0 <= contact.near_s <= contact.duration_s
    )


def _totals(contacts: Iterable[Contact]) -> dict[bytes, tuple[int, int]]:
    """Milliseconds and sightings of each rolling ID."""
    found: dict[bytes, tuple[int, int]] = {}
    for contact in contacts:
        seconds, sightings = found.get(contact.rolling_id, (0, 0))
        found[contact.rolling_id] = seconds + round(contact.duration_s * 1000), sightings + contact.sightings
    return found


def _heard(moves: list[tuple[int, int]], wrong_by: int, at: int, tracker: Tracker) -> list[Contact]:
    """The contacts of a clock that is wrong by so many milliseconds until it is set right at one of the sightings."""
    found: list[Contact] = []
    now = int(MIDNIGHT * 1000) - sum(gap for gap, _ in moves) // 2
    for index, (gap, number) in enumerate(moves):
        now += gap
        if index == at:
            # What closed before is dated when it is read; see below.
            found = [piece for contact in found for piece in cut(_moved(contact, -wrong_by))]
            found += tracker.redate(-wrong_by, synced=True)
            wrong_by = 0
        found += tracker.feed(_sighting(now + wrong_by, number))
    found += tracker.finish()
    return [piece for contact in found for piece in cut(_moved(contact, -wrong_by))]


def _first(contact: Contact) -> int:
    """Its first sighting, in milliseconds."""
    return round((contact.start + contact.scans[0].offset_s) * 1000)


def _moved(contact: Contact, shift: int) -> Contact:
    start, end = ((round(time * 1000) + shift) / 1000 for time in (contact.start, contact.end))
    return replace(contact, start=start, end=end)


@settings(deadline=None, max_examples=300)
@given(steps, st.integers(0, 60), st.integers(-40 * 3600_000, 40 * 3600_000), st.integers(1, 3))
def test_set_right_around_midnight(moves: list[tuple[int, int]], at: int, wrong_by: int, least: int) -> None:
    """Whenever the clock was set right, each contact is in one day, and no second or sighting is lost or won."""
    found = _heard(moves, wrong_by, at, _tracker(synced=False, min_sightings=least))
    assert all(_in_one_day(contact) and _sound(contact) for contact in found)
    right = _heard(moves, 0, len(moves), _tracker(min_sightings=least))
    if least == 1:  # a piece that is cut off early may be too short for more, by either clock
        assert _totals(found) == _totals(right)
    else:
        assert {one: total[1] for one, total in _totals(found).items()}.keys() >= _whole_runs(moves, least)


def _whole_runs(moves: list[tuple[int, int]], least: int) -> set[bytes]:
    """IDs that were heard often enough within a quarter of an hour for any cut."""
    counts = {number: [gap for gap, of in moves if of == number] for _, number in moves}
    close = sum(gap for gap, _ in moves) < 60_000
    return {bytes([number] * 16) for number, gaps in counts.items() if close and len(gaps) >= least}


@settings(deadline=None, max_examples=100)
@given(steps, st.integers(0, DAY_S * 1000), st.sampled_from([0.0, 60.0, 300.0]))
def test_what_is_read_is_cut_too(moves: list[tuple[int, int]], shift: int, period_s: float) -> None:
    """Any contact, moved anywhere, is cut into pieces of its own seconds, sightings and strongest signal."""
    whole = [_moved(contact, shift) for contact in _heard(moves, 0, len(moves), _tracker(period_s=period_s))]
    for contact in whole:
        pieces = cut(contact)
        assert all(_in_one_day(piece) and _sound(piece) for piece in pieces)
        assert _totals(pieces) == _totals([contact])
        assert round(sum(piece.near_s for piece in pieces), 3) == contact.near_s
        assert max(piece.rssi_max for piece in pieces) == contact.rssi_max
        assert contact.start <= pieces[0].start <= pieces[-1].end <= contact.end
        assert [_first(piece) for piece in (pieces[0], contact)] == [_first(contact)] * 2
        assert not _in_one_day(contact) or pieces == [contact]


def _contact(*scans: tuple[float, float, int], start: float, end: float) -> Contact:
    made = tuple(ScanInstance(offset, seconds, count, -60.5, -55) for offset, seconds, count in scans)
    return Contact("gaen", bytes(16), b"", start, end, 0.0, None, True, made)


@pytest.mark.parametrize(
    ("scans", "last", "before", "after"),
    [
        # Midnight within an instance of 40 s: its sightings are shared.
        ([(0, 40, 8)], 40, [(0, 10, 2)], [(0, 30, 6)]),
        # In the gap of 20 s between two, which counts as presence: 5 s of it are of the old day.
        ([(0, 5, 3), (25, 30, 4)], 35, [(0, 10, 3)], [(15, 25, 4)]),
        # In an absence: the pieces end and begin with what was heard.
        ([(0, 5, 3), (100, 10, 4)], 110, [(0, 5, 3)], [(0, 10, 4)]),
        # On the stroke of an only sighting: that is of the new day, and the gap before it of the old.
        ([(0, 5, 3), (10, 5, 1)], 10, [(0, 10, 3)], [(0, 0, 1)]),
    ],
)
def test_where_midnight_falls(scans: Any, last: float, before: Any, after: Any) -> None:
    """Ten seconds after the start of the contact: within an instance, in a gap, in an absence."""
    early, late = cut(_contact(*scans, start=MIDNIGHT - 10, end=MIDNIGHT - 10 + last))
    for piece, wanted in ((early, before), (late, after)):
        assert [(scan.offset_s, scan.seconds, scan.sightings) for scan in piece.scans] == wanted
    absent = len(scans) > 1 and scans[1][0] > 25 + scans[0][1]
    assert (early.end, late.start) == ((MIDNIGHT - 5, MIDNIGHT + 90) if absent else (MIDNIGHT, MIDNIGHT))


def test_a_contact_in_progress_goes_on_after_its_cut() -> None:
    """Cut while it was heard, it grows on as a contact of the new day, as if the clock had always been right."""
    moved, right = _tracker(synced=False), _tracker()
    start = int(MIDNIGHT * 1000) - 300_000
    found: list[Contact] = []
    for second in range(0, 600, 5):
        if second == 400:
            found += moved.redate(start - 1_000, synced=True)
            assert [contact.end for contact in found] == [MIDNIGHT]
        early = second < 400
        found += moved.feed(_sighting(second * 1000 + (1_000 if early else start), 1))
        right.feed(_sighting(start + second * 1000, 1))
    found += moved.finish()
    assert [(contact.start, contact.end, contact.duration_s) for contact in found] == [
        (MIDNIGHT - 300, MIDNIGHT, 300.0),
        (MIDNIGHT, MIDNIGHT + 295, 295.0),
    ]
    assert moved.counts.sightings == moved.counts.contact_sightings == 120


instances = st.lists(
    st.builds(
        ScanInstance,
        st.integers(0, 2**32 - 1).map(lambda ms: ms / 1000) | st.floats(0, DAY_S),
        st.integers(0, 2**32 - 1).map(lambda ms: ms / 1000),
        st.integers(1, 65535),
        st.just(-60.0),
        st.just(-50),
    ),
    max_size=4,
)
"""Whatever a record can say of them (`bzd.store.records`)."""

in_order = instances.map(lambda scans: sorted(scans, key=lambda scan: scan.offset_s))


@given(instances | in_order, st.integers(-DAY_S, DAY_S), st.integers(0, 3 * DAY_S))
def test_a_record_that_a_thief_sealed_comes_to_an_end(scans: list[ScanInstance], start: int, length: int) -> None:
    """Whatever a contact says of its instances, none at all included, it is cut into a few pieces or left as it is."""
    contact = replace(_contact((0, 0, 1), start=MIDNIGHT + start, end=MIDNIGHT + start + length), scans=tuple(scans))
    pieces = cut(contact)
    assert pieces == [contact] or all(piece.scans for piece in pieces)
    assert len(pieces) <= 1 + length // DAY_S + 1
    assert sum(piece.sightings for piece in pieces) == contact.sightings
    assert sum(piece.near_s for piece in pieces) == pytest.approx(contact.near_s)
