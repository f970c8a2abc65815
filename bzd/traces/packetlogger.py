# SPDX-License-Identifier: Apache-2.0
"""Apple's PacketLogger: what macOS and iOS record (`.pklg`), either endianness.

Apple has not published the format; this is how its files are laid out (seen in recordings of four iPhones, and as
Wireshark documents it). Each record::

    length (4 octets: everything behind it)  seconds (4)  microseconds (4)  type (1)  packet

Big-endian in iOS logs and in older ones of macOS, little-endian in newer ones. The packets have no H4 indicator.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bzd.traces.hci import Decoder
from bzd.traces.links import Decoders, Record
from bzd.traces.source import ByteStream

COMMAND, EVENT = 0x00, 0x01
_HEADERS = {order: struct.Struct(f"{order}IIIB") for order in "><"}
_LENGTH_BEYOND_PACKET = 9
_TYPES = frozenset({0, 1, 2, 3, 8, 9, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, *range(0xF0, 0x100)})
"""HCI and LMP traffic from 0, notes, configuration and system log lines from 0xF0."""
_LONGEST = 0xFFFF + _LENGTH_BEYOND_PACKET
"""Longest record that is taken for one when a file is recognised."""
_LOOKED_AT = 4
"""Records that must make sense; one alone may be chance."""


def _order_of(start: bytes) -> str | None:
    """The byte order in which the first bytes of a file make sense as records, None if they do not."""
    return next((order for order, header in _HEADERS.items() if _sound(start, header)), None)


def _sound(start: bytes, header: struct.Struct) -> bool:
    """Whether the first bytes are a record, and what follows it, as far as it is there, is one too."""
    at, records = 0, 0
    while at + header.size <= len(start) and records < _LOOKED_AT:
        length, _, micros, kind = header.unpack_from(start, at)
        if not _LENGTH_BEYOND_PACKET <= length <= _LONGEST or micros >= 1_000_000 or kind not in _TYPES:
            return False
        at += 4 + length
        records += 1
    return records > 0


def recognises(start: bytes) -> bool:
    """Whether the first bytes of a file are PacketLogger's; the format has no magic."""
    return _order_of(start) is not None


def read(stream: ByteStream, decoders: Decoders) -> tuple[str, Iterator[Record]]:
    """The name of the format and the records."""
    order = _order_of(stream.peek_available()) or ">"
    hci = decoders.hci
    kinds: dict[int, Decoder] = {COMMAND: hci.command, EVENT: hci.event}

    def records() -> Iterator[Record]:
        frames = stream.framed(_HEADERS[order], 0, _LENGTH_BEYOND_PACKET)
        for (_, seconds, micros, kind), packet in frames:
            yield seconds + micros / 1e6, kinds.get(kind, hci.other), packet

    return f"PacketLogger ({'big' if order == '>' else 'little'}-endian)", records()
