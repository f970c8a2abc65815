# SPDX-License-Identifier: Apache-2.0
"""The Linux monitor channel: HCI traffic of several adapters, as `btmon -w` records it.

Source: BlueZ's public documentation of the monitor protocol (doc/btsnoop-protocol) and libpcap's description of
LINKTYPE_BLUETOOTH_LINUX_MONITOR. A record names its adapter and an opcode; commands and events have no H4 indicator.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache, partial

from bzd.model import Advertisement
from bzd.traces.hci import Decoder, HciDecoder

NEW_INDEX, COMMAND, EVENT = 0, 2, 3
"""Opcodes; the others are data, notes and the management channel, which repeats the same reports."""
_HEADER = struct.Struct(">HH")
"""Adapter and opcode before each packet in pcap files (big-endian whatever the file is)."""


class MonitorDecoder:
    """Decodes the records of the monitor channel."""

    def __init__(self, hci: HciDecoder) -> None:
        self._hci = hci
        self.of = lru_cache(maxsize=256)(self._of)  # traces have a handful of flags; a damaged one may have many

    def headed(self, time: float, packet: bytes) -> Sequence[Advertisement]:
        """A packet behind its header of adapter and opcode (link type 254)."""
        if len(packet) < _HEADER.size:
            return self._hci.malformed()
        adapter, opcode = _HEADER.unpack_from(packet)
        return self.of(adapter << 16 | opcode)(time, packet[_HEADER.size :])

    def _of(self, flags: int) -> Decoder:
        """The decoder for a btsnoop record's flags: the adapter in the upper half, the opcode in the lower."""
        adapter, opcode = flags >> 16, flags & 0xFFFF
        if opcode == EVENT:
            return self._hci.event if adapter == 0 else partial(_event_of, self._hci, adapter)
        return self._hci.command if opcode == COMMAND else self._hci.other


def _event_of(hci: HciDecoder, adapter: int, time: float, packet: bytes) -> Sequence[Advertisement]:
    return hci.event(time, packet, 0, adapter)
