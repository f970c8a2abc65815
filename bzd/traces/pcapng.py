# SPDX-License-Identifier: Apache-2.0
"""pcapng: sections of either endianness, each with interfaces of their own link types and time units.

Source: the PCAP Next Generation capture file format (IETF draft-ietf-opsawg-pcapng), sections 3 and 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from bzd.traces.hci import Decoder
from bzd.traces.links import NAMES, Decoders, Record, unread
from bzd.traces.source import MAX_RECORD, ByteStream

MAGIC = b"\x0a\x0d\x0d\x0a"
"""The type of a section header block, the same in either byte order."""
SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_PACKETS = (OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET)
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
"""The byte-order magic of a section."""
_BLOCK = 12
"""Type and length before a block's body, and the length again behind it."""
_TIME_RESOLUTION, _TIME_OFFSET = 9, 14
"""Options if_tsresol and if_tsoffset of an interface."""
_MAX_INTERFACES = 4096
"""Interfaces of a section that are remembered; a file with more is damaged or hostile."""
_NO_TIME = float("nan")
"""Time of a packet that has none; `Trace` counts it as bad."""


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    decode: Decoder | None
    snap_length: int
    units: int
    offset: int


class _Reader:
    def __init__(self, stream: ByteStream, decoders: Decoders) -> None:
        self._stream = stream
        self._decoders = decoders
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self.link_types: dict[int, None] = {}
        self._any_readable = False

    def packets(self) -> Iterator[Record]:
        """Every packet of every section."""
        while (block := self._block()) is not None:
            kind, body = block
            if kind == INTERFACE:
                self._add_interface(body)
            elif (record := self._packet(kind, body)) is not None:
                yield record
            else:
                self._decoders.damaged()

    def _packet(self, kind: int, body: bytes) -> Record | None:
        """The packet in a block, None if the block contradicts itself."""
        if kind == SIMPLE_PACKET:
            return self._simple(body)
        return self._stamped(body, "IIIII" if kind == ENHANCED_PACKET else "HxxIIII")

    def _block(self) -> tuple[int, bytes] | None:
        """The next block of interest; others are passed over. None at the end, or where the file is damaged."""
        while True:
            where = self._stream.position
            head = self._stream.take(8)
            if len(head) < 8:
                return None
            if head[:4] == MAGIC and not self._begin_section(where):
                return None
            kind, length = struct.unpack(f"{self._order}II", head)
            wanted = kind in (INTERFACE, *_PACKETS)
            if length < _BLOCK or length % 4 or (wanted and length > MAX_RECORD):
                self._stream.end_early(f"it is damaged at byte {where}: a block claims {length} bytes")
                return None
            if not wanted:
                if not self._stream.skip(length - 8):
                    return None
                continue
            body = self._stream.take(length - 8)
            if len(body) < length - 8:
                self._stream.end_early("it is cut off in the middle of a block")
                return None
            return kind, body[:-4]

    def _begin_section(self, where: int) -> bool:
        order = _ORDERS.get(self._stream.peek(4))
        if order is None:
            self._stream.end_early(f"it is damaged at byte {where}: a section without a byte order")
            return False
        self._order, self._interfaces = order, []
        return True

    def _add_interface(self, body: bytes) -> None:
        if len(body) < 8 or len(self._interfaces) >= _MAX_INTERFACES:
            self._decoders.counts.malformed += 1
            return
        link_type, snap_length = struct.unpack_from(f"{self._order}HxxI", body)
        units, offset = 1_000_000, 0
        for code, value in self._options(body[8:]):
            if code == _TIME_RESOLUTION and len(value) == 1:
                exponent = value[0] & 0x7F
                units = (2 if value[0] & 0x80 else 10) ** exponent
            elif code == _TIME_OFFSET and len(value) == 8:
                (offset,) = struct.unpack(f"{self._order}q", value)
        decode = self._decoders.of_link(link_type)
        self._any_readable |= decode is not None
        if len(self.link_types) < len(NAMES) + 1:
            self.link_types[link_type] = None
        self._interfaces.append(_Interface(link_type, decode, snap_length, units, offset))

    def _options(self, raw: bytes) -> Iterator[tuple[int, bytes]]:
        """(code, value) of each option; values are padded to four bytes, and code 0 ends them."""
        at = 0
        while at + 4 <= len(raw):
            code, length = struct.unpack_from(f"{self._order}HH", raw, at)
            if code == 0:
                return
            yield code, raw[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4

    def _stamped(self, body: bytes, layout: str) -> Record | None:
        """A packet with interface, time (upper and lower half), included and original length."""
        layout = self._order + layout
        size = struct.calcsize(layout)
        if len(body) < size:
            return None
        number, upper, lower, included, original = struct.unpack_from(layout, body)
        if number >= len(self._interfaces) or included > len(body) - size:
            return None
        interface = self._interfaces[number]
        # Whole seconds apart: nanoseconds since 1970 do not fit the digits of a float.
        seconds, fraction = divmod(upper << 32 | lower, interface.units)
        time = seconds + interface.offset + fraction / interface.units
        return self._record(interface, time, body[size : size + included], original)

    def _simple(self, body: bytes) -> Record | None:
        """A packet of the first interface, with its original length but without a time."""
        if len(body) < 4 or not self._interfaces:
            return None
        (original,) = struct.unpack_from(f"{self._order}I", body)
        return self._record(self._interfaces[0], _NO_TIME, body[4 : 4 + original], original)

    def _record(self, interface: _Interface, time: float, packet: bytes, original: int) -> Record:
        if interface.decode is None:
            if not self._any_readable:
                raise unread(interface.link_type)
            return time, self._decoders.skip_foreign, packet
        if original > len(packet):
            self._decoders.counts.cut_short += 1
        return time, interface.decode, packet


def read(stream: ByteStream, decoders: Decoders) -> tuple[str, Iterator[Record]]:
    """The name of the format and the records.

    Raises:
        TraceError: if the first packet's link type carries no advertising and no interface's before it does.
    """
    reader = _Reader(stream, decoders)
    packets = reader.packets()
    first = next(packets, None)  # the interfaces stand before the first packet
    names = (NAMES.get(link_type, f"link type {link_type}") for link_type in reader.link_types)
    known = ", ".join(names)
    if first is None:
        if reader.link_types and not any(decoders.of_link(link_type) for link_type in reader.link_types):
            raise unread(next(iter(reader.link_types)))
        return f"pcapng ({known})" if known else "pcapng", iter(())
    return f"pcapng ({known})", chain((first,), packets)
