# SPDX-License-Identifier: Apache-2.0
"""Scanning through bleak, against the fake BlueZ: what is asked for, what is handed on, what is dropped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dbus_fast import Variant

from bzd.clock import FixedClock
from bzd.errors import BusError, RadioError
from bzd.model import Advertisement
from bzd.protocols import ad, recognise
from bzd.radio.bus import Bus
from bzd.radio.scanner import PATTERNS_MAX, Scanner, forget_sessions, patterns, services

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez

_UUID = ad.uuid_16(0xFD6F)
_ADDRESS = "3A:00:00:00:00:01"
_NOW = 1_728_043_200.5


def _ignore(*_: Any) -> None:
    """For callbacks that a test does not look at."""


async def _listening(bluez: FakeBluez, mode: str, heard: list[Advertisement]) -> tuple[Scanner, Bus]:
    bus = Bus(_ignore)
    await bluez.start()
    await bus.connect(_ignore)
    scanner = Scanner(bus, "hci0", FixedClock(_NOW), heard.append)
    await scanner.start(mode)
    return scanner, bus


async def _end(scanner: Scanner, bus: Bus, bluez: FakeBluez) -> None:
    await scanner.stop()
    await bluez.stop()
    bus.close()


def test_every_protocol_is_listened_for() -> None:
    """The services of all protocols, without a list of them in the scanner."""
    assert set(services()) >= {ad.uuid_16(0xFD6F), ad.uuid_16(0x4E56), ad.uuid_16(0xFD68)}


def test_the_passive_mode_matches_no_more_than_bluetoothd_survives() -> None:
    """An eighth pattern kills it; every protocol is among the seven, and the flags of GAEN, which newer BlueZ needs."""
    matched = {(pattern.ad_data_type, pattern.content_of_pattern) for pattern in patterns()}
    assert len(patterns()) <= PATTERNS_MAX == 7
    assert {(ad.FLAGS, b"\x1a"), (ad.SERVICE_DATA_16, b"\x6f\xfd"), (ad.SERVICE_DATA_16, b"\x68\xfd")} <= matched
    assert ad.MANUFACTURER_DATA in {kind for kind, _ in matched}


def test_full_mode_registers_the_monitor_first_and_filters(system_bus: SystemBus) -> None:
    """The order makes the kernel drop the duplicate filter, the filter makes bluetoothd tell every RSSI."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        scanner, bus = await _listening(bluez, "full", [])
        assert bluez.log == ["RegisterMonitor", "SetDiscoveryFilter", "StartDiscovery"]
        (wanted,) = bluez.filters.values()
        assert wanted["RSSI"] == -127
        assert wanted["DuplicateData"] is True
        assert wanted["Transport"] == "le"
        assert set(wanted["UUIDs"]) == set(services())
        ((((_, kind, pattern),),),) = bluez.monitors.values()
        assert kind == ad.MANUFACTURER_DATA
        assert pattern.startswith(b"\xff\xff")
        assert scanner.running
        await _end(scanner, bus, bluez)

    run(scenario)


@pytest.mark.parametrize(("modalias", "named"), [("d0557", False), ("d0556", True), ("d0558", True)])
def test_no_service_is_named_to_a_bluetoothd_that_dies_of_it(
    system_bus: SystemBus,
    modalias: str,
    named: bool,  # noqa: FBT001  parametrized
) -> None:
    """bluez#2282: 5.87 crashes at the first advertisement; RSSI and DuplicateData are asked for all the same."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        bluez.adapter["Modalias"] = ("s", f"usb:v1D6Bp0246{modalias}")
        scanner, bus = await _listening(bluez, "full", heard)
        (wanted,) = bluez.filters.values()
        assert ("UUIDs" in wanted) == named
        assert (wanted["RSSI"], wanted["DuplicateData"]) == (-127, True)
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        await until(lambda: heard)
        await _end(scanner, bus, bluez)

    run(scenario)


def test_stopping_leaves_nothing(system_bus: SystemBus) -> None:
    """Neither discovery nor monitor; again is harmless, and it can be started again."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        scanner, bus = await _listening(bluez, "full", [])
        for _ in range(2):
            await scanner.stop()
            assert not bluez.monitors
            assert not bluez.discovering
            await scanner.stop()
            await scanner.start("active")
        assert scanner.counts.restarts == 3
        await _end(scanner, bus, bluez)

    run(scenario)


