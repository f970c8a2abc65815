# SPDX-License-Identifier: Apache-2.0
"""The live radio against the fake BlueZ when the adapter goes off and on: the kernel then sends again what it holds."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from dbus_fast import Message

from .conftest import SystemBus, run, until
from .fake_bluez import ADAPTER, FakeBluez
from .radio_bed import a_bed


class FlickeringBluez(FakeBluez):
    """Its adapter goes off and on while the method `flickers_at` is answered; what unregisters finds it off."""

    flickers_at = ""

    async def _do(self, member: str, sender: str, body: list[Any]) -> str:
        if member != self.flickers_at:
            return await super()._do(member, sender, body)
        self.flickers_at = ""
        if member.startswith("Unregister"):
            self.switch(on=False)
        error = await super()._do(member, sender, body)
        self.switch(on=False)
        self.switch(on=True)
        return error


class WakingBluez(FakeBluez):
    """Its adapter is off, and comes on in the instant after its properties were read for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.adapter["Powered"] = ("b", False)

    def _get_all(self, message: Message) -> Message | bool:
        answer = super()._get_all(message)
        if self.adapter["Powered"][1] or message.body[0] != ADAPTER or isinstance(answer, bool):
            return answer
        self.bus.send(answer)
        self._change({"Powered": True})
        return True


def test_an_id_that_power_revived_is_taken_back_before_the_next(system_bus: SystemBus) -> None:
    """The kernel sends it again under a new address; the next ID must not come to be on that address."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.power(on=False)
            await until(lambda: "is off" in bed.radio.state.troubles.get("radio", ""))
            assert not bed.radio.state.advertising
            await bed.bluez.power(on=True)
            await until(partial(bed.has_rotated, 2))
            first, revived, second = bed.bluez.aired
            assert first == revived != second
            assert list(bed.bluez.kernel.values()) == [second]
            assert not bed.bluez.linked

    run(scenario)


def test_a_pause_while_the_adapter_is_off_holds_when_it_is_on(system_bus: SystemBus) -> None:
    """What the kernel revives is taken back even though nothing is to follow it."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.power(on=False)
            await until(lambda: "is off" in bed.radio.state.troubles.get("radio", ""))
            bed.radio.pause()
            await asyncio.sleep(0.1)
            await bed.bluez.power(on=True)
            await until(lambda: not bed.bluez.kernel)
            assert not bed.bluez.adverts

    run(scenario)


def test_a_power_cycle_in_an_instant_renews_everything(system_bus: SystemBus) -> None:
    """Off and on before the badge could act: whatever was revived is replaced, and the deaf scan begun again."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed() as bed:
            await bed.up()
            await bed.bluez.power(on=False)
            await bed.bluez.power(on=True)
            await until(partial(bed.has_rotated, 2))
            assert len(bed.bluez.discovering) == 1
            assert not bed.bluez.linked

    run(scenario)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_power_cycle_while_an_id_is_registered_renews_it(
    system_bus: SystemBus,
    legacy: bool,  # noqa: FBT001  parametrized
) -> None:
    """Off and on before BlueZ has answered: what it then holds was revived, and does not stay on air."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FlickeringBluez(legacy=legacy)
        async with a_bed(bluez) as bed:
            await until(partial(bed.has_rotated, 1))
            bluez.flickers_at = "RegisterAdvertisement"
            bed.radio.rotate()
            await until(partial(bed.has_rotated, 3))
            assert list(bed.bluez.kernel.values()) == bed.bluez.aired[-1:]
            assert bed.bluez.aired.count(bed.bluez.aired[-1]) == 1
            assert not bed.bluez.linked

    run(scenario)


def test_an_id_that_was_unregistered_while_the_adapter_was_off_is_cleared(system_bus: SystemBus) -> None:
    """BlueZ has forgotten it and the kernel has not: the next ID must not come to be on its address."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = FlickeringBluez()
        async with a_bed(bluez) as bed:
            await bed.up()
            bluez.flickers_at = "UnregisterAdvertisement"
            bed.radio.rotate()
            await until(lambda: not bluez.flickers_at and bed.on_air())
            await bed.up()
            assert list(bed.bluez.kernel.values()) == bed.bluez.aired[-1:]
            assert not bed.bluez.linked

    run(scenario)


def test_an_adapter_that_comes_on_while_it_is_looked_at(system_bus: SystemBus) -> None:
    """The answer "off" and the signal "on" arrive in one go; the signal is the later one."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(WakingBluez()) as bed:
            await bed.up()

    run(scenario)
