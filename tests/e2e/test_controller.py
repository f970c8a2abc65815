# SPDX-License-Identifier: Apache-2.0
"""The virtual controllers keep to the Core specification where BlueZ depends on it."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from tests.e2e.vhci.air import Air, Path
from tests.e2e.vhci.controller import Controller
from tests.e2e.vhci.journal import Journal
from tests.e2e.vhci.scanning import Duplicates
from tests.e2e.vhci.wire import Frame, Kind, Status

NRPA = bytes.fromhex("0102030405") + b"\x1a"
DATA = bytes.fromhex("03036ffd")


class Host:
    """The host of a controller: sends commands, keeps events."""

    def __init__(self, air: Air, number: int, **options: Any) -> None:
        self.events: list[bytes] = []
        address = bytes([number, 0, 0, 0, 0xAA, 0])
        self.controller = Controller(medium=air, send=self.events.append, address=address, **options)
        self.controller.index = number
        air.controllers[number] = self.controller

    def command(self, opcode: int, parameters: bytes = b"") -> tuple[int, bytes]:
        """Send a command; its status and return parameters."""
        self.controller.receive(struct.pack("<BHB", 1, opcode, len(parameters)) + parameters)
        event = self.events.pop()
        assert event[:2] == bytes([0x04, 0x0E])
        assert event[2] == len(event) - 3
        assert struct.unpack_from("<H", event, 4)[0] == opcode
        return event[6], event[7:]

    def scan(self, *, active: bool = False, own_type: int = 0, filtering: bool = False) -> int:
        """Start a legacy scan; the status of the command that enables it."""
        status, _ = self.command(0x200B, struct.pack("<BHHBB", active, 0x60, 0x30, own_type, 0))
        assert status == Status.SUCCESS
        return self.command(0x200C, bytes([1, filtering]))[0]

    def advertise(self, data: bytes = DATA, own_type: int = 1) -> int:
        """Start legacy advertising; the status of the command that enables it."""
        self.command(0x2006, struct.pack("<HHBB6xBB", 0x20, 0x20, 3, own_type, 7, 0)[:15])
        self.command(0x2008, bytes([len(data)]) + data.ljust(31, b"\0"))
        return self.command(0x200A, b"\x01")[0]


@pytest.fixture
def air() -> Air:
    """An air without anybody."""
    return Air(Journal())


def test_commands_it_claims_are_the_commands_it_has(air: Air) -> None:
    """The mask of supported commands holds a bit per command, and a command of the other family is unknown."""
    for extended in (False, True):
        host = Host(air, 0, extended=extended)
        _, mask = host.command(0x1002)
        assert len(mask) == 64
        claimed = sum(byte.bit_count() for byte in mask)
        assert claimed == sum(command.bit is not None for command in host.controller.commands.values())
        assert host.command(0x2036 if not extended else 0x2006)[0] == Status.UNKNOWN_COMMAND
        assert host.controller.unknown


def test_random_address_is_fixed_while_scanning_or_advertising(air: Air) -> None:
    """LE Set Random Address is disallowed while a scan or legacy advertising is on, and allowed after it (7.8.4)."""

    async def scenario() -> None:
        host = Host(air, 0)
        assert host.command(0x2005, NRPA)[0] == Status.SUCCESS
        assert host.scan() == Status.SUCCESS
        assert host.command(0x2005, NRPA[::-1])[0] == Status.COMMAND_DISALLOWED
        host.command(0x200C, b"\0\0")
        assert host.advertise() == Status.SUCCESS
        assert host.command(0x2005, NRPA[::-1])[0] == Status.COMMAND_DISALLOWED
        host.command(0x200A, b"\0")
        assert host.command(0x2005, NRPA[::-1])[0] == Status.SUCCESS
        assert host.controller.random_address == NRPA[::-1]

    asyncio.run(scenario())


def test_a_leaky_controller_takes_no_address_for_a_scan(air: Air) -> None:
    """A legacy one only right after advertising data, an extended one, whose sets have their own, never."""
    for extended in (False, True):
        host = Host(air, 0, extended=extended)
        host.controller.faults.leaky = True
        assert host.command(0x2005, NRPA)[0] == Status.COMMAND_DISALLOWED
        data = (0x2037, bytes([0, 3, 1, len(DATA)]) + DATA) if extended else (0x2008, bytes(32))
        host.command(*data)
        taken = host.command(0x2005, NRPA)[0] == Status.SUCCESS
        assert taken is not extended


def test_random_address_must_be_there(air: Air) -> None:
    """Neither advertising nor scanning starts under a random address that was never set (7.8.9, 7.8.11)."""
    host = Host(air, 0)
    assert host.advertise() == Status.INVALID_PARAMETERS
    assert host.scan(own_type=1) == Status.INVALID_PARAMETERS


@pytest.mark.parametrize("extended", [False, True])
def test_parameters_are_fixed_while_on(air: Air, *, extended: bool) -> None:
    """Scan parameters cannot be changed while scanning, in either family of commands (7.8.10, 7.8.64)."""
    host = Host(air, 0, extended=extended)
    opcodes = (0x2041, 0x2042) if extended else (0x200B, 0x200C)
    parameters = struct.pack("<BHHBB", 0, 96, 48, 0, 0)
    if extended:
        parameters = bytes([0, 0, 1]) + struct.pack("<BHH", 0, 96, 48)
    assert host.command(opcodes[0], parameters)[0] == Status.SUCCESS
    assert host.command(opcodes[1], bytes([1, 0, 0, 0, 0, 0]))[0] == Status.SUCCESS
    assert host.command(opcodes[0], parameters)[0] == Status.COMMAND_DISALLOWED


def test_what_one_sends_the_other_hears(air: Air) -> None:
    """A frame arrives at the other controller with the link's RSSI, never at the sender, and not out of range."""

    async def scenario() -> None:
        sender, near, far = (Host(air, number) for number in range(3))
        air.link(0, 1, Path(-71))
        air.link(0, 2, Path(None))
        for host in (sender, near, far):
            host.command(0x2005, NRPA)
            host.scan()
        sender.command(0x200C, b"\0\0")
        sender.advertise()
        await asyncio.sleep(0.01)
        assert near.events == [_report(NRPA, 3, DATA, -71)]
        assert sender.events == far.events == []
        [frame] = air.journal.on_air()
        assert (frame["hci"], frame["address_type"], frame["data"]) == (0, "random", DATA.hex())
        sender.controller.reset()

    asyncio.run(scenario())


