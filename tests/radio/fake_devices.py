# SPDX-License-Identifier: Apache-2.0
"""What a bluetoothd shows of the devices around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

PATH = "/org/bluez/hci0"
DEVICE = "org.bluez.Device1"
PROPERTIES, MANAGER = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"


class FakeDevices:
    """The devices around one adapter, hci0.

    Attributes:
        devices: properties of Device1, by path.
        wedged: whether it takes a discovery for running that the kernel has ended, until the adapter is switched off.
    """

    def __init__(self) -> None:
        self.devices: dict[str, dict[str, Variant]] = {}
        self.wedged = False
        self._bus: MessageBus | None = None

    @property
    def bus(self) -> MessageBus:
        """Its connection."""
        assert self._bus is not None
        return self._bus

    def report(self, address: str, rssi: int, data: Mapping[str, bytes], **more: Variant) -> None:
        """Receive a report: a new device is an object that appears, a known one a change of its properties."""
        if self.wedged:
            return
        path = f"{PATH}/dev_{address.replace(':', '_')}"
        changed = {
            "RSSI": Variant("n", rssi),
            "ServiceData": Variant("a{sv}", {uuid: Variant("ay", raw) for uuid, raw in data.items()}),
            **more,
        }
        if path in self.devices:
            self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, changed, []])
            return
        self.devices[path] = {
            "Address": Variant("s", address),
            "AddressType": Variant("s", "random"),
            "Alias": Variant("s", address.replace(":", "-")),
            "Adapter": Variant("o", PATH),
            "UUIDs": Variant("as", list(data)),
            **changed,
        }
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, {DEVICE: self.devices[path]}])

    def forget_devices(self) -> None:
        """Forget all devices, as bluetoothd forgets strangers some time after their last report."""
        for path in self.devices:
            self._signal("/", MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE]])
        self.devices.clear()

    def change_device(self, address: str, changed: dict[str, Variant], gone: list[str]) -> None:
        """Change properties of a known device without a report, for example forget its RSSI."""
        path = f"{PATH}/dev_{address.replace(':', '_')}"
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, changed, gone])

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        self.bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )
