# SPDX-License-Identifier: Apache-2.0
"""The live radio against the fake BlueZ: rotations in order, silence where due."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest
from dbus_fast import Variant

from bzd.clock import FixedClock
from bzd.config import load
from bzd.errors import DiskFullError
from bzd.model import Advertisement, DailyKey
from bzd.radio.radio import Radio

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .radio_bed import NOW, UUID, Bed, a_bed


def test_a_rotation_is_stop_unregister_register_start(system_bus: SystemBus) -> None:
    """In this order, with another payload and object each time; nothing is ever aired twice."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            first = ["RegisterAdvertisement", "RegisterMonitor", "SetDiscoveryFilter", "StartDiscovery"]
            assert bed.bluez.log == ["RegisterAdvertisement", "UnregisterAdvertisement", *first]
            for number in range(2, 6):
                bed.bluez.log.clear()
                bed.later(1300)
                bed.radio.rotate()
                await until(partial(bed.has_rotated, number))
                stop = ["StopDiscovery", "SetDiscoveryFilter", "UnregisterMonitor", "UnregisterAdvertisement"]
                assert bed.bluez.log == stop + first
            assert len(set(bed.bluez.aired)) == len(bed.bluez.aired) == 5
            assert bed.radio.state.rotation_gap_s is not None
            assert bed.radio.state.refusals == 0

    run(scenario)


def test_with_extended_advertising_the_scan_begins_before_the_next_id(system_bus: SystemBus) -> None:
    """Only there does the kernel renew the address of scan requests, so that none links two IDs."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(FakeBluez(legacy=False)) as bed:
            await until(partial(bed.has_rotated, 1))
            for number in range(2, 6):
                bed.bluez.log.clear()
                bed.radio.rotate()
                await until(partial(bed.has_rotated, number))
                assert bed.bluez.log[3:] == [
                    *("UnregisterAdvertisement", "RegisterMonitor", "SetDiscoveryFilter", "StartDiscovery"),
                    "RegisterAdvertisement",
                ]
            assert [len(payloads) for payloads in bed.bluez.asked.values()] == [1] * 5
            assert bed.radio.state.rotation_gap_s is not None

    run(scenario)


def test_with_extended_advertising_a_scan_that_failed_begins_with_another_id(
    system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried some times, each with an ID of its own, then left to the next rotation; no request links two."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.speaker.SCAN_RENEWALS", 3)
    monkeypatch.setattr("bzd.radio.recovery.FIRST_RETRY_S", 0.01)
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.02)

    async def scenario() -> None:
        async with a_bed(FakeBluez(legacy=False)) as bed:
            await until(partial(bed.has_rotated, 1))
            bed.bluez.refuse["StartDiscovery"] = "org.bluez.Error.Failed"
            bed.radio.rotate()
            await until(partial(bed.has_registered, 5))
            await asyncio.sleep(0.3)
            assert bed.radio.state.rotations == 5
            assert bed.radio.state.advertising
            assert "scan" in bed.radio.state.troubles
            bed.bluez.refuse.clear()
            await asyncio.sleep(0.1)
            assert not bed.radio.state.scanning
            bed.radio.rotate()
            await until(partial(bed.has_rotated, 6))
            assert not bed.radio.state.troubles
            assert max(len(payloads) for payloads in bed.bluez.asked.values()) == 1

    run(scenario)


def test_with_extended_advertising_a_scan_that_was_refused_for_long_is_back(system_bus: SystemBus) -> None:
    """The tries do not run out before the adapter is switched off and on; within 5 s of its end the radio hears."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(FakeBluez(legacy=False)) as bed:
            await until(partial(bed.has_rotated, 1))
            bed.bluez.refuse["StartDiscovery"] = "org.bluez.Error.InProgress"
            bed.radio.rotate()
            await asyncio.sleep(8)
            assert not bed.radio.state.scanning
            bed.bluez.refuse.clear()
            await bed.up()
            assert max(len(payloads) for payloads in bed.bluez.asked.values()) == 1

    run(scenario)


