# SPDX-License-Identifier: Apache-2.0
"""Advertising through BlueZ, against the fake one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from bzd.errors import BusError
from bzd.model import Identifier
from bzd.protocols import ad, protocols
from bzd.radio.advertiser import Advertiser, properties
from bzd.radio.bus import Bus

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez
from .fake_devices import PATH

_GAEN = protocols()["gaen"].encode(Identifier("gaen", bytes(range(16)), b"\x01\x02\x03\x04"))
_BLUEZONE = protocols()["bluezone"].encode(Identifier("bluezone", bytes(range(12))))


def _ignore(*_: Any) -> None:
    """For callbacks that a test does not look at."""


def test_what_is_shown_to_bluez() -> None:
    """A broadcast with the protocol's parts and nothing else: no name, no flags, nothing discoverable."""
    gaen, bluezone = properties(_GAEN), properties(_BLUEZONE)
    assert gaen.pop("ServiceUUIDs") == ("as", [ad.uuid_16(0xFD6F)])
    assert gaen.pop("ServiceData") == ("a{sv}", {ad.uuid_16(0xFD6F): ("ay", bytes(range(16)) + b"\x01\x02\x03\x04")})
    assert bluezone.pop("ServiceUUIDs") == ("as", [ad.uuid_16(0x4E56)])
    assert bluezone.pop("ManufacturerData") == ("a{qv}", {0x22B5: ("ay", bytes(range(12)))})
    assert gaen == bluezone == {"Type": ("s", "broadcast"), "MinInterval": ("u", 250), "MaxInterval": ("u", 270)}


def test_register_and_unregister(system_bus: SystemBus) -> None:
    """BlueZ reads the object that it is told of, each time another one, and holds none afterwards."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        advertiser, paths = Advertiser(bus, PATH, _ignore), []
        for data in (_GAEN, _BLUEZONE):
            await advertiser.register(data)
            assert advertiser.registered
            ((_, path),) = bluez.adverts
            paths.append(path)
            await advertiser.unregister()
            assert not bluez.adverts
            assert not advertiser.registered
        assert len(set(paths)) == 2
        assert bluez.aired == [bytes(range(16)) + b"\x01\x02\x03\x04", bytes(range(12))]
        await advertiser.unregister()
        await bluez.stop()
        bus.close()

    run(scenario)


def test_a_refusal_leaves_nothing_registered(system_bus: SystemBus) -> None:
    """After "Failed" BlueZ holds nothing, so that another payload can be tried at once."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        advertiser = Advertiser(bus, PATH, _ignore)
        bluez.refuse["RegisterAdvertisement"] = "org.bluez.Error.Failed"
        with pytest.raises(BusError, match="Failed") as failure:
            await advertiser.register(_GAEN)
        assert failure.value.refused
        states = [advertiser.registered]
        bluez.refuse.clear()
        await advertiser.register(_GAEN)
        states.append(advertiser.registered)
        bluez.adverts.clear()  # a new bluetoothd knows nothing of it
        await advertiser.unregister()
        states.append(advertiser.registered)
        assert states == [False, True, False]
        await bluez.stop()
        bus.close()

    run(scenario)


def test_without_an_answer_it_may_be_on_air(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as registered until BlueZ was told, since an old ID must not be forgotten on the air."""
    assert system_bus.socket.exists()
    monkeypatch.setattr(Bus.call, "__kwdefaults__", {**(Bus.call.__kwdefaults__ or {}), "timeout_s": 0.1})

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        advertiser = Advertiser(bus, PATH, _ignore)
        bluez.hang()
        with pytest.raises(BusError, match="no answer"):
            await advertiser.register(_GAEN)
        assert advertiser.registered
        with pytest.raises(RuntimeError):
            await advertiser.register(_GAEN)
        with pytest.raises(BusError, match="no answer"):
            await advertiser.unregister()
        assert advertiser.registered
        await bluez.stop()
        bus.close()

    run(scenario)


def test_on_air_is_what_bluez_has_taken(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that it did not answer for yet counts, nor an empty one; one not told to end still does."""
    assert system_bus.socket.exists()
    monkeypatch.setattr(Bus.call, "__kwdefaults__", {**(Bus.call.__kwdefaults__ or {}), "timeout_s": 0.1})

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        advertiser, told = Advertiser(bus, PATH, _ignore), [False]
        for data, hanging in ((_GAEN, True), (b"", False), (_GAEN, False)):
            bluez.hang(hanging=hanging)
            with suppress(BusError):
                await advertiser.register(data)
            told.append(advertiser.on_air)
            bluez.hang(hanging=data == _GAEN)
            with suppress(BusError):
                await advertiser.unregister()
            told.append(advertiser.on_air)
            advertiser.forget()
        assert told == [False, False, False, False, False, True, True]
        assert not advertiser.on_air
        bluez.hang(hanging=False)
        await bluez.stop()
        bus.close()

    run(scenario)


class LateBluez(FakeBluez):
    """Takes what it is given, and answers later."""

    async def _register_advertisement(self, sender: str, path: str) -> str:
        error = await super()._register_advertisement(sender, path)
        await asyncio.sleep(0.1)
        return error


def test_an_answer_that_comes_after_the_loss_puts_nothing_on_air(system_bus: SystemBus) -> None:
    """What is known to be gone stays so, whatever was said of it before."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), LateBluez()
        await bluez.start()
        await bus.connect(_ignore)
        advertiser = Advertiser(bus, PATH, _ignore)
        registering = asyncio.create_task(advertiser.register(_GAEN))
        await until(lambda: bluez.adverts)
        advertiser.forget()
        await registering
        assert [advertiser.registered, advertiser.on_air] == [False, False]
        await bluez.stop()
        bus.close()

    run(scenario)


def test_release_and_tx_power_are_heard(system_bus: SystemBus) -> None:
    """BlueZ tells that it gave the advertisement up, and with extended advertising the power that it chose."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        released: list[bool] = []
        bus, bluez = Bus(_ignore), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        advertiser = Advertiser(bus, PATH, lambda: released.append(True))
        await advertiser.register(_GAEN)
        ((client, path),) = bluez.adverts
        await bluez.tell(client, path, "org.freedesktop.DBus.Properties", "Set", tx_power=4)
        await bluez.tell(client, path, "org.bluez.LEAdvertisement1", "Release")
        assert (advertiser.tx_power, released) == (4, [True])
        await bluez.stop()
        bus.close()

    run(scenario)
