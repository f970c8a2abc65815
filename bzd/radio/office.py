# SPDX-License-Identifier: Apache-2.0
"""The script of the virtual crowd: an office, a corridor, a canteen, and who does what there in an hour.

| who | what happens | what it shows |
|---|---|---|
| you | at the desk, at lunch, at the desk again | the badge whose store is shown |
| anna | at the desk across, 1.2 m, face to face | a long contact in pieces, one for each rolling ID |
| ben | lunch at the same table, 0.9 m | near, for as long as lunch lasts |
| chloe | lunch at the far end of the table, 2.6 m | heard all the time, near in part by error |
| dara | two metres away behind a wall, all hour | radio does not see walls as people do |
| emil | walks past behind your back, twice | heard, hardly near |
| farah | comes for a talk of four minutes | her ID changes in the middle, and no second is lost |
| goran | same room, 5 m, with his back turned | present, not near |

Floor plan, in metres, the x axis to the right: dara's office, a wall, your office with four desks, a concrete wall,
the canteen; the corridor runs along the lower side behind glass. Minutes and places vary a little with the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from bzd.radio.air import Wall
from bzd.radio.path import Leg, Point, stay, walk

HOUR_S = 3600.0
_MINUTE = 60.0

WALLS = (
    Wall(1.0, 0.7, 1.0, 6.0, 8.0),  # between your desk and dara's; partitions and brick lose 3 to 12 dB at 2.4 GHz
    Wall(-8.0, 0.7, 9.0, 0.7, 3.0),  # glass towards the corridor
    Wall(9.0, -20.0, 9.0, 20.0, 14.0),  # concrete towards the canteen
)
"""What stands between people, with losses in the ranges that are usual for the material."""

_DESK, _ANNA, _GORAN, _DARA = Point(2.0, 2.0), Point(2.0, 3.2), Point(6.0, 5.0), Point(0.4, 1.7)
_LUNCH, _BEN, _CHLOE = Point(25.0, 3.0), Point(25.0, 3.9), Point(27.4, 4.0)
_VISITOR = Point(3.0, 2.2)
_CORRIDOR_LEFT, _CORRIDOR_RIGHT = Point(-15.0, 0.2), Point(8.5, 0.2)
_LUNCH_FROM, _LUNCH_UNTIL = 25 * _MINUTE, 47 * _MINUTE
_TALK_S = 4 * _MINUTE


class Scene(NamedTuple):
    """One person's part.

    Attributes:
        about: what happens, in a few words.
        write: makes the legs of the hour, in unix seconds, from its start, the randomness, and the instants at which
            the person's own rolling ID changes.
    """

    about: str
    write: Callable[[float, Random, Sequence[float]], list[Leg]]


def _you(start: float, random: Random, _changes: Sequence[float]) -> list[Leg]:
    out = walk(start + _LUNCH_FROM + random.uniform(-30, 30), _DESK, _LUNCH)
    back = walk(start + _LUNCH_UNTIL + random.uniform(-30, 30), _LUNCH, _DESK)
    return [
        stay(start, out.start, _DESK, _ANNA),
        out,
        stay(out.end, back.start, _LUNCH, _BEN),
        back,
        stay(back.end, start + HOUR_S, _DESK, _ANNA),
    ]


def _sits(place: Point, facing: Point) -> Callable[[float, Random, Sequence[float]], list[Leg]]:
    """Somebody who sits at one place all hour."""

    def write(start: float, random: Random, _changes: Sequence[float]) -> list[Leg]:
        return [stay(start, start + HOUR_S, _near(place, random), facing)]

    return write


def _lunches(place: Point, facing: Point) -> Callable[[float, Random, Sequence[float]], list[Leg]]:
    """Somebody who comes to the canteen, a little before or after you, and leaves likewise."""

    def write(start: float, random: Random, _changes: Sequence[float]) -> list[Leg]:
        begin = start + _LUNCH_FROM + random.uniform(-90, 90)
        end = start + _LUNCH_UNTIL + random.uniform(-90, 90)
        return [stay(begin, end, _near(place, random), facing)]

    return write


def _emil(start: float, random: Random, _changes: Sequence[float]) -> list[Leg]:
    first = start + random.uniform(6, 12) * _MINUTE
    second = start + random.uniform(50, 56) * _MINUTE
    return [walk(first, _CORRIDOR_LEFT, _CORRIDOR_RIGHT), walk(second, _CORRIDOR_RIGHT, _CORRIDOR_LEFT)]


def _farah(start: float, _random: Random, changes: Sequence[float]) -> list[Leg]:
    # IDs live 10 to 20 minutes, so one changes late enough for the talk to begin after the hour did, and early
    # enough for it to end before lunch, which begins 30 s early at most.
    earliest, latest = start + _TALK_S / 2, start + _LUNCH_FROM - 30 - _TALK_S / 2
    middle = min(latest, next(change for change in changes if change >= earliest))
    begin, end = middle - _TALK_S / 2, middle + _TALK_S / 2
    return [stay(begin, end, _VISITOR, _DESK)]


def _near(place: Point, random: Random) -> Point:
    """A chair's play around a place."""
    return Point(place.x + random.uniform(-0.15, 0.15), place.y + random.uniform(-0.15, 0.15))


SCENES = {
    "you": Scene("at the desk, at lunch, at the desk again", _you),
    "anna": Scene("desk across from yours", _sits(_ANNA, _DESK)),
    "ben": Scene("lunch at your table", _lunches(_BEN, _LUNCH)),
    "chloe": Scene("lunch, far end of the table", _lunches(_CHLOE, _LUNCH)),
    "dara": Scene("behind a wall", _sits(_DARA, Point(-3.0, 1.6))),
    "emil": Scene("walks past behind you, twice", _emil),
    "farah": Scene("a talk, her ID changes in it", _farah),
    "goran": Scene("same room, back turned", _sits(_GORAN, Point(8.0, 6.0))),
}
"""Everybody by name; the first is the badge whose store is shown."""
