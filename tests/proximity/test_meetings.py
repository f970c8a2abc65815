# SPDX-License-Identifier: Apache-2.0
"""Simulated meetings: rotations of the rolling ID, phones that listen seldom, whole days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest

from bzd.model import Contact, Sighting

Sight = Callable[..., Sighting]
Track = Callable[..., list[Contact]]

MIDNIGHT = 1_600_128_000.0


@dataclass(frozen=True)
class Badge:
    """A badge that rotates its ID at given instants and is near from `come` to `leave` (unix seconds)."""

    number: int
    come: float
    leave: float
    rotations: tuple[float, ...] = ()

    def rolling_id(self, time: float) -> bytes:
        """The ID at a time."""
        turn = sum(time >= rotation for rotation in self.rotations)
        return bytes([self.number, turn]) * 8

    def adverts(self, rng: random.Random) -> Iterator[tuple[float, bytes]]:
        """What it sends while near: an advertisement each 200 to 270 ms."""
        time = self.come
        while time < self.leave:
            yield time, self.rolling_id(time)
            time += rng.uniform(0.2, 0.27)


def _heard(
    sight: Sight, badges: Iterable[Badge], *, listens: Callable[[float], bool], loss: float = 0.5
) -> list[Sighting]:
    """What a recorder hears that listens at some times and loses a share of the advertisements."""
    rng = random.Random(7)
    sent = sorted(advert for badge in badges for advert in badge.adverts(rng))
    return [
        sight(time, name, round(rng.gauss(-62, 5))) for time, name in sent if listens(time) and rng.random() >= loss
    ]


def _always(_time: float) -> bool:
    return True


def _gaen_listening(start: float, end: float, seed: int) -> Callable[[float], bool]:
    """4 s at intervals drawn from 210 to 300 s (facts of Google's reference implementation)."""
    rng, times, time = random.Random(seed), [], start
    while time < end:
        times.append(time)
        time += 300 - rng.uniform(0, 90)
    return lambda now: any(time <= now < time + 4 for time in times)


@pytest.mark.parametrize("after_s", [3, 20, 60, 120, 200, 237])
def test_four_minutes_across_a_rotation_keep_both_pieces(after_s: float, sight: Sight, track: Track) -> None:
    """Wherever the ID rotates in a meeting of four minutes, the two contacts make up its 240 s."""
    noon = MIDNIGHT - 43_200
    badge = Badge(1, noon, noon + 240, (noon + after_s,))
    contacts = track(_heard(sight, [badge], listens=_always))
    assert len(contacts) == 2
    assert sum(contact.duration_s for contact in contacts) == pytest.approx(240, abs=5)
    assert contacts[0].end <= noon + after_s <= contacts[1].start


def test_crowd_of_badges_over_midnight(sight: Sight, track: Track) -> None:
    """Twelve badges that rotate at their own times over midnight: each one's seconds add up to its stay."""
    rng = random.Random(11)
    badges = [
        Badge(
            number,
            MIDNIGHT - rng.uniform(300, 900),
            MIDNIGHT + rng.uniform(300, 900),
            tuple(sorted(MIDNIGHT + rng.uniform(-900, 900) for _ in range(3))),
        )
        for number in range(1, 13)
    ]
    contacts = track(_heard(sight, badges, listens=_always), min_sightings=1)
    for badge in badges:
        mine = [contact for contact in contacts if contact.rolling_id[0] == badge.number]
        assert sum(contact.duration_s for contact in mine) == pytest.approx(badge.leave - badge.come, abs=12)
        assert {contact.start // 86400 for contact in mine} == {MIDNIGHT // 86400 - 1, MIDNIGHT // 86400}


@pytest.mark.parametrize("seed", range(5))
def test_gaen_phone_counts_an_hour_from_sparse_bursts(seed: int, sight: Sight, track: Track) -> None:
    """A phone that listens 4 s in about 255 counts an hour of company within one period, over rotations too."""
    noon = MIDNIGHT - 43_200
    badge = Badge(1, noon, noon + 3600, tuple(noon + 900.0 * turn for turn in (1, 2, 3)))
    heard = _heard(sight, [badge], listens=_gaen_listening(noon - 100, noon + 4000, seed))
    assert len(heard) < 150
    contacts = track(heard, scan_period_s=255)
    assert sum(contact.duration_s for contact in contacts) == pytest.approx(3600, abs=300)


def test_without_the_period_sparse_bursts_are_moments(sight: Sight, track: Track) -> None:
    """Taken for continuous listening, the same bursts are a few seconds each: why the period must be known."""
    noon = MIDNIGHT - 43_200
    heard = _heard(sight, [Badge(1, noon, noon + 3600)], listens=_gaen_listening(noon, noon + 3600, 1))
    assert sum(contact.duration_s for contact in track(heard)) < 60


def test_who_leaves_between_two_listenings_is_not_present(sight: Sight, track: Track) -> None:
    """Present, twenty minutes away, present again with the same ID: the absence is not counted."""
    noon = MIDNIGHT - 43_200
    badges = [Badge(1, noon, noon + 600), Badge(1, noon + 1800, noon + 2400)]
    contacts = track(_heard(sight, badges, listens=_gaen_listening(noon, noon + 2400, 3)), scan_period_s=255)
    assert sum(contact.duration_s for contact in contacts) == pytest.approx(1200, abs=510)
    assert all(contact.end <= noon + 600 or contact.start >= noon + 1800 for contact in contacts)


def test_bluezone_listens_forty_seconds_in_three_hundred(sight: Sight, track: Track) -> None:
    """Bluezone's duty cycle (40 s on, 260 s off) gives half an hour as half an hour."""
    noon = MIDNIGHT - 43_200
    heard = _heard(sight, [Badge(1, noon, noon + 1800)], listens=lambda time: (time - noon) % 300 < 40)
    (contact,) = track(heard, scan_period_s=300)
    assert contact.duration_s == pytest.approx(1800, abs=5)


def test_slow_reports_lose_nothing(sight: Sight, track: Track) -> None:
    """BlueZ's active scan reports a device once in some 10 s; a quarter of an hour stays a quarter of an hour."""
    noon = MIDNIGHT - 43_200
    (contact,) = track(sight(noon + 10.3 * number) for number in range(88))
    assert contact.duration_s == pytest.approx(900, abs=10.3)
