# SPDX-License-Identifier: Apache-2.0
"""The live radio against the fake BlueZ: back, whatever happened."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .radio_bed import UUID, a_bed


def test_back_after_bluetoothd_was_killed(system_bus: SystemBus) -> None:
    """With a fresh ID, hearing again; the loss is counted and shown while it lasts."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.stop()
            await until(lambda: "bluetoothd is not running" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(1)
            assert not system_bus.activated.exists(), "whoever stopped it meant it"
            await bed.bluez.start()
            await bed.up()
            bed.bluez.report("3A:00:00:00:00:01", -50, {UUID: bytes(20)})
            await until(lambda: bed.heard)
            assert len(bed.heard) == 1
            assert len(set(bed.bluez.aired)) == len(bed.bluez.aired) == 2
            assert bed.radio.state.restarts == 1

    run(scenario)


def test_a_bluetoothd_that_is_stopped_in_the_middle_of_a_rotation(system_bus: SystemBus) -> None:
    """It is missed at once, and not started again by a scan that would have been next."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(FakeBluez(legacy=False)) as bed:
            await until(partial(bed.has_rotated, 1))
            bed.bluez.hang(method="RegisterAdvertisement")
            bed.radio.rotate()
            await until(lambda: bed.bluez.hung)
            await bed.bluez.stop()
            await until(lambda: "bluetoothd is not running" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(0.5)
            assert not system_bus.activated.exists()

    run(scenario)


def test_a_bluetoothd_that_crashed_is_started(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute; Debian's unit does not restart it, and a badge is left alone."""
    monkeypatch.setattr("bzd.radio.watch.REVIVE_AFTER_S", 1.0)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.stop()
            await until(system_bus.activated.exists, 10)
            await bed.bluez.start()
            await bed.up()

    run(scenario)


def test_what_an_earlier_run_left_in_the_kernel_is_cleared(system_bus: SystemBus) -> None:
    """It ended while the adapter was off; the first ID of this run must not come to be on that one's address."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.kernel["gone", "/gone"] = b"an ID of yesterday"
        async with a_bed(bluez) as bed:
            await bed.up()
            assert not bluez.linked
            assert list(bluez.kernel.values()) == bluez.aired

    run(scenario)


def test_an_adapter_that_is_unplugged_and_comes_back(system_bus: SystemBus) -> None:
    """It is missed, named, and used again."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.unplug()
            await until(lambda: "no adapter hci0" in bed.radio.state.troubles.get("radio", ""))
            bed.bluez.plug()
            await bed.up()

    run(scenario)


def test_a_start_without_bus_bluetoothd_and_adapter(system_bus: SystemBus) -> None:
    """A Pi whose controller comes late: the radio waits for each of them, and does not fail."""
    system_bus.stop()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.present = False
        async with a_bed(bluez, started=False) as bed:
            await until(lambda: "bus" in bed.radio.state.troubles.get("radio", ""))
            system_bus.start()
            await until(lambda: "bluetoothd is not running" in bed.radio.state.troubles["radio"])
            await bluez.start()
            await until(lambda: "no adapter" in bed.radio.state.troubles["radio"])
            bluez.plug()
            await bed.up()

    run(scenario)


def test_back_after_the_bus_was_restarted(system_bus: SystemBus) -> None:
    """dbus-daemon takes bluetoothd and both connections with it; all of it is made anew."""

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            system_bus.stop()
            await until(lambda: "bus" in bed.radio.state.troubles.get("radio", ""))
            bed.bluez.__init__()  # type: ignore[misc]  # a fresh bluetoothd, as systemd starts with the bus
            system_bus.start()
            await bed.bluez.start()
            await bed.up()
            bed.bluez.report("3A:00:00:00:00:01", -50, {UUID: bytes(20)})
            await until(lambda: bed.heard)

    run(scenario)


def test_a_discoverable_adapter_is_left_at_once(system_bus: SystemBus) -> None:
    """Discoverable advertising shows the public address; the badge goes silent and says why, until it is over."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.set_adapter(Discoverable=True)
            await until(lambda: bed.off_air() and "discoverable" in bed.radio.state.troubles.get("radio", ""))
            bed.bluez.set_adapter(Discoverable=False)
            await bed.up()
            assert len(set(bed.bluez.aired)) == 2

    run(scenario)


@pytest.mark.parametrize(
    ("unfit", "fit", "trouble"),
    [
        ({"PowerState": "off-blocked"}, {"PowerState": "on"}, "rfkill"),
        ({"Discoverable": True}, {"Discoverable": False}, "discoverable"),
        ({"Connectable": True}, {"Connectable": False}, "connectable"),
    ],
)
def test_an_adapter_that_became_fit_is_used_before_the_next_try_is_due(
    system_bus: SystemBus,
    monkeypatch: pytest.MonkeyPatch,
    unfit: dict[str, Any],
    fit: dict[str, Any],
    trouble: str,
) -> None:
    """BlueZ tells Powered before PowerState, so each property that mended the trouble is reason enough by itself."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.recovery.FIRST_RETRY_S", 60.0)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.set_adapter(**unfit)
            await until(lambda: trouble in bed.radio.state.troubles.get("radio", ""))
            await until(bed.off_air)
            bed.bluez.set_adapter(**fit)
            await bed.up()

    run(scenario)


