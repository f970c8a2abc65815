# SPDX-License-Identifier: Apache-2.0
r"""btsnoop: what Android's HCI log, btmon and hcidump write.

Source: RFC 1761 (the snoop format it varies), and for its datalinks and times Symbian's and BlueZ's use of it, as
libpcap's and BlueZ's public documentation describe them. All numbers are big-endian::

    "btsnoop\0"  version (1)  datalink
    per record: original length, included length, flags, cumulative drops (4 octets each),
                microseconds since the year 0 (8), the packet
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bzd.errors import TraceError
from bzd.traces.hci import Decoder
from bzd.traces.links import Decoders, Record
from bzd.traces.source import ByteStream

MAGIC = b"btsnoop\0"
FILE_HEADER = struct.Struct(">8sII")
RECORD_HEADER = struct.Struct(">IIIIQ")
EPOCH_US = 0x00DCDDB30F2F8000
"""1970-01-01 in microseconds since midnight, 1 January of the year 0."""
HCI, H4, MONITOR = 1001, 1002, 2001
"""Datalinks: HCI packets told apart by flags, H4 packets, Linux monitor (adapter and opcode in the flags)."""
_NAMES = {HCI: "HCI", H4: "H4", MONITOR: "Linux monitor"}
_OTHERS = {1003: "HCI BSCP", 1004: "HCI serial (H5)", 2002: "Linux simulator"}
_COMMAND_OR_EVENT, _RECEIVED = 2, 1
"""Flags of a record of datalink 1001: bit 1 is set for commands and events, bit 0 for what the host received."""
_MICRO = 1e6


def read(stream: ByteStream, decoders: Decoders) -> tuple[str, Iterator[Record]]:
    """The name of the format and the records.

    Raises:
        TraceError: for a version or datalink that cannot be read.
    """
    header = stream.take(FILE_HEADER.size)
    if len(header) < FILE_HEADER.size:
        return "btsnoop", iter(())
    _, version, datalink = FILE_HEADER.unpack(header)
    if version != 1:
        raise TraceError(f"btsnoop version {version}, which nothing is known to write", hint="version 1 is read")
    if datalink not in _NAMES:
        kind = _OTHERS.get(datalink, "unknown")
        raise TraceError(
            f"btsnoop datalink {datalink} ({kind}) is not read",
            hint="datalinks 1001 (HCI), 1002 (H4) and 2001 (Linux monitor) are; `btmon -w FILE` writes the last",
        )
    records = _plain(stream, decoders.hci.h4, decoders) if datalink == H4 else _flagged(stream, datalink, decoders)
    return f"btsnoop ({_NAMES[datalink]})", records


def _plain(stream: ByteStream, decode: Decoder, decoders: Decoders) -> Iterator[Record]:
    """Records whose packets say themselves what they are."""
    for (original, included, _, _, stamp), packet in stream.framed(RECORD_HEADER, 1):
        if original > included:
            decoders.counts.cut_short += 1
        yield (stamp - EPOCH_US) / _MICRO, decode, packet


def _flagged(stream: ByteStream, datalink: int, decoders: Decoders) -> Iterator[Record]:
    """Records whose flags say what they are."""
    monitor, hci = decoders.monitor, decoders.hci
    kinds: dict[int, Decoder] = {_COMMAND_OR_EVENT: hci.command, _COMMAND_OR_EVENT | _RECEIVED: hci.event}
    for (original, included, flags, _, stamp), packet in stream.framed(RECORD_HEADER, 1):
        if original > included:
            decoders.counts.cut_short += 1
        decode = monitor.of(flags) if datalink == MONITOR else kinds.get(flags & 3, hci.other)
        yield (stamp - EPOCH_US) / _MICRO, decode, packet
