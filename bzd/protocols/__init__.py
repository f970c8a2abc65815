# SPDX-License-Identifier: Apache-2.0
"""Proximity protocols: key schedules, payload encode and decode, behind one small interface.

A module of this package that has a `PROTOCOL` is a protocol; it is found by looking, so that adding one touches
nothing else. All protocols are decoded at once, one is advertised.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache, lru_cache

from bzd.model import Advertisement, Identifier, Sighting
from bzd.protocols import ad
from bzd.protocols.interface import ProximityProtocol

__all__ = ["ProximityProtocol", "protocols", "recognise", "sightings"]

_RECOGNISED = 8192
"""Payloads remembered. A badge repeats its payload some 1000 times in a rotation, so nearly every report is a hit;
at about 300 bytes each this is at most 2.5 MB under a flood of payloads that never repeat."""


@cache
def protocols() -> dict[str, ProximityProtocol]:
    """All protocols by name."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = (getattr(module, "PROTOCOL", None) for module in modules)
    return {protocol.name: protocol for protocol in found if protocol is not None}


@lru_cache(maxsize=_RECOGNISED)
def recognise(data: bytes) -> tuple[Identifier, ...]:
    """Every identifier that advertising data carries; nearly always none or one. Any bytes are accepted."""
    structures = ad.parse(data)
    if not structures.service_data and not structures.manufacturer_data:
        return ()
    decoded = (protocol.decode(structures) for protocol in protocols().values())
    return tuple(identifier for identifier in decoded if identifier is not None)


def sightings(advertisement: Advertisement) -> tuple[Sighting, ...]:
    """The sightings in one advertisement; its RSSI must be plausible (`bzd.model.plausible_rssi`)."""
    time, address, address_type, rssi, data, _ = advertisement
    if rssi is None:
        return ()
    return tuple(
        Sighting(time, protocol, rolling_id, metadata, rssi, address, address_type)
        for protocol, rolling_id, metadata in recognise(data)
    )
