# SPDX-License-Identifier: Apache-2.0
"""The kernel's management of Bluetooth, spoken to past bluetoothd, for what no D-Bus client could bring about.

Source: BlueZ, doc/mgmt-api.txt (packets, commands 0x0005, 0x0023 and 0x0024, events 0x0001 and 0x0002); the address
of the socket is `struct sockaddr_hci` of the kernel's include/net/bluetooth/hci_sock.h, which Python's socket lacks.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Self

_BTPROTO_HCI, _CHANNEL_CONTROL, _NO_DEVICE = 1, 3, 0xFFFF
_SET_POWERED, _START_DISCOVERY, _STOP_DISCOVERY = 0x0005, 0x0023, 0x0024
_ANSWERS = (0x0001, 0x0002)
_LE = 0x06
"""Addresses to discover: LE public and LE random."""
_LIMIT_S = 5.0
_BUFFER = 4096


class Management:
    """A management socket, for one adapter, while it is entered.

    Args:
        index: number of the adapter, 0 for hci0.
    """

    def __init__(self, index: int) -> None:
        self._index = index
        self._socket = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW, _BTPROTO_HCI)
        where = struct.pack("<HHH", socket.AF_BLUETOOTH, _NO_DEVICE, _CHANNEL_CONTROL)
        if ctypes.CDLL(None, use_errno=True).bind(self._socket.fileno(), where, len(where)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._socket.settimeout(_LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def power(self, *, on: bool) -> int:
        """Switch the adapter on or off; the status, 0 for success."""
        return self._ask(_SET_POWERED, bytes([on]))

    def discover(self, *, on: bool) -> int:
        """Start or stop a discovery; the status, 0 for success."""
        return self._ask(_START_DISCOVERY if on else _STOP_DISCOVERY, bytes([_LE]))

    def _ask(self, opcode: int, parameters: bytes) -> int:
        self._socket.send(struct.pack("<HHH", opcode, self._index, len(parameters)) + parameters)
        while True:
            packet = self._socket.recv(_BUFFER)
            event, index, _ = struct.unpack_from("<HHH", packet)
            if event in _ANSWERS and index == self._index:
                answered, status = struct.unpack_from("<HB", packet, 6)
                if answered == opcode:
                    return int(status)
