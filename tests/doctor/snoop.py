# SPDX-License-Identifier: Apache-2.0
"""Recordings of the Linux monitor, made command by command, as `btmon -w` would write them."""

from __future__ import annotations

import struct

from bzd.traces import btsnoop
from bzd.traces.source import ByteStream

_COMMAND, _EVENT = 2, 3


class Snoop:
    """A recording in the making; each exchange is a second after the one before."""

    def __init__(self, start: float = 1000.0, datalink: int = btsnoop.MONITOR) -> None:
        self.time = start
        self._bytes = btsnoop.FILE_HEADER.pack(btsnoop.MAGIC, 1, datalink)

    def record(self, kind: int, packet: bytes, adapter: int = 0) -> None:
        """One record: opcode of the monitor and packet."""
        stamp = round(self.time * 1e6) + btsnoop.EPOCH_US
        size = len(packet)
        self._bytes += btsnoop.RECORD_HEADER.pack(size, size, adapter << 16 | kind, 0, stamp) + packet

    def ask(self, opcode: int, parameters: bytes, status: int = 0, returned: bytes = b"", adapter: int = 0) -> None:
        """A command and the event that answers it."""
        self.time += 1
        self.record(_COMMAND, struct.pack("<HB", opcode, len(parameters)) + parameters, adapter)
        answer = struct.pack("<BHB", 1, opcode, status) + returned
        self.record(_EVENT, struct.pack("<BB", 0x0E, len(answer)) + answer, adapter)

    def stream(self) -> ByteStream:
        """As a reader gets it."""
        blocks = [self._bytes]
        return ByteStream(lambda _: blocks.pop() if blocks else b"")
