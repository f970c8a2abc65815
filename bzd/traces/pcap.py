# SPDX-License-Identifier: Apache-2.0
"""Classic pcap, either endianness, microseconds or nanoseconds.

Source: the pcap capture file format (IETF draft-ietf-opsawg-pcap; libpcap's pcap-savefile page).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bzd.errors import TraceError
from bzd.traces.links import NAMES, Decoders, Record, unread
from bzd.traces.source import ByteStream

MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
"""First four bytes to byte order and fractions of a second in the second half of a time stamp."""
MODIFIED_MAGICS = (b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34")
"""Kuznetzov's modified format of old Linux systems."""
_FILE_HEADER = 24
_LINK_TYPE = 0x0FFFFFFF
"""The link type; the upper four bits of its field hold the length of a frame check sequence."""


def read(stream: ByteStream, decoders: Decoders) -> tuple[str, Iterator[Record]]:
    """The name of the format and the records.

    Raises:
        TraceError: for a link type that carries no advertising.
    """
    header = stream.take(_FILE_HEADER)
    if len(header) < _FILE_HEADER:
        return "pcap", iter(())
    order, fractions = MAGICS[header[:4]]
    (network,) = struct.unpack_from(f"{order}I", header, 20)
    link_type = network & _LINK_TYPE
    decode = decoders.of_link(link_type)
    if decode is None:
        raise unread(link_type)

    def records() -> Iterator[Record]:
        # Seconds, fraction, included length, original length.
        for (seconds, fraction, included, original), packet in stream.framed(struct.Struct(f"{order}IIII"), 2):
            if original > included:
                decoders.counts.cut_short += 1
            yield seconds + fraction / fractions, decode, packet

    return f"pcap ({NAMES[link_type]})", records()


def read_modified(_stream: ByteStream, _decoders: Decoders) -> tuple[str, Iterator[Record]]:
    """Refuse the modified format.

    Raises:
        TraceError: always.
    """
    raise TraceError("modified pcap, a format of old Linux systems, is not read", hint="editcap -F pcap IN OUT")