def test_a_new_payload_shows_on_the_old_address(air: Air) -> None:
    """Data that the host changes while it advertises goes out at once: the trap that rotation avoids."""

    async def scenario() -> None:
        host = Host(air, 0)
        host.command(0x2005, NRPA)
        host.advertise(b"\x02\x01\x04")
        await asyncio.sleep(0.01)
        host.command(0x2008, bytes([4]) + DATA.ljust(31, b"\0"))
        await asyncio.sleep(0.05)
        assert {row["data"] for row in air.journal.on_air()} == {"020104", DATA.hex()}
        assert len({row["address"] for row in air.journal.on_air()}) == 1
        host.controller.reset()

    asyncio.run(scenario())


def _report(address: bytes, kind: int, data: bytes, rssi: int) -> bytes:
    parameters = bytes([0x02, 1, kind, 1]) + address + bytes([len(data)]) + data + struct.pack("<b", rssi)
    return bytes([0x04, 0x3E, len(parameters)]) + parameters


@pytest.mark.parametrize(("duplicates", "expected"), [(Duplicates.DATA, 2), (Duplicates.ADDRESS, 1)])
def test_duplicates(air: Air, duplicates: Duplicates, expected: int) -> None:
    """The filter holds back what it takes for a duplicate, and forgets at each start of a scan (7.8.11)."""
    host = Host(air, 0, duplicates=duplicates)
    host.scan(filtering=True)
    for data in (b"\x02\x01\x04", b"\x02\x01\x06", b"\x02\x01\x04"):
        air.receive(Frame(NRPA, random=True, kind=Kind.BROADCAST, data=data), -60)
    assert len(host.events) == host.controller.reports == expected
    assert host.controller.scanner.filtered == 3 - expected
    host.command(0x200C, b"\0\0")
    host.command(0x200C, b"\x01\x01")
    air.receive(Frame(NRPA, random=True, kind=Kind.BROADCAST, data=b"\x02\x01\x04"), -60)
    assert host.controller.reports == expected + 1


