# SPDX-License-Identifier: Apache-2.0
"""An adapter that was discoverable is not left connectable under a badge that goes on air again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bzd.radio.advertiser import REFRESH_S

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .radio_bed import a_bed


def a_bluez(*, shows: bool, legacy: bool = True) -> FakeBluez:
    """As BlueZ 5.82, which shows whether an adapter is connectable, or as 5.66, which does not."""
    bluez = FakeBluez(legacy=legacy)
    if shows:
        bluez.adapter["Connectable"] = ("b", False)
    return bluez


@pytest.mark.parametrize("shows", [True, False])
def test_after_discoverable_timeout_nothing_is_public(system_bus: SystemBus, *, shows: bool) -> None:
    """The kernel leaves the adapter connectable; that is ended before the next rolling ID is registered."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(a_bluez(shows=shows)) as bed:
            await bed.up()
            bed.bluez.make("Discoverable", on=True)
            await until(lambda: bed.off_air() and "radio" in bed.radio.state.troubles)
            shown = len(bed.bluez.shown_publicly)
            bed.bluez.end_discoverable()
            assert bed.bluez.connectable
            await until(lambda: bed.on_air() and not bed.bluez.connectable)
            assert not bed.bluez.adapter["Discoverable"][1]
            assert len(bed.bluez.shown_publicly) == shown

    run(scenario)


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
def test_what_the_kernel_then_advertises_by_itself_is_ended(
    system_bus: SystemBus, *, legacy: bool, shows: bool
) -> None:
    """With extended advertising the adapter has to be off for an instant; with a legacy controller it need not be."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(a_bluez(shows=shows, legacy=legacy)) as bed:
            await bed.up()
            bed.bluez.make("Discoverable", on=True)
            assert bed.bluez.by_itself is not legacy
            await until(lambda: bed.off_air() and "radio" in bed.radio.state.troubles)
            assert bed.bluez.switched == []
            bed.bluez.end_discoverable()
            await until(lambda: bed.on_air() and not bed.bluez.connectable)
            assert not bed.bluez.by_itself
            assert bed.bluez.switched == ([] if legacy else [False, True])

    run(scenario)


def test_what_came_before_the_badge_is_not_believed(system_bus: SystemBus) -> None:
    """Where bluetoothd does not tell, an adapter may have been left connectable before the badge was started."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = a_bluez(shows=False)
        bluez.connectable = True
        async with a_bed(bluez) as bed:
            await until(lambda: bed.on_air() and not bluez.connectable)
            assert not bluez.shown_publicly

    run(scenario)


