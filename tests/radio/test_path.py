# SPDX-License-Identifier: Apache-2.0
"""Paths on a floor plan."""

import math

import pytest

from bzd.radio.path import Path, Point, stay, walk


def test_a_walk_is_even_and_faces_forwards() -> None:
    """Half way in time is half way in space, and the heading is that of the walk."""
    leg = walk(100.0, Point(0, 0), Point(0, 13), speed=1.3)
    assert leg.end == pytest.approx(110.0)
    assert Path([leg]).at(105.0) == pytest.approx((0, 6.5, math.pi / 2))


def test_away_before_between_and_after_legs() -> None:
    """Outside of every leg there is no place; an end is exclusive, a start inclusive."""
    here = Point(1, 1)
    path = Path([stay(10, 20, here, Point(2, 1)), stay(30, 40, here, Point(2, 1))])
    times = [9.9, 10, 19.9, 20, 25, 30, 40]
    assert [path.at(time) is not None for time in times] == [False, True, True, False, False, True, False]


@pytest.mark.parametrize("starts", [(0, 5), (20, 0)])
def test_overlapping_or_unsorted_legs_are_refused(starts: tuple[int, int]) -> None:
    """Nobody is at two places at once."""
    legs = [stay(start, start + 10, Point(0, 0), Point(1, 0)) for start in starts]
    with pytest.raises(ValueError, match="overlaps"):
        Path(legs)