def test_with_extended_advertising_a_pause_in_listening_links_nothing(system_bus: SystemBus) -> None:
    """Also with a duty cycle, whose scans begin beside an ID that is on air already."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        settings = ("scan.period_s=1.8", "scan.window_s=1")
        async with a_bed(FakeBluez(legacy=False), *settings) as bed:
            await until(partial(bed.has_rotated, 1))
            for number in range(2, 4):
                await until(lambda: not bed.bluez.discovering)
                bed.radio.rotate()
                await until(partial(bed.has_registered, number))
                await until(lambda: not bed.bluez.discovering)
                await until(lambda: bed.bluez.discovering)
            assert [len(payloads) for payloads in bed.bluez.asked.values()] == [1, 1, 1]

    run(scenario)


def test_it_rotates_when_the_schedule_says(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being asked, once the life of the ID is over."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.02)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await asyncio.sleep(0.1)
            assert bed.radio.state.rotations == 1
            bed.later(1201)
            await until(partial(bed.has_rotated, 2))

    run(scenario)


def test_refused_for_ever_is_silence_and_scanning(system_bus: SystemBus, caplog: pytest.LogCaptureFixture) -> None:
    """The old ID does not come back, nothing of the key is used up, scanning goes on, and it is told once."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.refuse["RegisterAdvertisement"] = "org.bluez.Error.Failed"
            bed.radio.rotate()
            await until(lambda: bed.radio.state.refusals >= 3 and bed.radio.state.scanning)
            assert not bed.bluez.adverts
            assert "`sudo bzd doctor`" in bed.radio.state.troubles["advertise"]
            told = [record for record in caplog.records if "silent" in record.getMessage()]
            assert len(told) == 1
            bed.bluez.report("3A:00:00:00:00:01", -50, {UUID: bytes(20)})
            await until(lambda: bed.heard)
            bed.bluez.refuse.clear()
            await bed.up()
            assert len(set(bed.bluez.aired)) == 2
            assert bed.radio.state.troubles == {}

    with caplog.at_level(logging.INFO, "bzd"):
        run(scenario)


def test_pause_leaves_the_air_and_resume_has_another_id(system_bus: SystemBus) -> None:
    """While paused nothing is registered and nothing heard."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.radio.pause()
            await until(bed.off_air)
            assert bed.radio.state.paused
            bed.radio.resume()
            await bed.up()
            assert len(set(bed.bluez.aired)) == 2

    run(scenario)


def test_a_pause_does_not_wait_for_a_slow_bluetoothd(system_bus: SystemBus) -> None:
    """The step that is under way is broken off: to start a scan may take 15 s, with an ID on air; later all is well."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.hang(method="StartDiscovery")
            bed.radio.rotate()
            await until(lambda: bed.has_registered(2) and bool(bed.bluez.hung))
            bed.radio.pause()
            await until(lambda: not bed.bluez.adverts, 2)
            await until(bed.off_air)
            assert bed.radio.state.troubles == {}
            bed.bluez.hang(hanging=False)
            bed.radio.resume()
            await bed.up()
            assert len(set(bed.bluez.aired)) == 3

    run(scenario)


def test_a_key_that_cannot_be_kept_keeps_the_badge_silent(system_bus: SystemBus) -> None:
    """The disk is full: it listens, and does not advertise what nobody could match later."""
    assert system_bus.socket.exists()
    full = [True]

    def keep(_key: DailyKey) -> None:
        if full[0]:
            raise DiskFullError("the disk is full")

    async def scenario() -> None:
        async with a_bed(keep=keep) as bed:
            await until(lambda: "disk is full" in bed.radio.state.troubles.get("advertise", ""))
            assert DiskFullError.hint in bed.radio.state.troubles["advertise"]
            await until(lambda: bed.radio.state.scanning)
            assert not bed.bluez.aired
            full[0] = False
            await bed.up()

    run(scenario)


