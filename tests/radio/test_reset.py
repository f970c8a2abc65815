# SPDX-License-Identifier: Apache-2.0
"""Switching the adapter off and on: when, when not, and that it never stays off."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from dbus_fast import Message, Variant

from bzd.radio.bus import Bus
from bzd.radio.reset import SILENT_MAX_S, SILENT_S, STUCK_MAX_S, STUCK_S, Reset

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .fake_devices import PATH
from .radio_bed import UUID, Bed, a_bed


class SlowBluez(FakeBluez):
    """Takes `switch_s` seconds to switch the adapter, and is busy for whoever else would; as bluetoothd is."""

    def __init__(self) -> None:
        super().__init__()
        self.switch_s = 0.0
        self.switching = False

    def _set(self, message: Message) -> Any:
        if message.body[1] != "Powered":
            return super()._set(message)
        if self.switching:
            return Message.new_error(message, "org.bluez.Error.Busy", "it is being switched")
        self.switching = True
        asyncio.get_running_loop().call_later(self.switch_s, self._switched, message)
        return True

    def _switched(self, message: Message) -> None:
        self.switching = False
        self.bus.send(super()._set(message))


def _reset() -> Reset:
    """One that has seen all well."""
    reset = Reset(Bus(lambda _: None), PATH)
    assert not reset.reason(-1.0, stuck=False, silent_since=None)
    return reset


def test_what_a_former_bluetoothd_left_is_ended_at_once_and_only_once() -> None:
    """The first refusal after a loss is reason enough, the second waits its minute; without a loss the first does."""
    reset = _reset()
    assert not reset.reason(0.0, stuck=True, silent_since=None)
    reset.bluetoothd_lost()
    assert "former bluetoothd" in reset.reason(1.0, stuck=True, silent_since=None)
    reset.spend(1.0)
    assert not reset.reason(2.0, stuck=True, silent_since=None)
    reset.bluetoothd_lost()
    assert not reset.reason(3.0, stuck=False, silent_since=None)
    assert not reset.reason(4.0, stuck=True, silent_since=None)


@pytest.mark.parametrize(("first", "longest", "stuck"), [(STUCK_S, STUCK_MAX_S, True), (SILENT_S, SILENT_MAX_S, False)])
def test_it_comes_ever_more_rarely(first: float, longest: float, stuck: bool) -> None:  # noqa: FBT001  parametrized
    """Over a month of refusals, or of silence: each wait twice the one before, up to the longest."""
    reset, times, step = _reset(), [0.0], 30.0
    for turn in range(int(30 * 86400 / step)):
        now = turn * step
        if reset.reason(now, stuck=stuck, silent_since=0.0 if not stuck else now):
            reset.spend(now)
            times.append(now)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[0] == pytest.approx(first, abs=2 * step)
    assert all(later >= earlier - 2 * step for earlier, later in pairwise(waits))
    assert waits[-1] == pytest.approx(longest, abs=2 * step)
    assert len(times) < 130


def test_whatever_is_heard_makes_it_patient_again() -> None:
    """After a day of silence and one report, it is four hours again."""
    reset = _reset()
    for now in range(0, 86400, 60):
        if reset.reason(float(now), stuck=False, silent_since=0.0):
            reset.spend(float(now))
    assert not reset.reason(90_000 + SILENT_S - 1, stuck=False, silent_since=90_000.0)
    assert reset.reason(90_000 + SILENT_S, stuck=False, silent_since=90_000.0)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_kernel_that_is_busy_is_switched_off_and_on(
    system_bus: SystemBus,
    caplog: pytest.LogCaptureFixture,
    legacy: bool,  # noqa: FBT001  parametrized
) -> None:
    """After bluetoothd died without a word: back at once, told once, no ID revived and none linked."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(FakeBluez(legacy=legacy)) as bed:
            await until(partial(bed.has_rotated, 1))
            await bed.bluez.stop()
            await until(lambda: "radio" in bed.radio.state.troubles)
            bed.bluez.busy = True
            await bed.bluez.start()
            await until(lambda: bed.on_air() and not bed.radio.state.troubles)
            assert bed.bluez.switched == [False, True]
            assert bed.radio.state.resets == 1
            assert len(set(bed.bluez.aired)) == len(bed.bluez.aired)
            assert not bed.bluez.linked
            assert bed.bluez.aired_while_busy == 0
            await asyncio.sleep(0.2)
            assert bed.bluez.switched == [False, True]

    with caplog.at_level(logging.INFO, "bzd"):
        run(scenario)
    assert [record.getMessage() for record in caplog.records if "switching" in record.getMessage()] == [
        "switching adapter hci0 off and on: the kernel is still busy with what the former bluetoothd began"
    ]