def test_reports_are_handed_on_whole(system_bus: SystemBus) -> None:
    """Each report once: time, address, its type, RSSI, and the advertising data as it was on air."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "full", heard)
        flags = {"AdvertisingFlags": Variant("ay", b"\x1a")}
        for number in range(5):
            bluez.report(_ADDRESS, -60 - number % 2, {_UUID: bytes(range(20))}, **flags)
        await until(lambda: len(heard) == 5)
        on_air = bytes.fromhex("02011a03036ffd17166ffd") + bytes(range(20))
        assert [report.rssi for report in heard] == [-60, -61, -60, -61, -60]
        assert {report[:3] + report[4:] for report in heard} == {(_NOW, _ADDRESS, "random", on_air, None)}
        assert recognise(heard[0].data)[0].protocol == "gaen"
        assert scanner.counts.reports == 5
        await _end(scanner, bus, bluez)

    run(scenario)


def test_what_was_not_received_is_dropped_and_counted(system_bus: SystemBus) -> None:
    """BlueZ forgets the RSSI at the end of a scan and changes other properties: bleak calls back with old data."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "active", heard)
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        bluez.change_device(_ADDRESS, {"Connected": Variant("b", True)}, [])
        bluez.change_device(_ADDRESS, {"RSSI": Variant("n", -40)}, [])
        bluez.change_device(_ADDRESS, {}, ["RSSI"])
        bluez.report(_ADDRESS, -61, {_UUID: b"\x01" * 20})
        bluez.report("3A:00:00:00:00:02", -62, {_UUID: bytes(20)}, ManufacturerData=Variant("a{qv}", {}))
        await until(lambda: len(heard) == 3)
        assert [report.rssi for report in heard] == [-60, -61, -62]
        assert (scanner.counts.phantom, scanner.counts.cached, scanner.counts.reports) == (1, 2, 3)
        await _end(scanner, bus, bluez)

    run(scenario)


def test_data_that_cannot_be_on_air_is_counted(system_bus: SystemBus) -> None:
    """A part too long for an AD structure neither raises nor ends the scan."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "active", heard)
        bluez.report(_ADDRESS, -60, {_UUID: bytes(300)})
        bluez.report("3A:00:00:00:00:02", -60, {_UUID: bytes(20)})
        await until(lambda: heard)
        assert scanner.counts.malformed == 1
        await _end(scanner, bus, bluez)

    run(scenario)


def test_passive_mode_hears_changes_of_rssi_alone(system_bus: SystemBus) -> None:
    """There BlueZ signals service data only when it changes, so that a change of RSSI is a report."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "passive", heard)
        assert bluez.log == ["RegisterMonitor"]
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        bluez.change_device(_ADDRESS, {"RSSI": Variant("n", -70)}, [])
        await until(lambda: len(heard) == 2)
        assert [report.rssi for report in heard] == [-60, -70]
        await _end(scanner, bus, bluez)

    run(scenario)


def test_passive_mode_takes_no_other_change_for_a_report(system_bus: SystemBus) -> None:
    """A name, a connection: bleak calls back with the payload and RSSI of before. An RSSI that is back is a report."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "passive", heard)
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        for number in range(5):
            bluez.change_device(_ADDRESS, {"Connected": Variant("b", number % 2 == 0)}, [])
            bluez.change_device(_ADDRESS, {"Name": Variant("s", f"name {number}")}, [])
        bluez.change_device(_ADDRESS, {"ServiceData": Variant("a{sv}", {_UUID: Variant("ay", b"\x01" * 20)})}, [])
        bluez.change_device(_ADDRESS, {}, ["RSSI"])
        bluez.change_device(_ADDRESS, {"RSSI": Variant("n", -60)}, [])
        await until(lambda: len(heard) == 3)
        assert [(report.rssi, report.data[-1]) for report in heard] == [(-60, 0), (-60, 1), (-60, 1)]
        assert (scanner.counts.phantom, scanner.counts.cached, scanner.counts.reports) == (1, 10, 3)
        await _end(scanner, bus, bluez)

    run(scenario)


@pytest.mark.parametrize("mode", ["full", "active", "passive"])
@pytest.mark.parametrize("connection", ["the same", "another"])
def test_what_was_received_before_a_scan_is_no_report_of_it(system_bus: SystemBus, mode: str, connection: str) -> None:
    """Bleak and BlueZ keep devices over a stop: a change without a payload says nothing new; a report does at once."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, mode, heard)
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        await until(lambda: len(heard) == 1)
        await scanner.stop()
        if connection == "another":
            forget_sessions()
        await scanner.start(mode)
        bluez.change_device(_ADDRESS, {"Connected": Variant("b", True)}, [])
        bluez.report(_ADDRESS, -61, {_UUID: bytes(20)})
        await until(lambda: len(heard) == 2)
        assert [report.rssi for report in heard] == [-60, -61]
        assert heard[0].data == heard[1].data
        assert (scanner.counts.cached, scanner.counts.malformed) == (1, 0)
        await _end(scanner, bus, bluez)

    run(scenario)


