# SPDX-License-Identifier: Apache-2.0
"""A virtual LE controller: answers the host's commands, sends and receives on the virtual air.

It keeps to the Core specification where BlueZ's behaviour hangs on it, above all in what it refuses, and has no
connections. It knows nothing of /dev/vhci: packets come in by `receive` and leave by a function.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.e2e.vhci import wire
from tests.e2e.vhci.advertising import Advertiser, ExtendedAdvertiser, LegacyAdvertiser
from tests.e2e.vhci.baseband import Baseband
from tests.e2e.vhci.journal import Journal
from tests.e2e.vhci.scanning import Duplicates, Scanner
from tests.e2e.vhci.wire import Command, Commands, Frame, Refused, Status

_SWITCHES = frozenset({0x200A, 0x200C, 0x2039, 0x2042})
"""Commands that begin with 1 to start and 0 to stop: advertising and scanning, 7.8.9, 7.8.11, 7.8.56, 7.8.65."""


_ADVERTISING_DATA = frozenset({0x2008, 0x2009})
"""LE Set Advertising Data and LE Set Scan Response Data: what Linux sends before the address of an advertisement."""


class Medium(Protocol):
    """The air, as a controller sees it."""

    journal: Journal

    def transmit(self, sender: Controller, frame: Frame) -> None:
        """Let everyone in range hear a frame."""


@dataclass(slots=True)
class Faults:
    """What is wrong with a controller, set by a test.

    Attributes:
        leaky: takes a random address only for advertising, which makes Linux scan under the public one; BCM43455 is
            reported to be such (bluez/bluez#2337).
        failing: commands that fail: opcode to status and how often still, None for ever.
    """

    leaky: bool = False
    failing: dict[int, tuple[Status, int | None]] = field(default_factory=dict)

    def strike(self, opcode: int, parameters: bytes) -> None:
        """Fail a command if it is to fail; a command to stop something never is, as on hardware.

        Raises:
            Refused: with the status that the test has set.
        """
        stops = opcode in _SWITCHES and parameters[:1] == b"\x00"
        if opcode in self.failing and not stops:
            status, left = self.failing[opcode]
            if left is not None:
                self.failing[opcode] = (status, left - 1)
                if left <= 1:
                    del self.failing[opcode]
            raise Refused(status)


class Controller:
    """One virtual controller.

    Attributes:
        index: the host's number of it (0 for hci0), -1 until the host has given one.
        address: public device address, least significant byte first.
        extended: whether it has extended advertising (Core 5.0) and uses its commands.
        random_address: the random device address that the host set, zero after a reset.
        faults: what a test made wrong with it.
        unknown: opcodes that the host used and this controller does not know.
        reports: advertising reports handed to the host.
    """

    def __init__(
        self,
        *,
        medium: Medium,
        send: Callable[[bytes], None],
        address: bytes,
        extended: bool = False,
        duplicates: Duplicates = Duplicates.DATA,
    ) -> None:
        self.index = -1
        self.medium = medium
        self.address = address
        self.extended = extended
        self.random_address = bytes(6)
        self.faults = Faults()
        self.unknown: set[int] = set()
        self.reports = 0
        self._send = send
        self._before = 0
        self.scanner = Scanner(self, duplicates)
        self.advertiser: Advertiser = ExtendedAdvertiser(self) if extended else LegacyAdvertiser(self)
        self.commands: Commands = {
            **Baseband(self).commands(),
            **self.scanner.commands(),
            **self.advertiser.commands(),
            0x2005: Command(self._set_random_address, (25, 4)),
        }

    def note(self, event: str, **details: Any) -> None:
        """Write an event of this controller to the journal."""
        self.medium.journal.note(event, hci=self.index, **details)

    def reset(self) -> None:
        """Forget everything, as at power on (7.3.2)."""
        self.advertiser.reset()
        self.scanner.reset()
        self.random_address = bytes(6)

    def receive(self, packet: bytes) -> None:
        """Take a packet from the host; commands are answered at once, other packets ignored."""
        if packet[0] != wire.COMMAND_PACKET:
            return
        opcode, length = struct.unpack_from("<HB", packet, 1)
        try:
            self._send(wire.command_complete(opcode, Status.SUCCESS, self._execute(opcode, packet[4 : 4 + length])))
        except Refused as refusal:
            self.note("refused", opcode=f"{opcode:#06x}", status=refusal.status.name)
            self._send(wire.command_complete(opcode, refusal.status))
        self._before = opcode

    def _execute(self, opcode: int, parameters: bytes) -> bytes:
        self.faults.strike(opcode, parameters)
        command = self.commands.get(opcode)
        if command is None:
            self.unknown.add(opcode)
            raise Refused(Status.UNKNOWN_COMMAND)
        try:
            return command.handle(parameters)
        except (struct.error, IndexError, ValueError):
            raise Refused(Status.INVALID_PARAMETERS) from None

    def hear(self, frame: Frame, rssi: int) -> None:
        """A frame arrives at the antenna with `rssi` dBm."""
        self.scanner.hear(frame, rssi)

    def deliver(self, report: bytes) -> None:
        """Hand an advertising report to the host."""
        self.reports += 1
        self._send(report)

    def own_address(self, own_type: int) -> tuple[bytes, bool]:
        """The address for an Own_Address_Type (7.8.5), and whether it is random.

        Raises:
            Refused: if it is to be random and the host never set one (7.8.9, 7.8.11).
        """
        if own_type & 1 == 0:
            return self.address, False
        if self.random_address == bytes(6):
            raise Refused(Status.INVALID_PARAMETERS)
        return self.random_address, True

    def _set_random_address(self, parameters: bytes) -> bytes:
        """LE Set Random Address, 7.8.4: disallowed while legacy advertising or scanning is enabled."""
        for_advertising = not self.extended and self._before in _ADVERTISING_DATA
        if self.scanner.enabled or self.advertiser.holds_random_address or (self.faults.leaky and not for_advertising):
            raise Refused(Status.COMMAND_DISALLOWED)
        self.random_address = parameters[:6]
        self.note("random_address", address=wire.address_text(self.random_address))
        return b""
