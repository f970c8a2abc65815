# SPDX-License-Identifier: Apache-2.0
"""Where somebody is: straight legs on a floor plan, standing or walking, and the way that they face."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Point(NamedTuple):
    """A place on the floor plan, in metres."""

    x: float
    y: float


class Pose(NamedTuple):
    """A place and the direction that the wearer faces there, in radians from the x axis."""

    x: float
    y: float
    heading: float


class Leg(NamedTuple):
    """Moving evenly from one place to another, or standing where both are the same.

    Attributes:
        start: first instant, seconds (of the simulation, or unix: the same as whoever asks).
        end: instant after the last.
        origin: the place at `start`.
        target: the place at `end`.
        heading: the way that the wearer faces, radians from the x axis.
    """

    start: float
    end: float
    origin: Point
    target: Point
    heading: float


def stay(start: float, end: float, place: Point, facing: Point) -> Leg:
    """Stand (or sit) at a place, facing another."""
    return Leg(start, end, place, place, math.atan2(facing.y - place.y, facing.x - place.x))


def walk(start: float, origin: Point, target: Point, speed: float = 1.3) -> Leg:
    """Walk straight, facing forwards.

    Args:
        start: when, seconds.
        origin: from where.
        target: to where; must be another place.
        speed: metres a second; 1.3 is what adults choose indoors (Bohannon 1997, comfortable gait).
    """
    heading = math.atan2(target.y - origin.y, target.x - origin.x)
    return Leg(start, start + math.dist(origin, target) / speed, origin, target, heading)


class Path:
    """Legs in order of time; between two legs that do not touch, and outside of all, the wearer is away.

    Args:
        legs: sorted by start, not overlapping.

    Raises:
        ValueError: if they overlap or are not sorted.
    """

    def __init__(self, legs: Sequence[Leg]) -> None:
        for before, after in pairwise(legs):
            if before.end > after.start:
                raise ValueError(f"leg until {before.end} overlaps the one from {after.start}")
        self.legs = tuple(legs)
        self._starts = [leg.start for leg in legs]

    def at(self, time: float) -> Pose | None:
        """Place and heading at an instant, None while away."""
        index = bisect_right(self._starts, time) - 1
        if index < 0 or time >= (leg := self.legs[index]).end:
            return None
        done = (time - leg.start) / (leg.end - leg.start)
        x = leg.origin.x + (leg.target.x - leg.origin.x) * done
        y = leg.origin.y + (leg.target.y - leg.origin.y) * done
        return Pose(x, y, leg.heading)
