# SPDX-License-Identifier: Apache-2.0
"""Who goes when the table of runs is full."""

from __future__ import annotations

from collections.abc import Callable

from bzd.model import Sighting
from bzd.proximity.places import Places
from bzd.proximity.run import Run, RunKey

Sight = Callable[..., Sighting]

_CAPACITY, _SILENT = 16, 25_000


def _key(name: int) -> RunKey:
    return ("gaen", name.to_bytes(16, "big"))


def _come(places: Places, sight: Sight, name: int, now: int, rssi: int = -60) -> Run:
    run = Run(_key(name), sight(now / 1000, name, rssi), now, places.once)
    places.add(run)
    return run


def _hear(places: Places, run: Run, now: int) -> Run | None:
    run.add(now, -60)
    return places.promote(run, now)


def test_no_victim_while_there_is_room(sight: Sight) -> None:
    """Nobody goes before the table is full."""
    places = Places(_CAPACITY, _SILENT)
    for name in range(_CAPACITY):
        assert places.victim() is None
        _come(places, sight, name, name)
    assert places.victim() is not None


def test_weakest_of_the_longest_silent_goes(sight: Sight) -> None:
    """Among the eight that have been silent longest the weakest goes; a weaker one that came later stays."""
    places = Places(_CAPACITY, _SILENT)
    for name in range(_CAPACITY):
        _come(places, sight, name, name, {5: -90, 12: -99}.get(name, -60))
    victim = places.victim()
    assert victim is not None
    assert victim.key == _key(5)


def test_heard_once_goes_before_heard_twice(sight: Sight) -> None:
    """Those heard once go while they hold more than an eighth of the table, then those heard twice."""
    places = Places(_CAPACITY, _SILENT)
    runs = [_come(places, sight, name, name) for name in range(_CAPACITY)]
    for number, run in enumerate(runs[: _CAPACITY - 3]):
        _hear(places, run, 100 + number)
    assert places.victim() is runs[-3]
    _hear(places, runs[-3], 200)
    assert places.victim() is runs[0]


def test_neighbours_make_room_only_when_silent(sight: Sight) -> None:
    """With six eighths neighbours, a newcomer of a minute replaces one that fell silent, and none that is heard."""
    places = Places(_CAPACITY, _SILENT)
    runs = [_come(places, sight, name, 0) for name in range(13)]
    for now in (1_000, 60_000):
        assert [_hear(places, run, now) for run in runs] == [None] * 13
    assert [run.queue is runs[0].queue for run in runs] == [True] * 12 + [False]
    assert _hear(places, runs[12], 80_000) is None
    assert _hear(places, runs[12], 90_000) is runs[0]
    assert runs[12].queue is runs[1].queue


def test_longest_silent_over_all_queues(sight: Sight) -> None:
    """The earliest last sighting is found whichever queue it is in, and removal empties the table."""
    places = Places(_CAPACITY, _SILENT)
    assert places.longest_silent() is None
    runs = [_come(places, sight, name, 100 * name) for name in range(4)]
    _hear(places, runs[0], 1_000)
    assert places.longest_silent() == 100
    assert [run.last for run in places.last_heard_before(100)] == []
    for run in places.last_heard_before(2_000):
        places.remove(run)
    assert (places.runs, places.longest_silent()) == ({}, None)
