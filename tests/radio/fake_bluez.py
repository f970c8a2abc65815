# SPDX-License-Identifier: Apache-2.0
"""A small org.bluez on a private bus: what bzd uses of bluetoothd, with the refusals and habits that were measured.

It follows BlueZ 5.66 to 5.82 where a test depends on it: a legacy controller refuses to advertise while anything
scans; the kernel takes back no advertisement while the adapter is off, and sends what it holds when it is on again; a
client that leaves the bus takes its advertisements, monitors and discovery with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from .fake_devices import DEVICE, MANAGER, PATH, PROPERTIES, FakeDevices

ADAPTER, ADVERTISING = "org.bluez.Adapter1", "org.bluez.LEAdvertisingManager1"
MONITORS = "org.bluez.AdvertisementMonitorManager1"
_DBUS = "org.freedesktop.DBus"

_REFRESH_S = 0.2
"""What the kernel may take to refresh an advertisement."""

Owned = tuple[str, str]
"""Unique bus name of a client and the path of its object."""


class FakeBluez(FakeDevices):
    """One adapter, hci0.

    Attributes:
        adapter: properties of Adapter1, D-Bus signature and value.
        monitors_offered: whether the experimental AdvertisementMonitorManager1 is there.
        legacy: whether advertising is refused while anything scans.
        refuse: method name, or property and `off`, to the D-Bus error that it is answered with; `GetAll Adapter1` for
            one interface's.
        log: names of the methods that were called and not refused, in order.
        adverts: the properties of what is registered, by owner.
        aired: service data of every advertisement that ever went on air, revivals included, in order.
        kernel: what the kernel would send, by owner; it may outlive `adverts`.
        linked: pairs of payloads, the second of which was put into the place, and on the address, of the first.
        asked: payloads that were on air while scan requests went out, by the address that these carried, as a number.
            An extended controller gets another one where a discovery begins while nothing is advertised, else keeps it.
        monitors: patterns by owner.
        busy: whether the kernel goes on with the discovery of an earlier bluetoothd, until the adapter is switched off.
        aired_while_busy: advertisements that went on air meanwhile, beside the address of that discovery.
        switched: what the adapter was told by its clients: on or off, in order.
        hung: calls that were not answered.
        connectable: whether the kernel has the adapter so, whatever BlueZ shows; ended by a start of bluetoothd.
        shown_publicly: payloads that were on air while it was, under the public address.
        by_itself: whether an extended controller advertises what nobody asked for, as from then on until it is off.
        disturbed: advertisements that were unregistered while they were being refreshed, since the adapter had just
            become discoverable or was so no more; one before 5.73 dies of it.
        filters: discovery filter of each client that has set one.
        discovering: clients with a discovery session.
    """

    def __init__(self, *, monitors_offered: bool = True, legacy: bool = True) -> None:
        super().__init__()
        self.adapter: dict[str, tuple[str, Any]] = {
            "Address": ("s", "00:11:22:33:44:55"),
            "Powered": ("b", True),
            "Discoverable": ("b", False),
            "Discovering": ("b", False),
            "Roles": ("as", ["central", "peripheral"]),
        }
        self.present = True
        self.monitors_offered = monitors_offered
        self.legacy = legacy
        self.refuse: dict[str, str] = {}
        self.log: list[str] = []
        self.adverts: dict[Owned, dict[str, Any]] = {}
        self.aired: list[bytes] = []
        self.kernel: dict[Owned, bytes] = {}
        self.linked: list[tuple[bytes, bytes]] = []
        self.asked: dict[int, set[bytes]] = {}
        self.monitors: dict[Owned, Any] = {}
        self.filters: dict[str, dict[str, Any]] = {}
        self.discovering: set[str] = set()
        self.others = 0
        self.busy = False
        self.aired_while_busy = 0
        self.switched: list[bool] = []
        self.hung = 0
        self.connectable = False
        self.shown_publicly: list[bytes] = []
        self.by_itself = False
        self.disturbed = 0
        self._refreshed_at = 0.0
        self._hanging: bool | str = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take the name org.bluez with nothing registered, as a fresh bluetoothd."""
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        self.bus.add_message_handler(self._handle)
        rule = f"type='signal',sender='{_DBUS}',member='NameOwnerChanged'"
        await self.bus.call(
            Message(destination=_DBUS, path="/", interface=_DBUS, member="AddMatch", signature="s", body=[rule])
        )
        await self.bus.request_name("org.bluez")

    async def stop(self) -> None:
        """Leave the bus, as a killed bluetoothd; everything that was registered is gone."""
        bus, self._bus = self.bus, None
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # the library leaves it bare
        for owned in (self.adverts, self.kernel, self.monitors, self.filters, self.discovering, self.devices):
            owned.clear()
        self.adapter["Discovering"] = ("b", False)
        self.connectable = False

    async def tell(self, client: str, path: str, interface: str, member: str, *, tx_power: int | None = None) -> None:
        """Call a client's object; with a tx power, set it as BlueZ does where the controller chose one."""
        told = [] if tx_power is None else ["org.bluez.LEAdvertisement1", "TxPower", Variant("n", tx_power)]
        message = Message(
            destination=client, path=path, interface=interface, member=member, signature="ssv" * bool(told), body=told
        )
        reply = await self.bus.call(message)
        assert reply is not None
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body

    def hang(self, *, hanging: bool = True, method: str = "") -> None:
        """Answer nothing any more, as a stopped process, or only one method not."""
        self._hanging = method or hanging

    async def power(self, *, on: bool) -> None:
        """Switch the adapter; what is still registered comes back on air by itself when it goes on."""
        self.switch(on=on)
        await asyncio.sleep(0)

    def switch(self, *, on: bool) -> None:
        """As `power`, at once."""
        self.discovering.clear()
        self.wedged = self.by_itself = False
        self._change({"Powered": on, "Discovering": False})
        if on:
            self.aired += self.kernel.values()

    def set_adapter(self, **values: Any) -> None:
        """Change properties of the adapter, as another program would."""
        self._change(values)

    def make(self, name: str, *, on: bool) -> None:
        """Make the adapter discoverable or connectable or no more, as bluetoothd does: the first brings the second."""
        self.connectable = on
        if "Connectable" in self.adapter:
            self._change({"Connectable": on})
        if name == "Discoverable" or not on:
            self._change({"Discoverable": on})
        self.shown_publicly += [data for data in self.kernel.values() if data and on]
        self.by_itself = self.by_itself or (on and not self.legacy and bool(self.kernel))

    def end_discoverable(self) -> None:
        """DiscoverableTimeout is over: the kernel, which ends that, leaves the adapter connectable."""
        self._change({"Discoverable": False})

    def unplug(self) -> None:
        """Take the adapter away."""
        self.present = False
        for owned in (self.adverts, self.kernel, self.monitors, self.filters, self.discovering):
            owned.clear()
        self._signal("/", MANAGER, "InterfacesRemoved", "oas", [PATH, [ADAPTER, ADVERTISING, MONITORS]])

    def plug(self) -> None:
        """Bring it back."""
        self.present = True
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [PATH, self._interfaces()])

    def end_discovery(self) -> None:
        """Let every discovery end, as BlueZ does when the kernel says so, and tell only by the property."""
        self.discovering.clear()
        self._change({"Discovering": False})

    def other_advertises(self, number: int) -> None:
        """Let another program have so many advertisements."""
        self.others = number
        self._instances()

    def _change(self, values: Mapping[str, Any]) -> None:
        shown = {name: ("s" if isinstance(value, str) else "b", value) for name, value in values.items()}
        self.adapter.update(shown)
        if "Discoverable" in values:
            self._refreshed_at = time.monotonic() + _REFRESH_S
        changed = {name: Variant(*pair) for name, pair in shown.items()}
        self._signal(PATH, PROPERTIES, "PropertiesChanged", "sa{sv}as", [ADAPTER, changed, []])

    def _instances(self) -> None:
        changed = {"ActiveInstances": Variant("y", len(self.adverts) + self.others)}
        self._signal(PATH, PROPERTIES, "PropertiesChanged", "sa{sv}as", [ADVERTISING, changed, []])

    def _interfaces(self) -> dict[str, dict[str, Variant]]:
        found = {
            ADAPTER: {name: Variant(*pair) for name, pair in self.adapter.items()},
            ADVERTISING: {"ActiveInstances": Variant("y", len(self.adverts) + self.others)},
        }
        if not self.legacy:
            found[ADVERTISING]["SupportedFeatures"] = Variant("as", ["HardwareOffload"])
        if self.monitors_offered:
            found[MONITORS] = {"SupportedMonitorTypes": Variant("as", ["or_patterns"])}
        return found

    def _handle(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _old, new = message.body
            if not new:
                self._gone(name)
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if self._hanging in {True, message.member}:
            self.hung += 1
            return True
        if message.interface == MANAGER:
            devices = {path: {DEVICE: shown} for path, shown in self.devices.items()}
            objects = {PATH: self._interfaces(), **devices} if self.present else {}
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        if not self.present or message.path != PATH:
            return Message.new_error(message, f"{_DBUS}.Error.UnknownObject", "no such object")
        if message.interface == PROPERTIES:
            return self._set(message) if message.member == "Set" else self._get_all(message)
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _gone(self, client: str) -> None:
        for owned in (self.adverts, self.kernel, self.monitors):
            for key in [key for key in owned if key[0] == client]:
                del owned[key]
        self.discovering.discard(client)

    def _get_all(self, message: Message) -> Message | bool:
        found = self._interfaces().get(message.body[0])
        if error := self.refuse.get(f"GetAll {message.body[0].rpartition('.')[2]}"):
            return Message.new_error(message, error, "refused")
        if found is None:
            return Message.new_error(message, f"{_DBUS}.Error.InvalidArgs", f"No such interface '{message.body[0]}'")
        return Message.new_method_return(message, "a{sv}", [found])

    def _set(self, message: Message) -> Message:
        """Set Powered, or one of those that `make` knows; a kernel that is busy is no more when it is off."""
        name, on = str(message.body[1]), bool(message.body[2].value)
        if error := self.refuse.get("Set") or (None if on else self.refuse.get(f"{name} off")):
            return Message.new_error(message, error, "refused")
        if name != "Powered":
            self.make(name, on=on)
            return Message.new_method_return(message)
        self.switched.append(on)
        self.busy = False
        self.switch(on=on)
        return Message.new_method_return(message)

    async def _answer(self, message: Message) -> None:
        member, sender = message.member or "", message.sender or ""
        error = self.refuse.get(member) or await self._do(member, sender, message.body)
        if error:
            self.bus.send(Message.new_error(message, error, "refused"))
        else:
            self.log.append(member)
            self.bus.send(Message.new_method_return(message))

    async def _do(self, member: str, sender: str, body: list[Any]) -> str:
        """Carry out a method; return the D-Bus error that it ends with, or an empty text."""
        if member == "UnregisterAdvertisement":
            known = self.adverts.pop((sender, body[0]), None) is not None
            self.disturbed += known and time.monotonic() < self._refreshed_at
            if self.adapter["Powered"][1]:
                self.kernel.pop((sender, body[0]), None)
            self._instances()
            return "" if known else "org.bluez.Error.DoesNotExist"
        if not self.adapter["Powered"][1] and not member.startswith("Unregister"):
            return "org.bluez.Error.NotReady"
        if member == "RegisterAdvertisement":
            return await self._register_advertisement(sender, body[0])
        if member == "RegisterMonitor" and self.monitors_offered:
            return await self._register_monitor(sender, body[0])
        return self._do_now(member, sender, body)

    def _do_now(self, member: str, sender: str, body: list[Any]) -> str:
        if member == "UnregisterMonitor" and self.monitors_offered:
            known = self.monitors.pop((sender, body[0]), None) is not None
            return "" if known else "org.bluez.Error.DoesNotExist"
        if member == "SetDiscoveryFilter":
            self.filters[sender] = {name: value.value for name, value in body[0].items()}
            return ""
        if member == "StartDiscovery":
            if sender in self.discovering or self.busy:
                return "org.bluez.Error.InProgress"
            self.discovering.add(sender)
            if not self.kernel:
                self.asked[len(self.asked)] = set()
            self._ask_for_responses()
            self._change({"Discovering": True})
            return ""
        if member == "StopDiscovery":
            if sender not in self.discovering:
                return "org.bluez.Error.Failed"
            self.discovering.discard(sender)
            if self.wedged:
                return "org.bluez.Error.InProgress"
            self._change({"Discovering": bool(self.discovering)})
            return ""
        return f"{_DBUS}.Error.UnknownMethod"

    async def _register_advertisement(self, sender: str, path: str) -> str:
        if self.legacy and (self.discovering or self.monitors or self.busy):
            return "org.bluez.Error.Failed"
        shown = await self._ask(sender, path, PROPERTIES, "GetAll", "s", ["org.bluez.LEAdvertisement1"])
        self.adverts[sender, path] = {name: value.value for name, value in shown.items()}
        data = _service_data(self.adverts[sender, path])
        self.linked += [(stale, data) for stale in self.kernel.values() if stale and data]
        self.kernel = {(sender, path): data}
        self.aired += [data] if data else []
        self.shown_publicly += [data] if data and self.connectable else []
        self.aired_while_busy += bool(data) and self.busy
        self._ask_for_responses()
        self._instances()
        return ""

    def _ask_for_responses(self) -> None:
        """Scan requests go out beside what is on air."""
        if self.discovering:
            self.asked.setdefault(max(self.asked, default=0), set()).update(filter(None, self.kernel.values()))

    async def _register_monitor(self, sender: str, root: str) -> str:
        if (sender, root) in self.monitors:
            return "org.bluez.Error.AlreadyExists"
        objects = await self._ask(sender, root, MANAGER, "GetManagedObjects", "", [])
        found = [
            interfaces["org.bluez.AdvertisementMonitor1"]["Patterns"].value
            for interfaces in objects.values()
            if "org.bluez.AdvertisementMonitor1" in interfaces
        ]
        self.monitors[sender, root] = found
        return ""

    async def _ask(  # noqa: PLR0917  a D-Bus call has that many parts
        self, client: str, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> Any:
        reply = await self.bus.call(
            Message(destination=client, path=path, interface=interface, member=member, signature=signature, body=body)
        )
        assert reply is not None
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return reply.body[0]


def _service_data(shown: Mapping[str, Any]) -> bytes:
    """The one service data or manufacturer data of an advertisement; nothing if it has neither."""
    fields = shown.get("ServiceData") or shown.get("ManufacturerData") or {}
    return b"".join(bytes(value.value) for value in fields.values())