def test_connectable_on_purpose_is_refused(system_bus: SystemBus) -> None:
    """Where bluetoothd tells, and it never was discoverable, somebody wants it so: that is for an admin to end."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = a_bluez(shows=True)
        bluez.adapter["Connectable"], bluez.connectable = ("b", True), True
        async with a_bed(bluez) as bed:
            await until(lambda: "connectable" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(0.2)
            assert bed.off_air()
            assert bluez.connectable
            bluez.make("Connectable", on=False)
            await bed.up()

    run(scenario)


@pytest.mark.parametrize("shows", [True, False])
def test_while_it_cannot_be_ended_there_is_silence(system_bus: SystemBus, *, shows: bool) -> None:
    """With the reason, and tries that become rarer; not one frame goes out in between."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        async with a_bed(a_bluez(shows=shows)) as bed:
            await bed.up()
            bed.bluez.make("Discoverable", on=True)
            await until(lambda: bed.off_air() and "radio" in bed.radio.state.troubles)
            aired = len(bed.bluez.aired)
            bed.bluez.refuse["Set"] = "org.bluez.Error.Failed"
            bed.bluez.end_discoverable()
            await until(lambda: "refused" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(0.5)
            assert len(bed.bluez.aired) == aired
            assert bed.bluez.connectable
            bed.bluez.refuse.clear()
            await until(lambda: bed.on_air() and not bed.bluez.connectable)

    run(scenario)


def test_an_adapter_left_discoverable_here_is_taken_back(system_bus: SystemBus) -> None:
    """The second half of what ends it may fail; that adapter is not taken for one that somebody made discoverable."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = a_bluez(shows=False)
        bluez.refuse["Discoverable off"] = "org.bluez.Error.Busy"
        async with a_bed(bluez) as bed:
            await until(lambda: "refused" in bed.radio.state.troubles.get("radio", ""))
            assert bluez.adapter["Discoverable"][1]
            assert not bluez.aired
            bluez.refuse.clear()
            await until(lambda: bed.on_air() and not bluez.adapter["Discoverable"][1])
            assert not bluez.shown_publicly

    run(scenario)


@pytest.mark.parametrize(("modalias", "waits"), [("0542", True), ("0549", False), ("", True)])
def test_a_bluetoothd_that_would_die_of_it_is_given_time(
    system_bus: SystemBus,
    modalias: str,
    waits: bool,  # noqa: FBT001  parametrized
) -> None:
    """Before 5.73 what it refreshes, being discoverable, is not unregistered meanwhile; later ones are told at once."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = a_bluez(shows=True)
        bluez.adapter["Modalias"] = ("s", f"usb:v1D6Bp0246d{modalias}" if modalias else "")
        async with a_bed(bluez) as bed:
            await bed.up()
            bed.bluez.make("Discoverable", on=True)
            await until(bed.off_air)
            assert (bed.bluez.disturbed == 0) == waits

    run(scenario)


def test_it_is_given_time_again_if_it_begins_again(system_bus: SystemBus) -> None:
    """Discoverable and soon not: the second refreshing is waited for like the first, in which the wait began."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = a_bluez(shows=True)
        async with a_bed(bluez) as bed:
            await bed.up()
            bed.bluez.make("Discoverable", on=True)
            await asyncio.sleep(0.8 * REFRESH_S)
            bed.bluez.make("Discoverable", on=False)
            await until(bed.off_air)
            assert bed.bluez.disturbed == 0

    run(scenario)


class SlowBluez(FakeBluez):
    """Holds a call of one method back, once asked to."""

    def __init__(self, method: str, *, legacy: bool) -> None:
        super().__init__(legacy=legacy)
        self.method = method
        self.holding = False
        self.go_on = asyncio.Event()

    async def _do(self, member: str, sender: str, body: list[Any]) -> str:
        if self.holding and member == self.method:
            self.method = ""
            await self.go_on.wait()
        return await super()._do(member, sender, body)


@pytest.mark.parametrize(
    ("legacy", "method"), [(False, "StartDiscovery"), (True, "StopDiscovery"), (True, "UnregisterAdvertisement")]
)
@pytest.mark.parametrize("over", [True, False])
def test_an_adapter_that_becomes_unfit_in_the_middle_of_a_rotation(
    system_bus: SystemBus, *, legacy: bool, method: str, over: bool
) -> None:
    """The next ID does not go on air under the public address, nor if the adapter was discoverable for an instant."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = SlowBluez(method, legacy=legacy)
        async with a_bed(bluez) as bed:
            await bed.up()
            aired, bluez.holding = len(bluez.aired), True
            bed.radio.rotate()
            await until(lambda: not bluez.method)
            bluez.make("Discoverable", on=True)
            shown = len(bluez.shown_publicly)
            if over:
                bluez.end_discoverable()
            bluez.go_on.set()
            await until(lambda: bed.radio.state.troubles or len(bluez.aired) > aired)
            assert len(bluez.shown_publicly) == shown
            bluez.make("Discoverable", on=False)
            await bed.up()
            assert len(bluez.shown_publicly) == shown

    run(scenario)


def test_an_adapter_that_becomes_unfit_is_not_cleared_either(system_bus: SystemBus) -> None:
    """After a power cycle an empty advertisement comes first, which would show the public address as well."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = SlowBluez("UnregisterAdvertisement", legacy=True)
        async with a_bed(bluez) as bed:
            await bed.up()
            bluez.holding = True
            await bluez.power(on=False)
            await bluez.power(on=True)
            await until(lambda: not bluez.method)
            bluez.make("Discoverable", on=True)
            bluez.log.clear()
            bluez.go_on.set()
            await until(lambda: "discoverable" in bed.radio.state.troubles.get("radio", ""))
            assert "RegisterAdvertisement" not in bluez.log
            bluez.make("Discoverable", on=False)
            await bed.up()

    run(scenario)