def test_the_duty_cycle_pauses_scanning_and_not_advertising(system_bus: SystemBus) -> None:
    """A second in each 1.3 to 1.8; between them neither discovery nor monitor is left to cost power."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(None, "scan.period_s=1.8", "scan.window_s=1") as bed:
            await bed.up()
            for _ in range(2):
                await until(lambda: not bed.bluez.discovering and not bed.bluez.monitors)
                assert bed.bluez.adverts
                await until(lambda: bed.bluez.discovering)
            assert bed.radio.state.rotations == 1

    run(scenario)


def test_without_monitors_auto_is_active(system_bus: SystemBus) -> None:
    """As on a bluetoothd without experimental features."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(FakeBluez(monitors_offered=False)) as bed:
            await bed.up()
            assert bed.radio.state.mode == "active"

    run(scenario)


def test_a_refused_monitor_makes_auto_active_until_it_is_not(system_bus: SystemBus) -> None:
    """A kernel may refuse what bluetoothd offers; the full mode is tried anew with each rotation."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.refuse["RegisterMonitor"] = "org.bluez.Error.Failed"
        async with a_bed(bluez) as bed:
            await bed.up()
            modes = [bed.radio.state.mode]
            bluez.refuse.clear()
            bed.radio.rotate()
            await until(partial(bed.has_rotated, 2))
            assert [*modes, bed.radio.state.mode] == ["active", "full"]

    run(scenario)


def test_another_programs_advertisement_is_noticed(system_bus: SystemBus) -> None:
    """It halves how often the rolling ID is sent on a legacy controller."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.other_advertises(1)
            await until(lambda: "another program" in bed.radio.state.troubles.get("slot", ""))
            assert "public address; end it" in bed.radio.state.troubles["slot"]
            assert bed.radio.state.active_instances == 2
            ((client, path),) = bed.bluez.adverts
            await bed.bluez.tell(client, path, "org.freedesktop.DBus.Properties", "Set", tx_power=4)
            assert bed.radio.state.tx_power == 4
            bed.bluez.other_advertises(0)
            await until(lambda: not bed.radio.state.troubles)

    run(scenario)


def test_an_adapter_without_a_place_left_is_told_as_that(system_bus: SystemBus) -> None:
    """Other programs took all of them: it is not the kernel that refuses."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.refuse["RegisterAdvertisement"] = "org.bluez.Error.NotPermitted"
        async with a_bed(bluez) as bed:
            await until(lambda: "other programs" in bed.radio.state.troubles.get("advertise", ""))
            assert "kernel" not in bed.radio.state.troubles["advertise"]
            bluez.refuse.clear()
            await bed.up()

    run(scenario)


def test_ending_takes_less_than_two_seconds_even_if_bluetoothd_hangs(system_bus: SystemBus) -> None:
    """The service has 2 s to stop; BlueZ drops what was registered when the client leaves the bus."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        await bluez.start()
        bed = Bed(bluez, keep=lambda _: None)
        task = asyncio.create_task(bed.radio.run())
        await bed.up()
        bluez.hang()
        began = asyncio.get_running_loop().time()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert asyncio.get_running_loop().time() - began < 2
        await until(lambda: not bluez.adverts)
        await bluez.stop()

    run(scenario)


def test_listening_alone_registers_nothing(system_bus: SystemBus) -> None:
    """Without a broadcast, as for a recording, the adapter may even be discoverable."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez, heard = FakeBluez(), list[Advertisement]()
        bluez.adapter["Discoverable"] = ("b", True)
        await bluez.start()
        radio = Radio(load(None).config, None, heard.append, clock=FixedClock(NOW))
        task = asyncio.create_task(radio.run())
        await until(lambda: radio.state.scanning)
        bluez.report("3A:00:00:00:00:01", -50, {UUID: bytes(20)}, TxPower=Variant("n", 4))
        await until(lambda: heard)
        assert heard[0].tx_power == 4
        assert radio.state.last_heard == NOW
        assert not bluez.aired
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bluez.stop()

    run(scenario)
