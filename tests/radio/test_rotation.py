# SPDX-License-Identifier: Apache-2.0
"""The rotation: never the same interval twice, whatever the clocks do, and rotations when they are due."""

from __future__ import annotations

from itertools import count, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.protocols import protocols
from bzd.radio.rotation import AHEAD, GAEN_LIFE_S, SLOT_DELAY_S, Rotation, Turn

_DAY = 86400.0
_NOON = 20000 * _DAY + 12 * 3600.0


def _rotation(protocol: str = "gaen", seed: int = 1) -> Rotation:
    """One whose keys are the numbers 0, 1, 2, ..., so that they can be told apart."""
    numbers = count()
    return Rotation(protocols()[protocol], Random(seed), lambda size: next(numbers).to_bytes(size, "big"))


def _rotate(rotation: Rotation, wall: float, boot: float, until: float) -> list[tuple[float, Turn]]:
    """Wait and turn, as the radio does, for so many seconds."""
    turns, end = [], wall + until
    while wall < end:
        turns.append((wall, rotation.turn(wall, boot)))
        wait = rotation.wait_s(wall, boot)
        wall, boot = wall + wait, boot + wait
    return turns


def test_gaen_rotates_every_10_to_20_minutes_and_at_midnight() -> None:
    """Lives are random within the specification's bounds, but for the one that midnight ends."""
    turns = _rotate(_rotation(), _NOON, 100.0, 2 * _DAY)
    lives = [after[0] - before[0] for before, after in pairwise(turns)]
    by_midnight = [after[0] % _DAY == 0 for _, after in pairwise(turns)]
    assert sum(by_midnight) == 2
    assert all(
        GAEN_LIFE_S[0] <= life <= GAEN_LIFE_S[1] for life, cut in zip(lives, by_midnight, strict=True) if not cut
    )
    assert len(set(lives)) > 100


def test_bluezone_rotates_within_15_seconds_after_each_slot() -> None:
    """After a start it gets into step, and then each slot has its ID for all but the first seconds."""
    turns = _rotate(_rotation("bluezone"), _NOON + 100, 0.0, _DAY)[2:]
    assert all(0 <= wall % 900 <= SLOT_DELAY_S for wall, _ in turns)
    assert all(turn.interval == wall // 900 for wall, turn in turns)
    assert len({wall % 900 for wall, _ in turns}) > 50


@pytest.mark.parametrize("protocol", ["gaen", "bluezone"])
def test_keys_end_at_midnight_and_do_not_overlap(protocol: str) -> None:
    """Each day has one key, from midnight to midnight; the first begins with the interval after the start."""
    turns = _rotate(_rotation(protocol), _NOON + 1, 0.0, 3 * _DAY)
    keys = list(dict.fromkeys(turn.key for _, turn in turns))
    step = protocols()[protocol].interval_s
    assert keys[0].start == _NOON + step
    assert [key.end % _DAY for key in keys] == [0.0] * 4
    assert all(before.end == after.start for before, after in pairwise(keys))
    assert len({key.key for key in keys}) == 4


def test_recoveries_take_intervals_ahead_and_then_a_new_key() -> None:
    """Within one interval the current one and six ahead can be had; the next registration begins a key."""
    rotation = _rotation()
    rotation.turn(_NOON, 0.0)
    now = int(_NOON // 600) + 3
    turns = [rotation.turn(_NOON + 1800, 1800.0) for _ in range(AHEAD + 2)]
    assert [turn.interval for turn in turns] == [*range(now, now + AHEAD + 1), now + 1]
    assert turns[-1].key != turns[0].key
    assert turns[-1].key.start == (now + 1) * 600


def test_clock_that_goes_back_gets_a_new_key() -> None:
    """Nobody knows which intervals of the old key were used; the rotation is due at once."""
    rotation = _rotation()
    before = rotation.turn(_NOON, 0.0)
    assert rotation.wait_s(_NOON - 601, 1.0) == 0
    after = rotation.turn(_NOON - 601, 1.0)
    assert after.key != before.key
    assert after.key.start > _NOON - 601


def test_clock_that_jumps_forward_is_followed_at_once() -> None:
    """An ID of hours ago would not be matched, so the rotation is due; the key goes on within its day."""
    rotation = _rotation()
    before = rotation.turn(_NOON, 0.0)
    later = _NOON + 3 * 3600
    assert rotation.wait_s(later, 1.0) == 0
    after = rotation.turn(later, 1.0)
    assert (after.key, after.interval) == (before.key, later // 600)
    assert rotation.turn(later + 5 * _DAY, 2.0).key.start == (later + 5 * _DAY) // 600 * 600


def test_a_turn_that_was_never_on_air_may_be_had_again() -> None:
    """A kernel that refuses for hours uses up no intervals and no keys."""
    rotation = _rotation()
    first = rotation.turn(_NOON, 0.0)
    rotation.take_back(first)
    for _ in range(50):
        turn = rotation.turn(_NOON, 0.0)
        assert turn == first
        rotation.take_back(turn)
    assert rotation.wait_s(_NOON, 0.0) == 0


def test_a_retired_key_is_followed_by_one_of_the_next_interval() -> None:
    """The old key may have been used in the present interval, so the new one begins after it."""
    rotation = _rotation()
    rotation.turn(_NOON, 0.0)
    used = rotation.turn(_NOON + 700, 700.0)
    rotation.retire_key()
    assert rotation.wait_s(_NOON + 701, 701.0) == 0
    turn = rotation.turn(_NOON + 701, 701.0)
    assert turn.key != used.key
    assert turn.key.start == (used.interval + 1) * 600


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "turn", "refused", "retire", "jump"]),
        st.floats(0, 4000),
        st.floats(-3 * _DAY, 3 * _DAY),
    ),
    max_size=60,
)


@given(protocol=st.sampled_from(["gaen", "bluezone"]), seed=st.integers(0, 1000), steps=_STEPS)
@settings(deadline=None)
def test_no_interval_is_advertised_twice(protocol: str, seed: int, steps: list[tuple[str, float, float]]) -> None:
    """Whatever the clocks, recoveries and refusals: each pair of key and interval is on air once, near its time."""
    rotation, step = _rotation(protocol, seed), protocols()[protocol].interval_s
    wall, boot, aired = _NOON, 50.0, set()
    for action, passed, jump in steps:
        wall, boot = wall + passed, boot + passed
        if action == "jump":
            wall = max(0.0, wall + jump)
        elif action == "retire":
            rotation.retire_key()
        elif action != "wait" or rotation.due(wall, boot):
            turn = rotation.turn(wall, boot)
            assert turn.key.start <= turn.interval * step < turn.key.end
            assert turn.key.end - turn.key.start <= _DAY
            assert 0 <= turn.interval - wall // step <= AHEAD
            assert 0 <= rotation.wait_s(wall, boot) <= max(GAEN_LIFE_S[1], 2 * step + SLOT_DELAY_S)
            if action == "refused":
                rotation.take_back(turn)
            else:
                assert (turn.key.key, turn.interval) not in aired
                aired.add((turn.key.key, turn.interval))
