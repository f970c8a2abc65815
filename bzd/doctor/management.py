# SPDX-License-Identifier: Apache-2.0
"""The kernel's management of Bluetooth, asked past bluetoothd for what no D-Bus client is told.

Source: BlueZ, doc/mgmt-api.txt (packets, command 0x0004, events 0x0001 and 0x0002); the address of the socket is
`struct sockaddr_hci` of the kernel's include/net/bluetooth/hci_sock.h, which Python's socket lacks. Needs root, or
rather CAP_NET_ADMIN and a socket of AF_BLUETOOTH: the sandboxed service has neither.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Self

_AF_BLUETOOTH = 31
"""Of Linux's include/linux/socket.h; the socket module lacks it where Python was built without BlueZ's headers."""
_BTPROTO_HCI, _CHANNEL_CONTROL, _NO_DEVICE = 1, 3, 0xFFFF
_READ_INFORMATION = 0x0004
_ANSWERS = {0x0001, 0x0002}
"""Command Complete and Command Status."""
_ANSWER = struct.Struct("<HHHHB")
"""Event, index, length; and of these two: the command that is answered, and its status."""
_CURRENT_SETTINGS_AT = 13
"""In the answer to Read Controller Information: after address, version, manufacturer and supported settings."""
_CONNECTABLE = 1 << 1
_LIMIT_S = 5.0
_BUFFER = 4096


class Management:
    """A management socket, for one adapter, while it is entered.

    Args:
        index: number of the adapter, 0 for hci0.

    Raises:
        OSError: where there is no such socket, or not for this user.
    """

    def __init__(self, index: int) -> None:
        self._index = index
        self._socket = socket.socket(_AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _BTPROTO_HCI)
        where = struct.pack("<HHH", _AF_BLUETOOTH, _NO_DEVICE, _CHANNEL_CONTROL)
        if ctypes.CDLL(None, use_errno=True).bind(self._socket.fileno(), where, len(where)):
            self._socket.close()
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._socket.settimeout(_LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def connectable(self) -> bool:
        """Whether the kernel has the adapter accept connections, whatever bluetoothd shows.

        Raises:
            OSError: if the kernel does not say.
        """
        status, answer = self.ask(_READ_INFORMATION)
        if status or len(answer) < _CURRENT_SETTINGS_AT + 4:
            raise OSError(0, f"the kernel answered with status {status:#04x}")
        return bool(int.from_bytes(answer[_CURRENT_SETTINGS_AT : _CURRENT_SETTINGS_AT + 4], "little") & _CONNECTABLE)

    def ask(self, opcode: int, parameters: bytes = b"") -> tuple[int, bytes]:
        """Send a command; the status of the answer, 0 for success, and what it returned.

        Raises:
            OSError: if there is no answer.
        """
        self._socket.send(struct.pack("<HHH", opcode, self._index, len(parameters)) + parameters)
        while True:
            packet = self._socket.recv(_BUFFER)
            if len(packet) < _ANSWER.size:
                continue
            event, index, _, answered, status = _ANSWER.unpack_from(packet)
            if event in _ANSWERS and (index, answered) == (self._index, opcode):
                return int(status), packet[_ANSWER.size :]
