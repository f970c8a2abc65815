# SPDX-License-Identifier: Apache-2.0
"""A flood of rolling IDs neither fills the memory, nor slows the tracker down, nor pushes out who has been here."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from bzd.model import Contact, ContactKey, Sighting
from bzd.proximity.quota import HourlyQuota
from bzd.proximity.tracker import Tracker

Sight = Callable[..., Sighting]
MakeTracker = Callable[..., Tracker]

NOON = 1_600_084_800.0
_NEIGHBOURS = [bytes([number]) * 16 for number in range(1, 51)]
_QUIET_S = 120
"""The neighbours are here for two minutes, then the flood comes."""


def _neighbours(sight: Sight, second: int, every_s: int) -> Iterator[Sighting]:
    """Neighbours at -80 dBm, each heard once in `every_s` seconds."""
    for number, neighbour in enumerate(_NEIGHBOURS):
        if (second + number) % every_s == 0:
            yield sight(NOON + second, neighbour, -80)


def _flooded(
    sight: Sight, attack: Iterator[tuple[bytes, int]], rate: int, every_s: int, flood_s: int
) -> Iterator[Sighting]:
    for second in range(_QUIET_S + flood_s):
        yield from _neighbours(sight, second, every_s)
        if second >= _QUIET_S:
            for number in range(rate):
                name, rssi = next(attack)
                yield sight(NOON + second + (number + 1) / (rate + 1), name, rssi)


def _heard(times: int, rssi: int) -> Iterator[tuple[bytes, int]]:
    rng = random.Random(1)
    while True:
        name = rng.randbytes(16)
        for _ in range(times):
            yield name, rssi


def _cycling(number: int, rssi: int) -> Iterator[tuple[bytes, int]]:
    rng = random.Random(2)
    names = [rng.randbytes(16) for _ in range(number)]
    return ((names[index % number], rssi) for index in count())


def _neighbour_contacts(contacts: list[Contact]) -> list[Contact]:
    return [contact for contact in contacts if contact.rolling_id in _NEIGHBOURS]


def test_a_million_random_ids_leave_the_neighbours(sight: Sight, make_tracker: MakeTracker) -> None:
    """A million strong IDs heard once, in bounded memory: all 50 neighbours keep every second of their contact."""
    tracker, contacts = make_tracker(), list[Contact]()
    for sighting in _flooded(sight, _heard(1, -40), 2000, 10, 500):
        contacts += tracker.feed(sighting)
    contacts += tracker.finish()
    kept = _neighbour_contacts(contacts)
    assert len(contacts) == len(kept) == len(_NEIGHBOURS)
    assert all(contact.duration_s >= _QUIET_S + 500 - 20 for contact in kept)
    assert tracker.counts.evicted + tracker.counts.too_few == 1_000_000
    assert tracker.counts.tracked_most == 4096


@pytest.mark.parametrize(
    ("attack", "every_s"),
    [(_heard(2, -40), 10), (_heard(5, -30), 20), (_cycling(3900, -40), 10), (_cycling(20000, -40), 20)],
    ids=["heard-twice", "heard-five-times", "fixed-set-that-fits", "fixed-set-that-does-not"],
)
def test_other_floods_leave_the_neighbours(
    attack: Iterator[tuple[bytes, int]], every_s: int, sight: Sight, make_tracker: MakeTracker
) -> None:
    """IDs heard several times, stronger than the neighbours, or cycled for minutes push none of them out."""
    tracker, contacts = make_tracker(), list[Contact]()
    for sighting in _flooded(sight, attack, 300, every_s, 200):
        contacts += tracker.feed(sighting)
        assert len(tracker._runs) <= 4096
    kept = _neighbour_contacts(contacts + tracker.finish())
    assert len(kept) == len(_NEIGHBOURS)
    assert all(contact.duration_s >= _QUIET_S + 200 - 2 * every_s for contact in kept)


@pytest.mark.parametrize(("ids", "rate"), [(6000, 300), (5000, 20)])
def test_newcomer_gets_in_while_a_kept_up_flood_fills_the_table(
    ids: int, rate: int, sight: Sight, make_tracker: MakeTracker
) -> None:
    """Somebody who comes while an attacker keeps thousands of IDs alive is logged, being heard more often than they."""
    tracker, attack, contacts = make_tracker(), _cycling(ids, -40), list[Contact]()
    newcomer = b"\xff" * 16
    for second in range(900):
        for number in range(rate):
            contacts += tracker.feed(sight(NOON + second + number / (rate + 1), *next(attack)))
        if second >= 600:
            contacts += tracker.feed(sight(NOON + second + 0.999, newcomer, -70))
    found = [contact for contact in contacts + tracker.finish() if contact.rolling_id == newcomer]
    assert sum(contact.duration_s for contact in found) >= 295


def test_memory_is_bounded(sight: Sight, make_tracker: MakeTracker) -> None:
    """Twice the flood takes no more memory, and 4096 tracked IDs take less than 8 MB."""
    tracker, rng = make_tracker(), random.Random(3)
    peaks = []
    tracemalloc.start()
    for part in range(2):
        for number in range(30000):
            tracker.feed(sight(NOON + part * 30 + number / 1000, rng.randbytes(16), -40))
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1
    assert peaks[1] < 8_000_000


def test_flood_costs_a_bounded_factor(sight: Sight, make_tracker: MakeTracker) -> None:
    """An ID that is heard once costs at most twenty times what one more sighting of a neighbour costs."""
    rng = random.Random(4)
    steady = [sight(NOON + number / 1000, _NEIGHBOURS[number % 50]) for number in range(30000)]
    flood = [sight(NOON + number / 1000, rng.randbytes(16)) for number in range(30000)]
    assert min(_cpu_s(make_tracker(), flood) for _ in range(3)) < 20 * min(
        _cpu_s(make_tracker(), steady) for _ in range(3)
    )


def test_quota_bounds_what_a_flood_stores(sight: Sight, make_tracker: MakeTracker) -> None:
    """IDs heard twice pass the filter; the quota keeps the limit, the neighbours' long contacts among them."""
    tracker, quota = make_tracker(), HourlyQuota(200)
    contacts, kept = list[Contact](), dict[ContactKey, Contact]()
    for sighting in _flooded(sight, _heard(2, -40), 40, 10, 400):
        contacts += tracker.feed(sighting)
    contacts += tracker.finish()
    for contact in contacts:
        verdict = quota.offer(contact)
        if verdict.pushed_out is not None:
            del kept[verdict.pushed_out]
        if verdict.admitted:
            kept[contact.key] = contact
    assert len(kept) == 200
    assert len(_neighbour_contacts(list(kept.values()))) == len(_NEIGHBOURS)
    assert quota.refused + quota.pushed_out == len(contacts) - 200


def _cpu_s(tracker: Tracker, sightings: list[Sighting]) -> float:
    before = time.process_time()
    for sighting in sightings:
        tracker.feed(sighting)
    return time.process_time() - before
