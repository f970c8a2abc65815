# SPDX-License-Identifier: Apache-2.0
"""What a host asks a controller at power on: version, features, supported commands, buffers."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from tests.e2e.vhci.wire import Command, Commands

if TYPE_CHECKING:
    from tests.e2e.vhci.controller import Controller

_VERSIONS = {False: 0x08, True: 0x0B}
"""Core 4.2 for a legacy controller and 5.2 for an extended one (Assigned Numbers 2.1)."""
_LINUX_FOUNDATION = 0x05F1
"""Company identifier (Assigned Numbers 7.1), which BlueZ's own emulator uses too."""
_FEATURES = bytes([0, 0, 0, 0, 0x60, 0, 0, 0])
"""LMP features, Vol 2 Part C 3.3: LE supported, BR/EDR not supported."""
_EXTENDED_ADVERTISING = 1 << 12
"""LE feature bit, Vol 6 Part B 4.6."""
_ALL_STATES = (1 << 42) - 1
"""Every combination of advertising, scanning and connecting, 7.8.27."""
_SUPPORTED_COMMANDS_BYTES = 64
_BUFFER_BYTES, _BUFFERS = 251, 8
_ACCEPT_LIST = 8


class Baseband:
    """The commands of a controller that have nothing to do with the air."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def commands(self) -> Commands:
        """The commands, by opcode."""
        return {
            0x0C01: Command(_accept, (5, 6)),  # Set Event Mask, 7.3.1
            0x0C03: Command(self._reset, (5, 7)),  # Reset, 7.3.2
            0x0C63: Command(_accept, (22, 2)),  # Set Event Mask Page 2, 7.3.69
            0x0C6D: Command(_accept, (24, 6)),  # Write LE Host Support, 7.3.79
            0x1001: Command(self._version, (14, 3)),  # Read Local Version Information, 7.4.1
            0x1002: Command(self._supported),  # Read Local Supported Commands, 7.4.2
            0x1003: Command(lambda _: _FEATURES, (14, 5)),  # Read Local Supported Features, 7.4.3
            0x1009: Command(lambda _: self._controller.address, (15, 1)),  # Read BD_ADDR, 7.4.6
            0x2001: Command(_accept, (25, 0)),  # LE Set Event Mask, 7.8.1
            0x2002: Command(lambda _: struct.pack("<HB", _BUFFER_BYTES, _BUFFERS), (25, 1)),  # Read Buffer Size, 7.8.2
            0x2003: Command(self._le_features, (25, 2)),  # LE Read Local Supported Features, 7.8.3
            0x200F: Command(lambda _: bytes([_ACCEPT_LIST]), (26, 6)),  # LE Read Filter Accept List Size, 7.8.14
            0x2010: Command(_accept, (26, 7)),  # LE Clear Filter Accept List, 7.8.15
            0x2011: Command(_accept, (27, 0)),  # LE Add Device to Filter Accept List, 7.8.16
            0x2012: Command(_accept, (27, 1)),  # LE Remove Device from Filter Accept List, 7.8.17
            0x2018: Command(lambda _: os.urandom(8), (27, 7)),  # LE Rand, 7.8.23
            0x201C: Command(lambda _: struct.pack("<Q", _ALL_STATES), (28, 3)),  # LE Read Supported States, 7.8.27
        }

    def _reset(self, _: bytes) -> bytes:
        self._controller.reset()
        self._controller.note("reset")
        return b""

    def _version(self, _: bytes) -> bytes:
        version = _VERSIONS[self._controller.extended]
        return struct.pack("<BHBHH", version, 0, version, _LINUX_FOUNDATION, 0)

    def _supported(self, _: bytes) -> bytes:
        """The mask of exactly the commands that this controller has, 6.27."""
        mask = bytearray(_SUPPORTED_COMMANDS_BYTES)
        for command in self._controller.commands.values():
            if command.bit is not None:
                octet, bit = command.bit
                mask[octet] |= 1 << bit
        return bytes(mask)

    def _le_features(self, _: bytes) -> bytes:
        return struct.pack("<Q", _EXTENDED_ADVERTISING if self._controller.extended else 0)


def _accept(_: bytes) -> bytes:
    """Agree without effect: masks and lists matter only to events and connections that never come."""
    return b""
