# SPDX-License-Identifier: Apache-2.0
"""Writes traces: bzd's own JSON Lines, and btsnoop of the Linux monitor, which btmon and Wireshark open.

JSON Lines keep an advertisement whole. btsnoop keeps time (to the microsecond), address, data and tx power; where there
is no RSSI it says 127 ("not available", Core specification Vol 4 Part E 7.7.65.2), an address of unknown type becomes a
public one, and an address of known type but without octets becomes anonymous.
"""

from __future__ import annotations

import json
import struct
from typing import BinaryIO, Protocol

from bzd.model import Advertisement
from bzd.traces.btsnoop import EPOCH_US, FILE_HEADER, MAGIC, MONITOR, RECORD_HEADER
from bzd.traces.fragments import COMPLETE, INCOMPLETE
from bzd.traces.hci import ADVERTISING_REPORT, ANONYMOUS, EXTENDED, EXTENDED_REPORT, LE_META, NO_TX_POWER, tx_power_in
from bzd.traces.jsonl import SCHEMA, to_json
from bzd.traces.monitor import EVENT, NEW_INDEX

_NO_RSSI = 127
_ADV_NONCONN_IND = 3
"""Event_Type of a legacy report: what a badge broadcasts."""
_EXTENDED_NONCONN = 0
"""Event_Type of an extended report of non-connectable, non-scannable, undirected advertising."""
_NO_SID = 0xFF
_PHY_1M = 1
_LEGACY_DATA = 31
"""Longest data of a legacy advertisement, bytes (Core specification Vol 6 Part B 2.3.1)."""
_EXTENDED_DATA = 229
"""Longest data in one extended report: 255 octets of parameters less 2 and the report's 24."""
_RANDOM = 1
_VIRTUAL = 1
"""Adapter kind and bus of the record that announces the adapter: primary controller, virtual bus."""


class TraceWriter(Protocol):
    """Writes advertisements to a binary file that its caller opens and closes."""

    def write(self, advertisement: Advertisement) -> None:
        """Append one advertisement."""
        ...


class JsonlWriter:
    """Writes bzd's own trace format.

    Args:
        file: where to; the first line is written at once.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._line({"schema": SCHEMA})

    def write(self, advertisement: Advertisement) -> None:
        """Append one advertisement."""
        self._line(to_json(advertisement))

    def _line(self, value: dict[str, object]) -> None:
        self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")


class BtsnoopWriter:
    """Writes btsnoop of datalink 2001, with LE Advertising Report events of one adapter, hci0.

    Reports that a legacy event cannot carry (more than 31 bytes, no address, a tx power) become extended ones.

    Args:
        file: where to; the file header is written at once.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._announced = False
        file.write(FILE_HEADER.pack(MAGIC, 1, MONITOR))

    def write(self, advertisement: Advertisement) -> None:
        """Append one advertisement."""
        stamp = round(round(advertisement.time, 6) * 1e6) + EPOCH_US  # the same microsecond as in JSON Lines
        if not self._announced:
            # btmon shows nothing of an adapter that no record announced: type, bus, address, name.
            self._record(stamp, NEW_INDEX, struct.pack("<BB6s8s", 0, _VIRTUAL, bytes(6), b"hci0"))
            self._announced = True
        for parameters in _events(advertisement):
            self._record(stamp, EVENT, bytes((LE_META, len(parameters))) + parameters)

    def _record(self, stamp: int, opcode: int, packet: bytes) -> None:
        self._file.write(RECORD_HEADER.pack(len(packet), len(packet), opcode, 0, stamp) + packet)


def _events(advertisement: Advertisement) -> list[bytes]:
    """The parameters of the LE Meta events that report an advertisement."""
    _, address, address_type, rssi, data, tx_power = advertisement
    raw = bytes.fromhex(address.replace(":", ""))[::-1]
    kind = _RANDOM if address_type == "random" else 0
    rssi = _NO_RSSI if rssi is None or not -128 <= rssi <= 127 else rssi
    if raw and len(data) <= _LEGACY_DATA and tx_power == tx_power_in(data):
        head = struct.pack("<BBBB6sB", ADVERTISING_REPORT, 1, _ADV_NONCONN_IND, kind, raw, len(data))
        return [head + data + struct.pack("b", rssi)]
    power = NO_TX_POWER if tx_power is None else tx_power
    pieces = [data[start : start + _EXTENDED_DATA] for start in range(0, len(data) or 1, _EXTENDED_DATA)]
    events = []
    for number, piece in enumerate(pieces, 1):
        status = COMPLETE if number == len(pieces) else INCOMPLETE
        report = EXTENDED.pack(
            _EXTENDED_NONCONN | status << 5,
            kind if raw else ANONYMOUS,
            raw or bytes(6),
            _PHY_1M,
            _PHY_1M,
            _NO_SID,
            power,
            rssi,
            0,
            0,
            bytes(6),
            len(piece),
        )
        events.append(bytes((EXTENDED_REPORT, 1)) + report + piece)
    return events
