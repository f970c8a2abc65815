# SPDX-License-Identifier: Apache-2.0
"""Proximity protocols: key schedules, payload encode and decode, behind one small interface.

A module of this package that has a `PROTOCOL` is a protocol; it is found by looking, so that adding one touches
nothing else. All protocols are decoded at once, one is advertised.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache, lru_cache
from math import ceil

from bzd.model import Advertisement, DailyKey, Identifier, Sighting
from bzd.protocols import ad
from bzd.protocols.interface import ProximityProtocol
from bzd.protocols.schedule import DAY_S

__all__ = ["ProximityProtocol", "protocols", "recognise", "rolling_ids_of", "sightings"]

_RECOGNISED = 1024
"""Payloads remembered, recognised or not. A device repeats its payload hundreds of times before it changes it, so
nearly every report is a hit, in a crowd of 500 as well. With at most `ad.MAX_DATA` bytes each they stay under 2 MB in a
flood of the longest payloads that never repeat, and under 0.5 MB in one of legacy ones. A badge fills it within days,
whoever is near."""


@cache
def protocols() -> dict[str, ProximityProtocol]:
    """All protocols by name."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = (getattr(module, "PROTOCOL", None) for module in modules)
    return {protocol.name: protocol for protocol in found if protocol is not None}


@cache
def _decoders() -> tuple[tuple[bytes, Callable[[ad.AdStructures], Identifier | None]], ...]:
    """Each protocol's needle and decoder, looked up once."""
    return tuple((protocol.needle, protocol.decode) for protocol in protocols().values())


@lru_cache(maxsize=_RECOGNISED)
def _decode(data: bytes) -> tuple[Identifier, ...]:
    """What each protocol finds in advertising data."""
    found: tuple[Identifier, ...] = ()
    structures = None
    for needle, decode in _decoders():
        if needle in data:
            structures = structures or ad.parse(data)
            identifier = decode(structures)
            if identifier is not None:
                found += (identifier,)
    return found


def recognise(data: bytes) -> tuple[Identifier, ...]:
    """Every identifier that advertising data carries; nearly always none or one. Any bytes are accepted.

    Data longer than any advertising can be has none, so that a forged trace cannot fill the memory.
    """
    return _decode(data) if len(data) <= ad.MAX_DATA else ()


def sightings(advertisement: Advertisement) -> tuple[Sighting, ...]:
    """The sightings in one advertisement; its RSSI must be plausible (`bzd.model.plausible_rssi`)."""
    time, address, address_type, rssi, data, _ = advertisement
    identifiers = recognise(data)
    if not identifiers or rssi is None:
        return ()
    return tuple(
        Sighting(time, protocol, rolling_id, metadata, rssi, address, address_type)
        for protocol, rolling_id, metadata in identifiers
    )


def rolling_ids_of(key: DailyKey) -> list[bytes]:
    """Every rolling ID that a badge broadcasts under a daily key of its own; none if its protocol is not known."""
    protocol = protocols().get(key.protocol)
    if protocol is None:
        return []
    day = key.start // DAY_S * DAY_S
    start, end = (day, day + DAY_S) if protocol.shuffled else (key.start, key.end)
    first = int(start // protocol.interval_s)
    return protocol.rolling_ids(key.key, first, ceil(end / protocol.interval_s) - first)