@pytest.mark.parametrize(("own_type", "shown"), [(0, "public"), (1, "random")])
def test_scan_requests_are_seen(air: Air, own_type: int, shown: str) -> None:
    """An active scan shows its own address to scannable advertisers alone; the journal says which address."""
    host = Host(air, 0)
    host.command(0x2005, NRPA)
    host.scan(active=True, own_type=own_type)
    for kind in (Kind.BROADCAST, Kind.SCANNABLE):
        air.receive(Frame(NRPA[::-1], random=True, kind=kind, data=DATA, response=b"\x02\x0a\x00"), -60)
    [request] = air.journal.scan_requests()
    assert (request["own_type"], request["count"]) == (shown, 1)
    assert [event[5] for event in host.events] == [Kind.BROADCAST, Kind.SCANNABLE, Kind.SCAN_RESPONSE]


def test_passive_scans_send_nothing(air: Air) -> None:
    """A passive scan asks nobody."""
    host = Host(air, 0)
    host.scan()
    air.receive(Frame(NRPA, random=True, kind=Kind.CONNECTABLE, data=DATA), -60)
    assert list(air.journal.scan_requests()) == []
    assert len(host.events) == 1


def test_faults(air: Air) -> None:
    """A command fails as often as a test wants, and one that stops something never does."""
    host = Host(air, 0)
    host.controller.faults.failing[0x200C] = (Status.COMMAND_DISALLOWED, 2)
    assert host.command(0x200C, b"\0\0")[0] == Status.SUCCESS
    assert [host.scan() for _ in range(3)] == [Status.COMMAND_DISALLOWED, Status.COMMAND_DISALLOWED, Status.SUCCESS]


def test_extended_sets_have_addresses_of_their_own(air: Air) -> None:
    """With extended advertising each set sends under its own address, also while the random address is another."""

    async def scenario() -> None:
        host = Host(air, 0, extended=True)
        host.command(0x2005, NRPA)
        for handle, address in ((1, b"\x01" * 6), (2, b"\x02" * 6)):
            properties = struct.pack("<BH", handle, 0x10) + b"\x20\0\0" * 2
            parameters = properties + bytes([7, 1]) + bytes(7) + bytes([0, 127, 1, 0, 1, 0, 0])
            assert host.command(0x2036, parameters)[0] == Status.SUCCESS
            assert host.command(0x2035, bytes([handle]) + address)[0] == Status.SUCCESS
            assert host.command(0x2037, bytes([handle, 3, 1, len(DATA)]) + DATA)[0] == Status.SUCCESS
            assert host.command(0x2039, bytes([1, 1, handle, 0, 0, 0]))[0] == Status.SUCCESS
        assert host.command(0x2005, NRPA)[0] == Status.SUCCESS
        assert host.command(0x203C, b"\x01")[0] == Status.COMMAND_DISALLOWED
        await asyncio.sleep(0.01)
        assert {row["address"] for row in air.journal.on_air()} == {":".join(["01"] * 6), ":".join(["02"] * 6)}
        assert host.command(0x2039, b"\0\0")[0] == Status.SUCCESS
        assert host.command(0x203D)[0] == Status.SUCCESS

    asyncio.run(scenario())


def test_nonsense_is_refused(air: Air) -> None:
    """Parameters that are too short or out of range are answered with an error, never with silence."""
    host = Host(air, 0)
    assert host.command(0x2006, b"\x01")[0] == Status.INVALID_PARAMETERS
    assert host.command(0x2008, bytes([32]) + bytes(32))[0] == Status.INVALID_PARAMETERS
    assert host.command(0x200A)[0] == Status.INVALID_PARAMETERS
