# SPDX-License-Identifier: Apache-2.0
"""A virtual crowd: an hour in an office with a canteen, scripted so that each person shows one thing.

The script is `bzd.radio.office`; here its people get badges, keys and an air between them, and the truth is kept.

Each wearer's badge has daily keys of its own and rolls its ID every 10 to 20 minutes, with a new address each time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from statistics import median
from typing import NamedTuple

from bzd.model import Advertisement, DailyKey, Identifier
from bzd.protocols import protocols
from bzd.radio.air import Station, Transmission, VirtualAir
from bzd.radio.office import HOUR_S, SCENES, WALLS, Scene
from bzd.radio.path import Path

_DAY_S = 86400.0
FLAGS = 0x1A
"""Flags octet of the advertisements, as in GAEN's Bluetooth Specification 1.2."""
TX_POWER_DBM = 10
"""What the badges state in their metadata: they are heard at -50 dBm at 1 m, after the 60 dB that matching assumes
(`ranging.rssi_1m_dbm`, `match.path_loss_1m_db`)."""
ROTATION_S = (600.0, 1200.0)
"""Least and greatest life of a rolling ID (GAEN's Bluetooth Specification 1.2: 10 to 20 minutes, random)."""


class Truth(NamedTuple):
    """What really happened between two people.

    Attributes:
        near_s: seconds within the near distance.
        distance_m: median distance in metres of those seconds, or of all seconds where none was near; None if they
            were never there together.
    """

    near_s: float
    distance_m: float | None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the crowd.

    Attributes:
        station: where, and what is broadcast.
        key: the daily key of the badge.
        about: what happens, for whoever reads the result.
        rolling_ids: what the badge broadcast in this hour, in order.
    """

    station: Station
    key: DailyKey
    about: str
    rolling_ids: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """Name of the person, lower case letters."""
        return self.station.name


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody, and the air between them.

    Attributes:
        start: first instant, UTC unix seconds.
        end: instant after the last.
        members: everybody; the first is "you".
        air: what carries the frames.
    """

    start: float
    end: float
    members: tuple[Member, ...]
    air: VirtualAir

    def member(self, name: str) -> Member:
        """Somebody by name.

        Raises:
            KeyError: if nobody has that name.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)

    def heard_by(self, member: Member) -> Iterator[Advertisement]:
        """All that one member's badge receives in the hour, in order of time."""
        return self.air.listen(member.station, [other.station for other in self.members])

    def truth(self, one: Member, other: Member, near_m: float) -> Truth:
        """Where the two really were, looked at once a second."""
        distances = []
        for second in range(int(self.end - self.start)):
            here, there = (member.station.path.at(self.start + second + 0.5) for member in (one, other))
            if here is not None and there is not None:
                distances.append(math.hypot(here.x - there.x, here.y - there.y))
        near = [distance for distance in distances if distance <= near_m]
        return Truth(float(len(near)), median(near or distances) if distances else None)


def office_hour(start: float, seed: int, protocol: str = "gaen") -> Crowd:
    """The scripted hour; see the module's table.

    Everything is drawn from the seed, the daily keys too, so that the same seed and start give the same contacts.
    That is for simulations only: whoever knows the seed knows the keys. A real badge draws its keys from the
    operating system.

    Args:
        start: when it begins, UTC unix seconds, on a minute; the hour must lie within one UTC day.
        seed: any number.
        protocol: what the badges broadcast.
    """
    random = Random(f"crowd/{seed}/{start:.0f}/{protocol}")
    members = [_member(name, scene, start, random, protocol) for name, scene in SCENES.items()]
    return Crowd(start, start + HOUR_S, tuple(members), VirtualAir(WALLS, seed=seed))


def _member(name: str, scene: Scene, start: float, random: Random, protocol: str) -> Member:
    midnight = start - start % _DAY_S
    key = DailyKey(protocol, random.randbytes(protocols()[protocol].key_bytes), midnight, midnight + _DAY_S)
    transmissions, rolling_ids = _rotations(key, start, random)
    legs = scene.write(start, random, [sent.start for sent in transmissions[1:]])
    return Member(Station(name, Path(legs), transmissions), key, scene.about, rolling_ids)


def _rotations(key: DailyKey, start: float, random: Random) -> tuple[tuple[Transmission, ...], tuple[bytes, ...]]:
    """What one badge broadcasts in the hour: it was switched on before, so the first rotation comes at any time."""
    protocol = protocols()[key.protocol]
    low, high = max(ROTATION_S[0], protocol.interval_s), max(ROTATION_S[1], protocol.interval_s * 2)
    times = [start - random.uniform(0, low)]
    while times[-1] < start + HOUR_S:
        times.append(times[-1] + random.uniform(low, high))
    sent, rolling_ids = [], []
    for begin, end in pairwise(times):
        interval = int(max(begin, key.start) // protocol.interval_s)
        (rolling_id,) = protocol.rolling_ids(key.key, interval, 1)
        rolling_ids.append(rolling_id)
        metadata = protocol.seal_metadata(key.key, rolling_id, TX_POWER_DBM)
        data = protocol.encode(Identifier(key.protocol, rolling_id, metadata), flags=FLAGS)
        sent.append(Transmission(max(begin, start), min(end, start + HOUR_S), _address(random), data))
    return tuple(sent), tuple(rolling_ids)


def _address(random: Random) -> str:
    """A non-resolvable private address: the two highest bits are 0 (Core specification Vol 6 Part B 1.3.2.2)."""
    octets = random.randbytes(6)
    return ":".join(f"{octet:02X}" for octet in bytes((octets[0] & 0x3F, *octets[1:])))