@pytest.mark.parametrize("other", ["a device", "an advertisement", "a discovery"])
def test_an_adapter_that_others_use_is_left_on(system_bus: SystemBus, other: str) -> None:
    """A keyboard, another program's advertisement or discovery would lose by it."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.stop()
            await until(lambda: "radio" in bed.radio.state.troubles)
            bluez = bed.bluez
            bluez.busy = True
            if other == "a discovery":
                bluez.discovering.add(":1.999")
                bluez.adapter["Discovering"] = ("b", True)
            bluez.others = int(other == "an advertisement")
            await bluez.start()
            if other == "a device":
                bluez.report("00:11:22:33:44:66", -50, {UUID: b""}, Connected=Variant("b", True))
            await until(lambda: "advertise" in bed.radio.state.troubles)
            await asyncio.sleep(0.3)
            assert not bluez.switched
            bluez.busy = False
            bluez.discovering.clear()
            await until(bed.on_air, 8)

    run(scenario)


def test_an_adapter_that_would_not_come_on_is_turned_on_later(system_bus: SystemBus) -> None:
    """Bluetoothd may die in between; the badge owes its user an adapter that is on."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.stop()
            await until(lambda: "radio" in bed.radio.state.troubles)
            bed.bluez.busy = True
            switch = bed.bluez.switch

            def only_off(*, on: bool) -> None:
                assert not on
                switch(on=on)
                bed.bluez.refuse["Set"] = "org.bluez.Error.Busy"

            bed.bluez.switch = only_off  # type: ignore[method-assign]
            await bed.bluez.start()
            await until(lambda: "is off" in bed.radio.state.troubles.get("radio", ""))
            bed.bluez.switch = switch  # type: ignore[method-assign]
            bed.bluez.refuse.clear()
            await until(bed.on_air, 8)
            assert bed.bluez.switched == [False, True]

    run(scenario)


@pytest.mark.parametrize(
    ("switch_s", "before", "after"), [(0.3, [], [False, True]), (1.2, [False], [False, True]), (1.2, [], [False])]
)
def test_who_ends_it_while_it_is_off_finds_the_adapter_on(
    system_bus: SystemBus, switch_s: float, before: list[bool], after: list[bool]
) -> None:
    """Within 2 s, as the service asks; it stays off only if it takes more than a second to go off."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = SlowBluez()
        await bluez.start()
        bed = Bed(bluez, keep=lambda _: None)
        task = asyncio.create_task(bed.radio.run())
        await bed.up()
        await bluez.stop()
        await until(lambda: "radio" in bed.radio.state.troubles)
        bluez.busy, bluez.switch_s = True, switch_s
        await bluez.start()
        await until(lambda: bluez.switching and bluez.switched == before)
        began = asyncio.get_running_loop().time()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert asyncio.get_running_loop().time() - began < 1.5
        await until(lambda: bluez.switched == after)
        await bluez.stop()

    run(scenario)


def test_hours_of_silence_end_in_a_reset(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step of the ladder, after scans begun anew; the ID that follows is a fresh one."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.reset.SILENT_S", 0.5)
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.05)

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await until(lambda: bed.bluez.switched == [False, True])
            await until(partial(bed.has_rotated, 2))
            bed.bluez.report("3A:00:00:00:00:01", -50, {UUID: bytes(20)})
            await until(lambda: bed.heard)
            assert not bed.bluez.linked

    run(scenario)


def test_an_adapter_that_others_turned_on_is_theirs_to_turn_off(system_bus: SystemBus) -> None:
    """The badge turns on again what it turned off itself, and not what somebody turns off days later."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.stop()
            await until(lambda: "radio" in bed.radio.state.troubles)
            bluez, switch = bed.bluez, bed.bluez.switch
            bluez.busy = True

            def only_off(*, on: bool) -> None:
                assert not on
                switch(on=on)
                bluez.refuse["Set"] = "org.bluez.Error.Busy"

            bluez.switch = only_off  # type: ignore[method-assign]
            await bluez.start()
            await until(lambda: "is off" in bed.radio.state.troubles.get("radio", ""))
            bluez.switch = switch  # type: ignore[method-assign]
            await bluez.power(on=True)
            await bed.up()
            bluez.refuse.clear()
            await bluez.power(on=False)
            await until(lambda: "is off" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(1.2)
            assert bluez.switched == [False]

    run(scenario)


def test_nothing_is_registered_while_the_adapter_is_switched(
    system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause and its end cut that step short, but not the switching: the kernel would revive what it holds."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.radio.reset.SILENT_S", 0.5)
    monkeypatch.setattr("bzd.radio.radio.POLL_S", 0.05)

    async def scenario() -> None:
        bluez = SlowBluez()
        bluez.switch_s = 0.5
        async with a_bed(bluez) as bed:
            await bed.up()
            await until(lambda: bluez.switching)
            bed.radio.pause()
            await asyncio.sleep(0.05)
            bed.radio.resume()
            await until(lambda: bluez.switched == [False, True] and bed.on_air())
            assert len(set(bluez.aired)) == len(bluez.aired)

    run(scenario)
