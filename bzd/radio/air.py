# SPDX-License-Identifier: Apache-2.0
"""A virtual air: who hears whom, when, and how strongly, from where they are and which way they face.

It stands in for the radio wherever there is none: in `bzd demo`, in tests, in tuning. Nothing here is a model of one
building; it has what makes real RSSI hard to read: distance, walls, bodies, slow shadowing and quick fading. All of it
is random by seed alone: each pair of stations has a generator of its own, so that what one station hears does not
depend on who else listens or in which order they are asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from operator import itemgetter
from random import Random
from typing import NamedTuple

from bzd.config import RangingConfig
from bzd.model import Advertisement
from bzd.radio.path import Path, Point, Pose

_MIN_DISTANCE_M = 0.1
"""Two badges are never closer: below a wavelength (12.5 cm at 2.4 GHz) no path-loss model means anything."""


@dataclass(frozen=True, slots=True)
class Propagation:
    """How strongly a frame arrives, and how often one is received at all.

    Attributes:
        rssi_1m_dbm: mean RSSI at 1 m, face to face. The default is what ranging assumes, as in a fleet of equal and
            calibrated badges; what ranging then gets wrong is due to bodies, walls and fading.
        exponent: path-loss exponent, from ranging as well.
        body_loss_db: loss through a wearer who turns the back, each of the two. 10 to 20 dB at 2.4 GHz is common in
            the literature on body shadowing.
        shadowing_db: standard deviation of the slow part (people and things that move about).
        shadowing_s: time in which the slow part forgets itself (a Gauss-Markov process, Gudmundson 1991).
        fading_db: standard deviation from one frame to the next (multipath, three channels). Together the two give the
            7 to 9 dB that NIST's recordings of two Raspberry Pis show at each distance.
        sensitivity_dbm: weaker frames are not received.
        advertising_interval_s: least and greatest time from one frame to the next: GAEN's Bluetooth Specification 1.2
            asks for 200 to 270 ms, bzd uses 250 to 270.
        heard_share: share of the frames that the listener receives; a scanner misses most, since it is on one of
            three channels, shares its radio with Wi-Fi, and its host merges duplicates. Above 0, below 1.
    """

    rssi_1m_dbm: float = field(default_factory=lambda: RangingConfig().rssi_1m_dbm)
    exponent: float = field(default_factory=lambda: RangingConfig().exponent)
    body_loss_db: float = 12.0
    shadowing_db: float = 4.0
    shadowing_s: float = 20.0
    fading_db: float = 5.5
    sensitivity_dbm: float = -98.0
    advertising_interval_s: tuple[float, float] = (0.25, 0.27)
    heard_share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.heard_share < 1:
            raise ValueError(f"the share of frames that are heard must lie between 0 and 1, not {self.heard_share}")


class Wall(NamedTuple):
    """A straight wall on the floor plan, in metres, and what a frame loses in it, in dB."""

    x1: float
    y1: float
    x2: float
    y2: float
    loss_db: float


class Transmission(NamedTuple):
    """What a station broadcasts for a while: from `start` until before `end` (unix seconds), under one address."""

    start: float
    end: float
    address: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Station:
    """Somebody with a badge.

    Attributes:
        name: unique on its air.
        path: where the wearer is, by unix seconds.
        transmissions: what the badge broadcasts, in order of time.
    """

    name: str
    path: Path
    transmissions: tuple[Transmission, ...]


class VirtualAir:
    """Carries frames between stations.

    Args:
        walls: what stands between them.
        propagation: the constants.
        seed: same seed, same stations: same receptions.
    """

    def __init__(self, walls: Sequence[Wall] = (), propagation: Propagation | None = None, seed: int = 0) -> None:
        self.walls = tuple(walls)
        self.propagation = propagation or Propagation()
        self.seed = seed

    def listen(self, listener: Station, senders: Iterable[Station]) -> Iterator[Advertisement]:
        """All that a station hears of others, in order of time; it never hears itself."""
        streams = [self.hear(listener, sender) for sender in senders if sender.name != listener.name]
        return merge(*streams, key=itemgetter(0))

    def hear(self, listener: Station, sender: Station) -> Iterator[Advertisement]:
        """What one station hears of one other, in order of time (whole microseconds, as captures have them)."""
        random = Random(f"{self.seed}/{sender.name}>{listener.name}")
        shadowing = _Shadowing(self.propagation, random)
        for sent in sender.transmissions:
            for time in self._received_times(sent, random):
                here, there = listener.path.at(time), sender.path.at(time)
                if here is None or there is None:
                    continue
                fading = random.gauss(0, self.propagation.fading_db)
                rssi = round(self.mean_rssi(here, there) + shadowing.at(time) + fading)
                if rssi >= self.propagation.sensitivity_dbm:
                    yield Advertisement(time, sent.address, "random", rssi, sent.data)

    def mean_rssi(self, here: Pose, there: Pose) -> float:
        """RSSI in dBm between two poses without shadowing and fading: distance, walls and bodies."""
        distance = max(_MIN_DISTANCE_M, math.hypot(there.x - here.x, there.y - here.y))
        free = self.propagation.rssi_1m_dbm - 10 * self.propagation.exponent * math.log10(distance)
        walls = sum(wall.loss_db for wall in self.walls if _crosses(wall, here, there))
        return free - walls - self.propagation.body_loss_db * (_turned_away(here, there) + _turned_away(there, here))

    def _received_times(self, sent: Transmission, random: Random) -> Iterator[float]:
        """Instants of the frames that are received: the number missed before each is geometrically distributed."""
        low, high = self.propagation.advertising_interval_s
        missed = math.log1p(-self.propagation.heard_share)
        time = sent.start
        while True:
            frames = 1 + int(math.log1p(-random.random()) / missed)
            time = round(time + frames * random.uniform(low, high), 6)
            if time >= sent.end:
                return
            yield time


class _Shadowing:
    """A Gauss-Markov process in dB: slow, and forgetting itself with the time constant."""

    def __init__(self, propagation: Propagation, random: Random) -> None:
        self._deviation, self._constant = propagation.shadowing_db, propagation.shadowing_s
        self._random = random
        self._value = random.gauss(0, self._deviation)
        self._time = -math.inf

    def at(self, time: float) -> float:
        kept = math.exp((self._time - time) / self._constant)
        fresh = self._random.gauss(0, self._deviation) * math.sqrt(1 - kept * kept)
        self._value = self._value * kept + fresh
        self._time = time
        return self._value


def _turned_away(wearer: Pose, other: Pose) -> float:
    """How far a wearer turns the back to the other: 0 face on, 1 with the back. The badge hangs on the chest."""
    towards = math.atan2(other.y - wearer.y, other.x - wearer.x)
    return (1 - math.cos(towards - wearer.heading)) / 2


def _crosses(wall: Wall, here: Pose, there: Pose) -> bool:
    """Whether the straight line between two poses meets a wall: each has its ends on two sides of the other."""
    ends = Point(wall.x1, wall.y1), Point(wall.x2, wall.y2)
    line = Point(here.x, here.y), Point(there.x, there.y)
    apart = _left_of(ends, line[0]) != _left_of(ends, line[1])
    return apart and _left_of(line, ends[0]) != _left_of(line, ends[1])


def _left_of(line: tuple[Point, Point], point: Point) -> bool:
    (ax, ay), (bx, by) = line
    return (bx - ax) * (point.y - ay) > (by - ay) * (point.x - ax)
