# SPDX-License-Identifier: Apache-2.0
"""Own keys that do not overlap, however quickly they followed each other, and none that no badge can have had."""

from __future__ import annotations

import pytest

from bzd.clock import FixedClock
from bzd.matching.own import cut, own_diagnosis_keys, plausible
from bzd.model import DailyKey
from bzd.protocols.schedule import DAY_S
from bzd.radio.broadcast import Broadcast
from bzd.radio.rotation import AHEAD

MIDNIGHT = 20_000 * 86_400.0
STEP = 600.0


def key(begin: float, end: float = DAY_S, *, number: int = 0, protocol: str = "gaen") -> DailyKey:
    """A key of a day, from and to so many seconds after midnight."""
    return DailyKey(protocol, bytes([number] * 16), MIDNIGHT + begin, MIDNIGHT + end)


def spans(keys: list[DailyKey]) -> list[tuple[float, float]]:
    """Seconds after midnight."""
    return [(one.start - MIDNIGHT, one.end - MIDNIGHT) for one in keys]


def test_a_restart_cuts_the_key_before() -> None:
    """At the start of the new one; the last key of a day is whole, and so is that of the day before."""
    keys = [key(-DAY_S, 0), key(0), key(36_000), key(40_200)]
    assert spans(cut(keys)) == [(-DAY_S, 0), (0, 36_000), (36_000, 40_200), (40_200, DAY_S)]
    assert cut([]) == []


def test_keys_that_followed_each_other_within_minutes() -> None:
    """Those that begin ahead of their time do not cost the one that is used all day its intervals."""
    keys = [key(0), key(600), key(1200), key(600, number=1)]
    ahead = (AHEAD + 1) * STEP
    assert spans(cut(keys)) == [(0, 600), (600, 1200), (1200, 1200 + ahead), (600, DAY_S)]
    assert spans(cut(cut(keys))) == spans(cut(keys))


def test_an_end_that_is_stored_is_never_later() -> None:
    """A key that was ended stays so, whenever the next one began."""
    assert spans(cut([key(0, 1800), key(36_000)])) == [(0, 1800), (36_000, DAY_S)]


@pytest.mark.parametrize("ends", [1, 3, 9])
def test_what_went_on_air_is_covered(ends: int) -> None:
    """However often the key is ended within an interval, and restarted: each ID is one of its key's, cut as it is."""
    kept: list[DailyKey] = []
    sent: list[tuple[DailyKey, int]] = []
    clock = FixedClock(MIDNIGHT + 36_000)
    for _ in range(2):
        broadcast = Broadcast("gaen", 0, clock=clock, boottime=clock.now, keep=kept.append)
        for number in range(ends):
            turn = broadcast.draw().turn
            sent.append((turn.key, turn.interval))
            if number < ends - 1:
                broadcast.retire_key()
    for _ in range(20):
        clock.time += 1200
        turn = broadcast.draw().turn
        sent.append((turn.key, turn.interval))
    held = {one.key: (one.start, one.end) for one in cut(kept)}
    for one, interval in sent:
        start, end = held[one.key]
        assert start <= interval * STEP < end


@pytest.mark.parametrize(
    "odd",
    [
        key(0, 2 * DAY_S),
        key(600, 600),
        key(600, 0),
        key(300, 600),
        key(0, 900),
        DailyKey("gaen", bytes(15), MIDNIGHT, MIDNIGHT + DAY_S),
        DailyKey("bluezone", bytes(16), MIDNIGHT, MIDNIGHT + DAY_S),
        key(0, protocol="other"),
        DailyKey("gaen", bytes(16), 253_402_128_000.0, 253_402_128_600.0),
    ],
)
def test_keys_that_no_badge_can_have_had(odd: DailyKey) -> None:
    """Are never tried: one of years would take for ever."""
    assert not plausible(odd)
    assert [one.key for one in own_diagnosis_keys([odd, key(0, number=1)])] == [bytes([1] * 16)]