def test_a_device_that_changed_between_two_scans_is_told_from_before(system_bus: SystemBus) -> None:
    """Another program's scan heard it meanwhile: that payload is not a report of ours, and the RSSI was forgotten."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "passive", heard)
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        await until(lambda: len(heard) == 1)
        await scanner.stop()
        bluez.report(_ADDRESS, -50, {_UUID: b"\x01" * 20})
        bluez.change_device(_ADDRESS, {}, ["RSSI"])
        await asyncio.sleep(0.1)
        await scanner.start("passive")
        bluez.change_device(_ADDRESS, {"RSSI": Variant("n", -60)}, [])
        await until(lambda: len(heard) == 2)
        assert (heard[1].rssi, heard[1].data[-1]) == (-60, 1)
        await _end(scanner, bus, bluez)

    run(scenario)


@pytest.mark.parametrize("cause", ["NoReply", "UnknownObject"])
def test_no_answer_is_no_answer(system_bus: SystemBus, cause: str) -> None:
    """Whether there are monitors is known only from an answer: that there is no such interface."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        scanner, bus = await _listening(bluez, "active", [])
        bluez.refuse["GetAll AdvertisementMonitorManager1"] = f"org.freedesktop.DBus.Error.{cause}"
        with pytest.raises(BusError, match=cause):
            await scanner.best_mode()
        for absent in ("UnknownInterface", "UnknownMethod", "InvalidArgs"):
            bluez.refuse["GetAll AdvertisementMonitorManager1"] = f"org.freedesktop.DBus.Error.{absent}"
            assert await scanner.best_mode() == "active"
        await _end(scanner, bus, bluez)

    run(scenario)


def test_a_monitor_whose_answer_was_lost_is_registered_anew(system_bus: SystemBus) -> None:
    """Bluetoothd says AlreadyExists, of one that it may have found empty."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        scanner, bus = await _listening(bluez, "full", [])
        ((owner, _),) = bluez.monitors.items()
        bluez.monitors[owner] = []
        scanner.abandon()
        await scanner.start("full")
        assert [len(patterns) for patterns in bluez.monitors.values()] == [1]
        await _end(scanner, bus, bluez)

    run(scenario)


def test_the_best_mode_depends_on_bluetoothd(system_bus: SystemBus) -> None:
    """Full with the experimental monitors, else active; full without them says what to set."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        scanner, bus = await _listening(bluez, "active", [])
        assert await scanner.best_mode() == "full"
        bluez.monitors_offered = False
        assert await scanner.best_mode() == "active"
        await scanner.stop()
        with pytest.raises(RadioError) as error:
            await scanner.start("full")
        assert "Experimental = true" in error.value.hint
        await _end(scanner, bus, bluez)

    run(scenario)


def test_a_start_that_fails_leaves_nothing_behind(system_bus: SystemBus) -> None:
    """The monitor is taken back and the reason told; after three InProgress another connection is tried."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "active", heard)
        await scanner.stop()
        bluez.refuse["StartDiscovery"] = "org.bluez.Error.InProgress"
        ((client, _),) = bluez.filters.items()
        for _ in range(3):
            with pytest.raises(RadioError, match=r"cannot start.*InProgress"):
                await scanner.start("full")
            assert list(bluez.filters) == [client]
        assert not bluez.monitors
        assert not scanner.running
        bluez.refuse.clear()
        await scanner.start("full")
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        await until(lambda: len(heard) == 1)
        assert len(bluez.filters) == 2
        await _end(scanner, bus, bluez)

    run(scenario)


def test_a_restart_of_bluetoothd_does_not_break_stopping(system_bus: SystemBus) -> None:
    """Stopping swallows "No discovery started"; a new start hears again, and each report once."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        scanner, bus = await _listening(bluez, "full", heard)
        await bluez.stop()
        await bluez.start()
        await scanner.stop()
        await scanner.start("full")
        bluez.report(_ADDRESS, -60, {_UUID: bytes(20)})
        await until(lambda: heard)
        assert len(heard) == 1
        await _end(scanner, bus, bluez)

    run(scenario)
