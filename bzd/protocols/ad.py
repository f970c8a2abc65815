# SPDX-License-Identifier: Apache-2.0
"""Advertising data: a sequence of AD structures (length, type, payload).

Source: Core specification Vol 3 Part C 11; AD types and their payloads: Supplement to the Core specification Part A.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

FLAGS = 0x01
UUIDS_16_INCOMPLETE, UUIDS_16_COMPLETE = 0x02, 0x03
UUIDS_32_INCOMPLETE, UUIDS_32_COMPLETE = 0x04, 0x05
UUIDS_128_INCOMPLETE, UUIDS_128_COMPLETE = 0x06, 0x07
TX_POWER = 0x0A
SERVICE_DATA_16, SERVICE_DATA_32, SERVICE_DATA_128 = 0x16, 0x20, 0x21
MANUFACTURER_DATA = 0xFF
"""AD types, from the Bluetooth SIG's Assigned Numbers, section 2.3."""

MAX_DATA = 1650
"""Most bytes that a set of extended advertising PDUs can carry (Core specification Vol 6 Part B 2.3.4.9)."""

_BASE_UUID_TAIL = "-0000-1000-8000-00805f9b34fb"
"""16- and 32-bit UUIDs abbreviate 128-bit ones of this base (Core specification Vol 3 Part B 2.5.1)."""
_BASE_UUID = bytes.fromhex("00001000800000805f9b34fb")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_MAX_PAYLOAD = 254
"""The length octet counts the type octet too."""
_MAX_COMPANY = 0xFFFF
_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_NOBODY: Mapping[int, bytes] = MappingProxyType({})

_UUID_SIZES = {
    UUIDS_16_INCOMPLETE: 2,
    UUIDS_16_COMPLETE: 2,
    UUIDS_32_INCOMPLETE: 4,
    UUIDS_32_COMPLETE: 4,
    UUIDS_128_INCOMPLETE: 16,
    UUIDS_128_COMPLETE: 16,
}
_SERVICE_DATA_SIZES = {SERVICE_DATA_16: 2, SERVICE_DATA_32: 4, SERVICE_DATA_128: 16}


class AdStructures(NamedTuple):
    """Advertising data taken apart. UUIDs are 128-bit, lower case, with dashes, as bleak gives them.

    A tuple for speed, as one is made for every payload not seen before.

    Attributes:
        flags: the Flags octet, None without one.
        service_uuids: UUIDs from the complete and incomplete lists, in order, each once.
        service_data: service data by UUID; the last of several for one UUID.
        manufacturer_data: manufacturer data by company identifier; the last of several for one company.
        tx_power: TX Power Level in dBm, None without one.
    """

    flags: int | None = None
    service_uuids: tuple[str, ...] = ()
    service_data: Mapping[str, bytes] = _NOTHING
    manufacturer_data: Mapping[int, bytes] = _NOBODY
    tx_power: int | None = None


@lru_cache(maxsize=1024)
def uuid_from_bytes(raw: bytes) -> str:
    """The 128-bit form of a UUID that travelled as 2, 4 or 16 octets, least significant first.

    Cached, since the same few services are heard all day; 1024 of them take about 200 kB.
    """
    digits = raw[::-1].hex()
    if len(raw) <= 4:
        return digits.rjust(8, "0") + _BASE_UUID_TAIL
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_to_bytes(uuid: str) -> bytes:
    """The shortest form in which a 128-bit UUID may travel: 2, 4 or 16 octets, least significant first.

    Raises:
        ValueError: if it is no UUID.
    """
    if not _UUID.fullmatch(uuid):
        raise ValueError(f"not a 128-bit UUID: {uuid[:64]!r}")
    raw = bytes.fromhex(uuid.replace("-", ""))
    if raw[4:] == _BASE_UUID:
        raw = raw[:4] if any(raw[:2]) else raw[2:4]
    return raw[::-1]


