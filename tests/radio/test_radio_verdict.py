# SPDX-License-Identifier: Apache-2.0
"""The live radio obeys what was found of it: when it starts, when that changes, and when bluetoothd is another."""

from __future__ import annotations

import asyncio

import pytest

from bzd.radio.setup import Setup
from bzd.radio.verdict import ADVERTISING, Outcome, Verdict

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .radio_bed import NOW, a_bed

LEAKY = {"full": Outcome.LEAKY, "active": Outcome.LEAKY, "passive": Outcome.CLEAN}


class Judge:
    """Has one verdict for every setup, which a test changes."""

    def __init__(self, outcomes: dict[str, Outcome] | None) -> None:
        self.outcomes = outcomes
        self.asked: list[Setup] = []

    def __call__(self, setup: Setup) -> Verdict | None:
        """The verdict."""
        self.asked.append(setup)
        return None if self.outcomes is None else Verdict(setup, NOW, self.outcomes)


def test_a_leaky_radio_scans_passively_or_not_at_all(system_bus: SystemBus) -> None:
    """Where an active scan was seen to show the public address, auto is passive and active is refused."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(judge=Judge(LEAKY)) as bed:
            await bed.up()
            assert (bed.radio.state.mode, bed.radio.state.verdict) == ("passive", "clean")
            assert not bed.bluez.discovering
        async with a_bed(None, "scan.mode=active", judge=Judge(LEAKY)) as bed:
            await until(lambda: "an address" in bed.radio.state.troubles.get("scan", ""))
            assert not bed.bluez.discovering

    run(scenario)


def test_a_monitor_that_is_refused_does_not_make_a_leaky_mode_fit(system_bus: SystemBus) -> None:
    """Auto falls back from full to active only where active is fit."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FakeBluez()
        bluez.refuse["RegisterMonitor"] = "org.bluez.Error.Failed"
        async with a_bed(bluez, judge=Judge({"active": Outcome.LEAKY})) as bed:
            await until(lambda: "no advertisement monitor" in bed.radio.state.troubles.get("scan", ""))
            await asyncio.sleep(0.2)
            assert "StartDiscovery" not in bluez.log
            assert bed.radio.state.advertising

    run(scenario)


def test_a_mode_that_cannot_rotate_is_left_out(system_bus: SystemBus) -> None:
    """Auto takes the next best; where every mode is bad there is no scan, and it is told why."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(judge=Judge({"full": Outcome.LINKED})) as bed:
            await bed.up()
            assert (bed.radio.state.mode, bed.radio.state.verdict) == ("active", None)
        async with a_bed(judge=Judge(dict.fromkeys(LEAKY, Outcome.LINKED))) as bed:
            await until(lambda: "passive cannot change" in bed.radio.state.troubles.get("scan", ""))
            assert bed.radio.state.advertising
            assert not bed.bluez.monitors

    run(scenario)


@pytest.mark.parametrize("outcome", [Outcome.LEAKY, Outcome.LINKED])
def test_a_radio_that_cannot_even_advertise_is_silent(system_bus: SystemBus, outcome: Outcome) -> None:
    """No rolling ID protects anybody beside an address that stays."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(judge=Judge({ADVERTISING: outcome})) as bed:
            await until(lambda: "advertising" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(0.2)
            assert bed.off_air()
            assert not bed.bluez.aired

    run(scenario)


def test_a_new_verdict_is_obeyed_when_it_is_looked_up_again(system_bus: SystemBus) -> None:
    """As at SIGHUP and after a pause: at once, with a rotation; a verdict that says the same costs none."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        judge = Judge(None)
        async with a_bed(judge=judge) as bed:
            await bed.up()
            assert (bed.radio.state.mode, bed.radio.state.verdict) == ("full", None)
            judge.outcomes = LEAKY
            bed.radio.reconsider()
            await until(lambda: bed.on_air() and bed.radio.state.mode == "passive")
            rotations = bed.radio.state.rotations
            judge.outcomes = dict(LEAKY)
            asked = len(judge.asked)
            bed.radio.reconsider()
            await until(lambda: len(judge.asked) > asked)
            await asyncio.sleep(0.2)
            assert bed.radio.state.rotations == rotations
            assert len(set(bed.bluez.aired)) == len(bed.bluez.aired)

    run(scenario)


def test_another_bluetoothd_is_another_setup(system_bus: SystemBus) -> None:
    """It is looked at anew when it comes, since an upgrade restarts it; each setup is asked about once."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        judge = Judge(None)
        bluez = FakeBluez()
        bluez.adapter["Modalias"] = ("s", "usb:v1D6Bp0246d0542")
        async with a_bed(bluez, judge=judge) as bed:
            await bed.up()
            await bluez.stop()
            await until(lambda: "radio" in bed.radio.state.troubles)
            bluez.adapter["Modalias"] = ("s", "usb:v1D6Bp0246d0552")
            await bluez.start()
            await bed.up()
            assert [setup.bluez for setup in judge.asked] == ["5.66", "5.82"]

    run(scenario)
