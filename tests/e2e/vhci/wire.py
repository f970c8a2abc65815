# SPDX-License-Identifier: Apache-2.0
"""HCI as bytes: packets, statuses and events that the virtual controllers need.

Sections are those of the Bluetooth Core specification 5.4, Vol 4 Part E (host controller interface functional
specification) unless another volume is named. Numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

COMMAND_PACKET = 0x01
EVENT_PACKET = 0x04
"""Packet indicators, Vol 4 Part A 2."""

VENDOR_PACKET = 0xFF
"""Not HCI: Linux's hci_vhci creates a controller when it is written, and answers with the index (hci_vhci.c)."""

_COMMAND_COMPLETE = 0x0E  # 7.7.14
_LE_META = 0x3E  # 7.7.65
_ADVERTISING_REPORT = 0x02  # 7.7.65.2
_EXTENDED_ADVERTISING_REPORT = 0x0D  # 7.7.65.13

LEGACY_DATA_MAX = 31
"""Bytes of advertising data in a legacy PDU, Vol 6 Part B 2.3.1.1."""


class Status(IntEnum):
    """Error codes, Vol 1 Part F 1.3."""

    SUCCESS = 0x00
    UNKNOWN_COMMAND = 0x01
    COMMAND_DISALLOWED = 0x0C
    INVALID_PARAMETERS = 0x12
    UNKNOWN_ADVERTISING_IDENTIFIER = 0x42


class Kind(IntEnum):
    """Event types of an advertising report, 7.7.65.2; those below 4 are also the types of legacy advertising, 7.8.5."""

    CONNECTABLE = 0
    DIRECTED = 1
    SCANNABLE = 2
    BROADCAST = 3
    SCAN_RESPONSE = 4


_EXTENDED_EVENT_TYPES = {
    Kind.CONNECTABLE: 0x13,
    Kind.DIRECTED: 0x15,
    Kind.SCANNABLE: 0x12,
    Kind.BROADCAST: 0x10,
    Kind.SCAN_RESPONSE: 0x1B,
}
"""Event_Type of an extended report about a legacy PDU, 7.7.65.13; a scan response is one to ADV_IND."""

RSSI_UNAVAILABLE = 127
_TX_POWER_UNAVAILABLE = 127
_NO_SET_ID = 0xFF
_PHY_1M = 1


class Refused(Exception):  # noqa: N818  the controller's answer, no error of the program
    """A command is answered with a status other than success."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a controller knows.

    Attributes:
        handle: from its parameters to the return parameters that follow the status; raises `Refused`.
        bit: octet and bit in the mask of supported commands, 6.27; None for those that have none.
    """

    handle: Callable[[bytes], bytes]
    bit: tuple[int, int] | None = None


Commands = dict[int, Command]
"""By opcode, 5.4.1: the group in the upper six bits."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is sent on air: one advertising PDU with its possible scan response.

    Attributes:
        address: six bytes, least significant first.
        random: whether the address is random; else it is public.
        kind: one of the first four of `Kind`.
        data: advertising data.
        response: scan response data, asked for if the kind is connectable or scannable.
    """

    address: bytes
    random: bool
    kind: Kind
    data: bytes
    response: bytes = b""

    @property
    def scannable(self) -> bool:
        """Whether a scanner may send a scan request to it, Vol 6 Part B 4.4.2."""
        return self.kind in (Kind.CONNECTABLE, Kind.SCANNABLE)


def address_text(address: bytes) -> str:
    """A device address as people and BlueZ write it."""
    return ":".join(f"{byte:02X}" for byte in reversed(address))


def address_bytes(text: str) -> bytes:
    """A device address as it goes over the wire.

    Raises:
        ValueError: if the text is no address.
    """
    raw = bytes.fromhex(text.replace(":", ""))
    if len(raw) != 6:
        raise ValueError(f"{text!r} is no device address")
    return raw[::-1]


def command_complete(opcode: int, status: Status, parameters: bytes = b"") -> bytes:
    """The event that answers a command, 7.7.14; the host may send one further command."""
    return _event(_COMMAND_COMPLETE, struct.pack("<BHB", 1, opcode, status) + parameters)


def report(frame: Frame, kind: Kind, data: bytes, rssi: int) -> bytes:
    """An LE Advertising Report event with one report, 7.7.65.2."""
    head = struct.pack("<BBBB6sB", _ADVERTISING_REPORT, 1, kind, frame.random, frame.address, len(data))
    return _event(_LE_META, head + data + struct.pack("<b", rssi))


def extended_report(frame: Frame, kind: Kind, data: bytes, rssi: int) -> bytes:
    """An LE Extended Advertising Report event with one report about a legacy PDU, 7.7.65.13."""
    head = struct.pack(
        "<BBHB6sBBBbbHB6sB",
        *(_EXTENDED_ADVERTISING_REPORT, 1, _EXTENDED_EVENT_TYPES[kind], frame.random, frame.address),
        *(_PHY_1M, 0, _NO_SET_ID, _TX_POWER_UNAVAILABLE, rssi, 0, 0, bytes(6), len(data)),
    )
    return _event(_LE_META, head + data)


def _event(code: int, parameters: bytes) -> bytes:
    return bytes([EVENT_PACKET, code, len(parameters)]) + parameters
