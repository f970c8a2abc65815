# SPDX-License-Identifier: Apache-2.0
"""The seam to dbus-next, on a real dbus-daemon."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from dbus_next.constants import MessageFlag
from dbus_next.message import Message
from dbus_next.signature import Variant

from bzd.errors import BusError
from bzd.radio.bus import Bus, BusObject, Signal

from .conftest import SystemBus, run, until
from .fake_bluez import ADAPTER, FakeBluez
from .fake_devices import PATH


def _ignore(*_: Any) -> None:
    """For callbacks that a test does not look at."""


def test_properties_and_owner(system_bus: SystemBus) -> None:
    """Properties come without variants; a name that nobody owns has no owner; what is not there is named."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), FakeBluez()
        await bus.connect(_ignore)
        assert await bus.owner("org.bluez") is None
        await bluez.start()
        assert await bus.owner("org.bluez") == bluez.bus.unique_name
        found = await bus.properties(PATH, ADAPTER)
        assert found["Powered"] is True
        assert found["Roles"] == ["central", "peripheral"]
        with pytest.raises(BusError, match="UnknownObject") as failure:
            await bus.properties("/org/bluez/hci7", ADAPTER)
        assert not failure.value.refused
        await bluez.stop()
        bus.close()

    run(scenario)


def test_signals_that_were_asked_for_arrive(system_bus: SystemBus) -> None:
    """Those of one path do, unwrapped; those of strangers' devices never reach this process."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        signals: list[Signal] = []
        bus, bluez = Bus(signals.append), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        await bus.watch(sender="org.bluez", member="PropertiesChanged", path=PATH)
        await bus.watch(sender="org.bluez", member="InterfacesAdded", arg0path=PATH)
        bluez.report("AA:BB:CC:DD:EE:FF", -50, {"0000fd6f-0000-1000-8000-00805f9b34fb": bytes(20)})
        bluez.set_adapter(Powered=False)
        bluez.plug()
        await until(lambda: [signal.member for signal in signals].count("InterfacesAdded") == 1)
        changed, added = (signal for signal in signals if signal.path in {PATH, "/"})
        assert changed.body == (ADAPTER, {"Powered": False}, [])
        assert added.body[0] == PATH
        await bluez.stop()
        bus.close()

    run(scenario)


def test_a_shown_object_answers(system_bus: SystemBus) -> None:
    """GetAll, Get, Set, methods and the object manager answer as BlueZ expects; afterwards the object is gone."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        calls: list[str] = []
        settings: list[tuple[str, Any]] = []
        bus, other = Bus(_ignore), Bus(_ignore)
        await bus.connect(_ignore)
        await other.connect(_ignore)
        assert bus._connection is not None
        name = str(bus._connection.unique_name)
        shown = BusObject(
            "org.example.Thing",
            {"Kind": ("s", "small"), "Parts": ("a{sv}", {"one": ("ay", b"\x01\x02")})},
            calls.append,
            lambda key, value: settings.append((key, value)),
        )
        bus.export("/thing/1", shown)
        properties = "org.freedesktop.DBus.Properties"
        found = await other.call("/thing/1", properties, "GetAll", "s", "org.example.Thing", destination=name)
        assert found == {"Kind": "small", "Parts": {"one": b"\x01\x02"}}
        one = await other.call("/thing/1", properties, "Get", "ss", "org.example.Thing", "Kind", destination=name)
        assert one == "small"
        with pytest.raises(BusError, match="no property Size"):
            await other.call("/thing/1", properties, "Get", "ss", "org.example.Thing", "Size", destination=name)
        manager = "org.freedesktop.DBus.ObjectManager"
        below = await other.call("/thing", manager, "GetManagedObjects", destination=name)
        assert below == {"/thing/1": {"org.example.Thing": found}}
        await other.call("/thing/1", "org.example.Thing", "Release", destination=name)
        bluez_sets = Variant("n", 7)
        await other.call(
            "/thing/1", properties, "Set", "ssv", "org.example.Thing", "Power", bluez_sets, destination=name
        )
        assert (calls, settings) == (["Release"], [("Power", 7)])
        bus.unexport("/thing/1")
        with pytest.raises(BusError):
            await other.call("/thing/1", "org.example.Thing", "Release", destination=name)
        for connection in (bus, other):
            connection.close()

    run(scenario)


def test_a_call_that_wants_no_answer_gets_none(system_bus: SystemBus) -> None:
    """As bluetoothd's Release and Set come; it is obeyed, and dbus-daemon has no answer to refuse."""

    async def scenario() -> None:
        calls: list[str] = []
        bus, other = Bus(_ignore), Bus(_ignore)
        await bus.connect(_ignore)
        await other.connect(_ignore)
        assert bus._connection is not None
        assert other._connection is not None
        bus.export("/thing", BusObject("org.example.Thing", {}, calls.append, lambda key, _: calls.append(key)))
        name, silent = str(bus._connection.unique_name), MessageFlag.NO_REPLY_EXPECTED
        release = Message(name, "/thing", "org.example.Thing", "Release", flags=silent)
        await other._connection.send(release)
        setting = Message(name, "/thing", "org.freedesktop.DBus.Properties", "Set", signature="ssv", flags=silent)
        setting.body = ["org.example.Thing", "Power", Variant("n", 7)]
        await other._connection.send(setting)
        await until(lambda: calls == ["Release", "Power"])
        await bus.owner("org.bluez")  # what was sent before this call has reached the daemon
        assert "Rejected send message" not in system_bus.log()
        for connection in (bus, other):
            connection.close()

    run(scenario)


def test_refusals_by_bluetoothd_are_told_from_losses(system_bus: SystemBus) -> None:
    """A refusal had no effect; a call without an answer may have had one, and is given up after its time."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bus, bluez = Bus(_ignore), FakeBluez()
        await bluez.start()
        await bus.connect(_ignore)
        bluez.refuse["StartDiscovery"] = "org.bluez.Error.InProgress"
        with pytest.raises(BusError, match="InProgress") as refused:
            await bus.call(PATH, ADAPTER, "StartDiscovery")
        assert refused.value.refused
        bluez.hang()
        with pytest.raises(BusError, match="no answer within") as lost:
            await bus.call(PATH, ADAPTER, "StartDiscovery", timeout_s=0.05)
        assert not lost.value.refused
        await bluez.stop()
        bus.close()

    run(scenario)


def test_the_end_of_the_bus_is_noticed_and_survived(system_bus: SystemBus) -> None:
    """A dead daemon fails calls at once and is told; with a new one the same object connects again."""

    async def scenario() -> None:
        lost: list[bool] = []
        bus = Bus(_ignore)
        await bus.connect(lambda: lost.append(True))
        system_bus.stop()
        await until(lambda: lost)
        assert not bus.connected
        with pytest.raises(BusError, match="bus is gone"):
            await bus.owner("org.bluez")
        with pytest.raises(BusError, match=r"cannot be reached: [A-Z][a-z ]+ "):  # a sentence, without a number
            await bus.connect(_ignore)
        system_bus.start()
        await bus.connect(_ignore)
        assert await bus.owner("org.bluez") is None
        bus.close()
        bus.close()

    run(scenario)


def test_a_daemon_that_closes_while_it_is_greeted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting fails; dbus-next alone would read nothing for ever and stop the whole program."""
    path = tmp_path / "bus"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def hang_up() -> None:
            accepted, _ = listening.accept()
            accepted.recv(100)
            accepted.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(BusError, match="does not answer"):
            asyncio.run(Bus(_ignore).connect(_ignore))
        thread.join()
