# SPDX-License-Identifier: Apache-2.0
"""The listening half of the radio: a scan that is stuck is mended, one that hangs is left, and no mode is lost."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .radio_bed import UUID, Bed, a_bed

_ADDRESS = "3A:00:00:00:00:01"


async def _hears(bed: Bed) -> None:
    """Wait until reports reach it again."""
    heard = len(bed.heard)

    def reported() -> bool:
        bed.bluez.report(_ADDRESS, -50, {UUID: bytes(20)})
        return len(bed.heard) > heard

    await until(reported)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_discovery_that_bluetoothd_is_stuck_in_is_ended(
    system_bus: SystemBus,
    monkeypatch: pytest.MonkeyPatch,
    legacy: bool,  # noqa: FBT001  parametrized
) -> None:
    """bluez#807: StartDiscovery succeeds and hears nothing; told, and mended by one reset after its minute."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.reset.STUCK_S", 1.0)
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.05)

    async def scenario() -> None:
        async with a_bed(FakeBluez(legacy=legacy)) as bed:
            await bed.up()
            await _hears(bed)
            bed.bluez.wedged = True
            bed.radio.rotate()
            await until(lambda: "stuck" in bed.radio.state.troubles.get("scan", ""))
            began = time.monotonic()
            assert bed.radio.state.scanning
            await until(lambda: bed.bluez.switched == [False, True])
            assert time.monotonic() - began == pytest.approx(1.0, abs=0.9)
            await until(lambda: bed.on_air() and not bed.radio.state.troubles)
            await _hears(bed)
            await asyncio.sleep(1.5)
            assert bed.bluez.switched == [False, True]
            assert len(set(bed.bluez.aired)) == len(bed.bluez.aired)

    run(scenario)


def test_a_scan_that_hears_is_not_stuck(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StopDiscovery answered InProgress that did no harm costs no reset: the first report tells."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.reset.STUCK_S", 1.0)
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.05)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.wedged = True
            bed.radio.rotate()
            await until(lambda: "stuck" in bed.radio.state.troubles.get("scan", ""))
            bed.bluez.wedged = False
            await _hears(bed)
            assert not bed.radio.state.troubles
            await asyncio.sleep(1.5)
            assert not bed.bluez.switched

    run(scenario)


def test_an_answer_that_was_lost_does_not_cost_the_full_mode(system_bus: SystemBus) -> None:
    """Whether there are monitors is asked again, not taken for a no."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.refuse["GetAll AdvertisementMonitorManager1"] = "org.freedesktop.DBus.Error.NoReply"
        async with a_bed(bluez) as bed:
            await until(lambda: "NoReply" in bed.radio.state.troubles.get("scan", ""))
            bluez.refuse.clear()
            await bed.up()
            assert bed.radio.state.mode == "full"

    run(scenario)


@pytest.mark.parametrize("method", ["StartDiscovery", "StopDiscovery", "RegisterMonitor", "UnregisterMonitor"])
def test_ending_waits_for_no_bluetoothd_that_hangs(system_bus: SystemBus, method: str) -> None:
    """Whatever the step waits for: SIGTERM has 2 s, and the process is off the bus by then."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.hang(method=method)
            bed.radio.rotate()
            await until(lambda: bed.bluez.hung)
            bed.bluez.hang()
            began = time.monotonic()
            await bed.end()
            assert time.monotonic() - began < 2.0
            bed.bluez.hang(hanging=False)

    run(scenario)


def test_a_start_that_was_cut_off_is_taken_back(system_bus: SystemBus) -> None:
    """A pause cuts a step short while bluetoothd hangs; what bluetoothd did all the same is undone, and begun anew."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            bed.bluez.hang(method="StartDiscovery")
            bed.radio.rotate()
            await until(lambda: bed.bluez.hung)
            assert bed.bluez.monitors
            bed.bluez.discovering.update(bed.bluez.filters)  # it does as it was asked, only the answer is missing
            bed.radio.pause()
            await until(bed.off_air)
            bed.bluez.hang(hanging=False)
            bed.radio.resume()
            await until(partial(_is_full, bed))

    run(scenario)


def _is_full(bed: Bed) -> bool:
    return bed.on_air() and bed.radio.state.mode == "full" and bool(bed.bluez.monitors)