def uuid_16(number: int) -> str:
    """The 128-bit form of a 16-bit UUID."""
    return f"{number:08x}{_BASE_UUID_TAIL}"


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (AD type, payload) of each structure that is whole.

    A length of zero ends the data early (Core specification Vol 3 Part C 11: the rest is padding), and so does a
    structure that runs over the end: what comes before it is still good.
    """
    position, last = 0, len(data) - 1
    while position < last:
        end = position + data[position]
        if end == position or end > last:
            return
        yield data[position + 1], data[position + 2 : end + 1]
        position = end + 1


def parse(data: bytes) -> AdStructures:
    """Take advertising data apart. Any bytes are accepted; what is malformed is left out."""
    flags: int | None = None
    tx_power: int | None = None
    uuids: dict[str, None] = {}
    service_data: dict[str, bytes] = {}
    manufacturer_data: dict[int, bytes] = {}
    for kind, payload in split(data):
        if kind in _SERVICE_DATA_SIZES:
            size = _SERVICE_DATA_SIZES[kind]
            if len(payload) >= size:
                service_data[uuid_from_bytes(payload[:size])] = payload[size:]
        elif kind in _UUID_SIZES:
            for uuid in _uuids(payload, _UUID_SIZES[kind]):
                uuids[uuid] = None
        elif kind == MANUFACTURER_DATA:
            if len(payload) >= 2:
                manufacturer_data[payload[0] | payload[1] << 8] = payload[2:]
        elif kind == FLAGS and payload:
            flags = payload[0]
        elif kind == TX_POWER and len(payload) == 1:
            tx_power = int.from_bytes(payload, "little", signed=True)
    return AdStructures(flags, tuple(uuids), service_data, manufacturer_data, tx_power)


@lru_cache(maxsize=1024)
def _uuids(payload: bytes, size: int) -> tuple[str, ...]:
    """The UUIDs of a list; a piece at its end that is too short for one is left out. Cached as `uuid_from_bytes` is."""
    return tuple([uuid_from_bytes(payload[at : at + size]) for at in range(0, len(payload) - size + 1, size)])


def structure(kind: int, payload: bytes) -> bytes:
    """One AD structure.

    Raises:
        ValueError: if the payload is longer than a length octet can say.
    """
    if len(payload) > _MAX_PAYLOAD:
        raise ValueError(f"AD structure of {len(payload)} bytes; at most {_MAX_PAYLOAD} fit")
    return bytes((len(payload) + 1, kind)) + payload


def build(
    *,
    flags: int | None = None,
    service_uuids: Iterable[str] = (),
    service_data: Mapping[str, bytes] | None = None,
    manufacturer_data: Mapping[int, bytes] | None = None,
) -> bytes:
    """Advertising data from its parts, in the order flags, UUIDs, service data, manufacturer data.

    This is how data is rebuilt where a source (BlueZ over D-Bus, a hand-written trace) gives only the parts.

    Raises:
        ValueError: if a UUID is none, a number does not fit its octets, or a structure would be longer than 255 bytes.
    """
    out = b"" if flags is None else structure(FLAGS, bytes((flags,)))
    by_size: dict[int, bytes] = {}
    for uuid in service_uuids:
        raw = uuid_to_bytes(uuid)
        by_size[len(raw)] = by_size.get(len(raw), b"") + raw
    kinds = {2: UUIDS_16_COMPLETE, 4: UUIDS_32_COMPLETE, 16: UUIDS_128_COMPLETE}
    out += b"".join(structure(kinds[size], raw) for size, raw in by_size.items())
    data_kinds = {size: kind for kind, size in _SERVICE_DATA_SIZES.items()}
    for uuid, payload in (service_data or {}).items():
        raw = uuid_to_bytes(uuid)
        out += structure(data_kinds[len(raw)], raw + payload)
    for company, payload in (manufacturer_data or {}).items():
        if not 0 <= company <= _MAX_COMPANY:
            raise ValueError(f"company identifier {company}; it has 16 bits")
        out += structure(MANUFACTURER_DATA, company.to_bytes(2, "little") + payload)
    return out