def test_an_advertisement_that_bluez_gave_up_is_replaced(system_bus: SystemBus) -> None:
    """BlueZ says so with Release; it may revive the ID, so another one takes its place."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            ((client, path),) = bed.bluez.adverts
            await bed.bluez.tell(client, path, "org.bluez.LEAdvertisement1", "Release")
            await until(partial(bed.has_rotated, 2))
            assert (client, path) not in bed.bluez.adverts
            assert len(set(bed.bluez.aired)) == 2

    run(scenario)


def test_a_step_that_hangs_is_broken_off(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bluetoothd that answers nothing: the heart goes on, it is told, and the badge is back when it answers again."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.radio.STEP_MAX_S", 0.3)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.hang()
            bed.radio.rotate()
            for _ in range(3):
                stepped = bed.radio.state.stepped
                await until(partial(bed.has_stepped, stepped))
            await until(lambda: "too long" in bed.radio.state.troubles.get("radio", ""))
            await bed.bluez.stop()
            bed.bluez.hang(hanging=False)
            monkeypatch.setattr("bzd.radio.radio.STEP_MAX_S", 45.0)
            await bed.bluez.start()
            await bed.up()
            assert len(set(bed.bluez.aired)) == len(bed.bluez.aired)

    run(scenario)


def test_start_discovery_in_progress_is_outlived(system_bus: SystemBus) -> None:
    """Advertising goes on meanwhile; within 5 s of its end the radio hears again."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.refuse["StartDiscovery"] = "org.bluez.Error.InProgress"
        async with a_bed(bluez) as bed:
            await until(lambda: "InProgress" in bed.radio.state.troubles.get("scan", ""))
            await until(lambda: bed.radio.state.advertising)
            bluez.refuse.clear()
            await bed.up()

    run(scenario)


def test_a_discovery_that_ended_by_itself_is_begun_again(
    system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter's Discovering tells it, without any silence to be waited out."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.listener.DEAF_S", 0.1)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.end_discovery()
            await until(lambda: bed.bluez.discovering and bed.radio.state.scan.restarts > 1)
            assert bed.radio.state.scan.restarts == 2
            assert bed.radio.state.rotations == 1

    run(scenario)


def test_long_silence_restarts_the_scan_ever_more_rarely(
    system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody near is normal, so the patience doubles; whatever is heard resets it."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.listener.SILENCE_S", 0.2)
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.02)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await until(lambda: bed.radio.state.scan.restarts == 3)
            assert bed.radio._listener._silence.limit_s == pytest.approx(0.8)
            bed.bluez.report("3A:00:00:00:00:01", -50, {UUID: bytes(20)})
            await until(lambda: bed.heard)
            assert bed.radio._listener._silence.limit_s == pytest.approx(0.2)

    run(scenario)


def test_a_pause_does_not_wait_for_the_next_try(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a step that hung the next is due in a minute, and what is on air then is taken off it at once."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.radio.STEP_MAX_S", 0.3)
    monkeypatch.setattr("bzd.radio.recovery.FIRST_RETRY_S", 60.0)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.hang()
            bed.radio.rotate()
            await until(lambda: "too long" in bed.radio.state.troubles.get("radio", ""))
            bed.bluez.hang(hanging=False)
            assert bed.bluez.adverts
            bed.radio.pause()
            await until(lambda: bed.off_air() and bed.radio.state.off_air)

    run(scenario)
