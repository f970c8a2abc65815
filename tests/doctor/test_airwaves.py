# SPDX-License-Identifier: Apache-2.0
"""What a controller must have sent, from synthetic recordings: clean rotations, and a leak of each kind."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.doctor import airwaves
from bzd.doctor.airwaves import PUBLIC, Airwaves, Seen
from bzd.protocols import ad
from bzd.traces.exchanges import exchanges

from .snoop import Snoop

FLAGS = b"\x02\x01\x04"
DISALLOWED = 0x0C


def payload(number: int) -> bytes:
    """The advertising data of the ID so-and-so."""
    return ad.structure(ad.MANUFACTURER_DATA, b"\xff\xff" + bytes([number]) * 24)


def address(number: int) -> bytes:
    """A non-resolvable private address, as it goes over the wire."""
    return bytes([number, 1, 2, 3, 4, 0x15])


class Legacy(Snoop):
    """A controller without extended advertising."""

    def advertise(self, number: int, *, own_type: int = 1, at: int | None = None) -> None:
        """Begin to advertise, under an address of the same number or another."""
        self.ask(airwaves.ADVERTISING_DATA, bytes([31]) + (FLAGS + payload(number)).ljust(31, b"\0"))
        self.ask(airwaves.SET_RANDOM_ADDRESS, address(number if at is None else at))
        self.ask(airwaves.ADVERTISING_PARAMETERS, struct.pack("<HHBBB6sBB", 160, 160, 3, own_type, 0, bytes(6), 7, 0))
        self.ask(airwaves.ADVERTISING_ENABLE, b"\x01")

    def silence(self) -> None:
        """Stop advertising."""
        self.ask(airwaves.ADVERTISING_ENABLE, b"\x00")

    def scan(self, *, active: bool = True, own_type: int = 1) -> None:
        """Begin to scan."""
        self.ask(airwaves.SCAN_PARAMETERS, struct.pack("<BHHBB", active, 18, 18, own_type, 0))
        self.ask(airwaves.SCAN_ENABLE, b"\x01\x00")

    def deafen(self) -> None:
        """Stop scanning."""
        self.ask(airwaves.SCAN_ENABLE, b"\x00\x00")


class Extended(Snoop):
    """A controller with extended advertising; set 1 is used."""

    def advertise(self, number: int, *, own_type: int = 1, at: int | None = None) -> None:
        """Begin to advertise, under an address of the same number or another."""
        head = struct.pack("<BH3s3sBB", 1, 0x10, bytes(3), bytes(3), 7, own_type)
        self.ask(airwaves.SET_PARAMETERS, head + bytes(14), returned=b"\x00")
        self.ask(airwaves.SET_ADDRESS, b"\x01" + address(number if at is None else at))
        data = FLAGS + payload(number)
        self.ask(airwaves.SET_DATA, bytes([1, 3, 1, len(data)]) + data)
        self.ask(airwaves.SETS_ENABLE, bytes([1, 1, 1, 0, 0, 0]))

    def silence(self) -> None:
        """Stop advertising, and forget the set."""
        self.ask(airwaves.SETS_ENABLE, bytes([0, 0]))
        self.ask(airwaves.SET_REMOVE, b"\x01")

    def scan(self, *, active: bool = True, own_type: int = 1, at: int = 0x70) -> None:
        """Begin to scan, under an address of its own."""
        self.ask(airwaves.SET_RANDOM_ADDRESS, address(at))
        self.ask(airwaves.EXTENDED_SCAN_PARAMETERS, struct.pack("<BBBBHH", own_type, 0, 1, active, 18, 18))
        self.ask(airwaves.EXTENDED_SCAN_ENABLE, b"\x01\x00" + bytes(4))

    def deafen(self) -> None:
        """Stop scanning."""
        self.ask(airwaves.EXTENDED_SCAN_ENABLE, b"\x00\x00" + bytes(4))


def seen(snoop: Snoop) -> Seen:
    """What was on air in a recording."""
    waves = Airwaves()
    for exchange in exchanges(snoop.stream(), 0):
        waves.take(exchange)
    return waves.seen


@pytest.mark.parametrize("active", [True, False])
def test_clean_rotations_of_a_legacy_controller(active: bool) -> None:  # noqa: FBT001  parametrized
    """The scan has the address of the advertisement beside it, and changes with it."""
    snoop = Legacy()
    for number in range(3):
        snoop.advertise(number)
        snoop.scan(active=active)
        snoop.deafen()
        snoop.silence()
    found = seen(snoop)
    assert (len(found.sent_from), len(found.carried), found.linked, found.staying) == (3, 3, 0, set())
    assert len(found.beside) == (3 if active else 0)


def test_clean_rotations_of_an_extended_controller() -> None:
    """The scan has another address than the advertisement, and a new one for each ID."""
    snoop = Extended()
    for number in range(3):
        snoop.scan(at=0x70 + number)
        snoop.advertise(number)
        snoop.deafen()
        snoop.silence()
    found = seen(snoop)
    assert (len(found.sent_from), len(found.carried), len(found.beside)) == (3, 3, 3)
    assert (found.linked, found.staying) == (0, set())


def test_a_scan_that_keeps_its_address_links() -> None:
    """With extended advertising, requests under one address beside two IDs."""
    snoop = Extended()
    for number in range(2):
        snoop.advertise(number)
        snoop.scan(at=0x70)
        snoop.deafen()
        snoop.silence()
    assert seen(snoop).linked == 1


@pytest.mark.parametrize("kind", [Legacy, Extended])
@pytest.mark.parametrize("own_type", [0, 2])
def test_public_adverts_are_found(kind: type[Legacy | Extended], own_type: int) -> None:
    """Own address type public, or resolvable with the public one behind it."""
    snoop = kind()
    snoop.advertise(1, own_type=own_type)
    found = seen(snoop)
    assert found.staying == {"adverts"}
    assert set(found.carried) == {PUBLIC}


@pytest.mark.parametrize("kind", [Legacy, Extended])
def test_public_scan_requests_are_found(kind: type[Legacy | Extended]) -> None:
    """As Linux scans when the controller refused the random address; a passive scan sends none."""
    for active in (True, False):
        snoop = kind()
        snoop.ask(airwaves.SET_RANDOM_ADDRESS, address(9), status=DISALLOWED)
        snoop.scan(active=active, own_type=0)
        found = seen(snoop)
        assert found.staying == ({"scan requests"} if active else set())
        assert found.failed == {(airwaves.SET_RANDOM_ADDRESS, DISALLOWED): 1}


def test_a_static_address_stays_too() -> None:
    """Its two highest bits tell; it is random by name only."""
    snoop = Legacy()
    snoop.ask(airwaves.SET_RANDOM_ADDRESS, bytes([1, 2, 3, 4, 5, 0xC6]))
    snoop.scan()
    assert seen(snoop).staying == {"scan requests"}


@pytest.mark.parametrize("kind", [Legacy, Extended])
def test_an_address_that_outlives_its_id_links(kind: type[Legacy | Extended]) -> None:
    """Two IDs from one address, and one ID from two addresses."""
    snoop = kind()
    for number, at in ((1, 7), (2, 7)):
        snoop.advertise(number, at=at)
        snoop.silence()
    assert seen(snoop).linked == 1
    snoop = kind()
    for number, at in ((1, 7), (1, 8)):
        snoop.advertise(number, at=at)
        snoop.silence()
    assert seen(snoop).linked == 1


def test_data_that_change_while_on_air_are_seen() -> None:
    """In-place updates put the new ID on the old address for an instant."""
    snoop = Legacy()
    snoop.advertise(1)
    snoop.ask(airwaves.ADVERTISING_DATA, bytes([28]) + payload(2) + bytes(3))
    assert seen(snoop).linked == 1


def test_what_failed_changed_nothing() -> None:
    """A refused address leaves the old one, a refused start nothing on air; both are counted."""
    snoop = Legacy()
    snoop.advertise(1)
    snoop.silence()
    snoop.ask(airwaves.ADVERTISING_DATA, bytes([31]) + (FLAGS + payload(2)).ljust(31, b"\0"))
    snoop.ask(airwaves.SET_RANDOM_ADDRESS, address(2), status=DISALLOWED)
    snoop.ask(airwaves.ADVERTISING_ENABLE, b"\x01", status=DISALLOWED)
    found = seen(snoop)
    assert (len(found.sent_from), found.failed.total()) == (1, 2)


def test_reset_and_power_off_end_everything() -> None:
    """What was on air before is not beside what comes after."""
    for kind in (None, 9):
        snoop = Legacy()
        snoop.advertise(1)
        snoop.scan()
        if kind is None:
            snoop.ask(airwaves.RESET, b"")
        else:
            snoop.record(kind, b"")
        snoop.advertise(2)
        found = seen(snoop)
        assert (len(found.sent_from), found.linked) == (2, 0)


def test_an_empty_advertisement_is_no_id() -> None:
    """Flags alone, as the radio's first registration leaves them to the kernel."""
    snoop = Legacy()
    for at in (1, 2):
        snoop.ask(airwaves.SET_RANDOM_ADDRESS, address(at))
        snoop.ask(airwaves.ADVERTISING_DATA, bytes([3]) + FLAGS.ljust(31, b"\0"))
        snoop.ask(airwaves.ADVERTISING_PARAMETERS, struct.pack("<HHBBB6sBB", 160, 160, 3, 1, 0, bytes(6), 7, 0))
        snoop.ask(airwaves.ADVERTISING_ENABLE, b"\x01")
        snoop.ask(airwaves.ADVERTISING_ENABLE, b"\x00")
    assert not seen(snoop).sent_from


def test_the_firmware_is_told_without_an_address() -> None:
    """Maker, versions and subversion, from Read Local Version Information."""
    snoop, waves = Snoop(), Airwaves()
    snoop.ask(airwaves.READ_VERSION, b"", returned=struct.pack("<BHBHH", 9, 0x17A, 9, 15, 0x6119))
    for exchange in exchanges(snoop.stream(), 0):
        waves.take(exchange)
    assert waves.firmware == "maker 15, HCI 9, LMP 9 subversion 0x6119"


_OPCODES = [
    value for name, value in vars(airwaves).items() if name.isupper() and isinstance(value, int) and value > 255
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_OPCODES), st.binary(max_size=40), st.integers(0, 1))))
def test_any_parameters_do(commands: list[tuple[int, bytes, int]]) -> None:
    """Commands that are too short, too long or senseless are no error."""
    snoop = Snoop()
    for opcode, parameters, status in commands:
        snoop.ask(opcode, parameters, status, parameters)
    assert seen(snoop).linked >= 0
