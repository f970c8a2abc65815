# SPDX-License-Identifier: Apache-2.0
"""Advertising through BlueZ: an `org.bluez.LEAdvertisement1` of Type broadcast, one at a time.

Broadcast makes the kernel take a new non-resolvable private address at each registration, as long as the adapter is
neither connectable nor discoverable (`bzd.radio.adapter` sees to that). Changing a registered object in place would,
on a legacy controller, put the new data on the old address for an instant, so it is never done: a new payload is a new
object (BlueZ, doc/org.bluez.LEAdvertisement.rst; kernel, net/bluetooth/hci_sync.c).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from bzd.errors import BusError
from bzd.protocols import ad
from bzd.radio.bus import Bus, BusObject

ADVERTISEMENT = "org.bluez.LEAdvertisement1"
ADVERTISING_MANAGER = "org.bluez.LEAdvertisingManager1"
INTERVAL_MS = (250, 270)
"""Least and greatest time between two frames; GAEN's Bluetooth Specification 1.2 asks for 200 to 270 ms. Only extended
advertising obeys, and with BlueZ 5.66 only where that has `Experimental = true`, else it sends every 1280 ms (not so in
5.82). A legacy controller sends every 100 to 150 ms whatever it is told (all measured)."""

REFRESH_S = 0.5
"""So long is waited before an advertisement is unregistered that bluetoothd has the kernel refresh, which is a few
commands to the controller (`Advertiser.refreshing`): with it BlueZ 5.66 outlived 41 of 41 times in the test bed."""
REFRESH_TRACKED = "5.73"
"""The first bluetoothd that is taken to survive it otherwise: the release after the mend was sent; 5.82 does."""

_OFFLOAD = "HardwareOffload"
"""BlueZ, doc/org.bluez.LEAdvertisingManager.rst: several advertisements at once, each with an address of its own."""
_ROOT = "/org/bzd/advertisement"


class Advertiser:
    """Registers one advertisement after the other on one adapter.

    Args:
        bus: a connection; it may come and go.
        adapter_path: D-Bus path of the adapter.
        on_released: called when BlueZ says that it gave up the advertisement by itself. It is to be unregistered all
            the same, since BlueZ was seen to revive one when the adapter came on again.
    """

    def __init__(self, bus: Bus, adapter_path: str, on_released: Callable[[], None]) -> None:
        self._bus = bus
        self._adapter_path = adapter_path
        self._on_released = on_released
        self._serial = itertools.count(1)
        self._path: str | None = None
        self._sent = False
        """BlueZ said that it advertises it, and there is something in it."""
        self._refreshing_until = 0.0
        self.tx_power: int | None = None
        """Power in dBm that BlueZ chose for the present advertisement, None where it does not say (legacy)."""

    @property
    def registered(self) -> bool:
        """Whether BlueZ may hold an advertisement of ours."""
        return self._path is not None

    @property
    def on_air(self) -> bool:
        """Whether BlueZ said that it advertises what it was given, and is not known to have ended it."""
        return self._sent

    async def extended(self) -> bool:
        """Whether the controller has extended advertising (Core specification 5.0), as BlueZ's manager tells.

        Raises:
            BusError: if BlueZ is gone.
        """
        manager = await self._bus.properties(self._adapter_path, ADVERTISING_MANAGER)
        return bool(manager.get("SupportedSecondaryChannels")) or _OFFLOAD in manager.get("SupportedFeatures", ())

    async def instances(self) -> int | None:
        """How many advertisements of all programs the adapter has; None where BlueZ does not say.

        Raises:
            BusError: if BlueZ is gone.
        """
        manager = await self._bus.properties(self._adapter_path, ADVERTISING_MANAGER)
        number = manager.get("ActiveInstances")
        return number if isinstance(number, int) else None

    async def register(self, data: bytes) -> None:
        """Advertise; `unregister` must have been called before.

        Args:
            data: advertising data without flags; its parts are handed to BlueZ, which builds the frame.

        Raises:
            BusError: if BlueZ refuses or is gone; whatever it may have kept is taken back first.
        """
        if self._path is not None:
            raise RuntimeError("the former advertisement is still registered")
        path = f"{_ROOT}/{next(self._serial)}"
        self._path, self.tx_power = path, None
        self._bus.export(path, self._object(path, data))
        try:
            await self._bus.call(self._adapter_path, ADVERTISING_MANAGER, "RegisterAdvertisement", "oa{sv}", path, {})
        except BaseException as error:
            # Refused: BlueZ holds nothing. Not answered: it may yet, so it stays registered for us until unregistered.
            if isinstance(error, BusError) and error.refused:
                self.forget()
            raise
        self._sent = bool(data) and self.registered  # or it was lost before its answer was read

    async def clear(self) -> None:
        """Make the kernel give up whatever an earlier program left there; nothing of ours may be registered.

        bluetoothd gives the next advertisement the place of one that it has forgotten and the kernel has not (see
        `unregister`). So the first to take it is an empty one, and its end empties the place.

        Raises:
            BusError: as `register` and `unregister`.
        """
        await self.register(b"")
        await self.unregister()

    def refreshing(self) -> None:
        """A bluetoothd before 5.73 has the kernel refresh what is registered: wait for it before unregistering.

        It does so when the adapter becomes discoverable, or is so no more, and does not take note of it: if the
        advertisement is unregistered meanwhile, it uses what it has freed, and dies (seen with 5.66; mended by
        "advertising: Fix assigning mgmt callback id when adding advertisement", sent to its list in February 2024).
        What is on air then stays there, under the public address, until there is a bluetoothd again. The wait goes
        when bookworm's 5.66 does.
        """
        self._refreshing_until = asyncio.get_running_loop().time() + REFRESH_S

    async def unregister(self) -> None:
        """Take the advertisement off the air; harmless if there is none.

        The adapter must be on: bluetoothd forgets the advertisement in any case, the kernel only then.

        Raises:
            BusError: if BlueZ cannot be told; the advertisement then counts as registered still.
        """
        loop = asyncio.get_running_loop()
        while (wait := self._refreshing_until - loop.time()) > 0 and self.registered:  # noqa: ASYNC110  until a time
            await asyncio.sleep(wait)
        if (path := self._path) is None:
            return
        try:
            await self._bus.call(self._adapter_path, ADVERTISING_MANAGER, "UnregisterAdvertisement", "o", path)
        except BusError as failure:
            # DoesNotExist after a restart of bluetoothd; UnknownObject or UnknownMethod when the adapter is gone.
            if not (failure.refused or failure.name.startswith("org.freedesktop.DBus.Error.Unknown")):
                raise
        self.forget()

    def forget(self) -> None:
        """BlueZ is known to hold nothing of ours any more."""
        if self._path is not None:
            self._bus.unexport(self._path)
            self._path, self._sent = None, False

    def _object(self, path: str, data: bytes) -> BusObject:
        def called(member: str) -> None:
            if member == "Release" and path == self._path:
                self._on_released()

        def told(name: str, value: Any) -> None:
            if name == "TxPower" and path == self._path:
                self.tx_power = value

        return BusObject(ADVERTISEMENT, properties(data), called, told)


def properties(data: bytes) -> dict[str, tuple[str, Any]]:
    """The properties of the LEAdvertisement1 that broadcasts advertising data: no name, no flags, not discoverable."""
    parts = ad.parse(data)
    shown: dict[str, tuple[str, Any]] = {
        "Type": ("s", "broadcast"),
        "MinInterval": ("u", INTERVAL_MS[0]),
        "MaxInterval": ("u", INTERVAL_MS[1]),
    }
    if parts.service_uuids:
        shown["ServiceUUIDs"] = ("as", list(parts.service_uuids))
    if parts.service_data:
        shown["ServiceData"] = ("a{sv}", {uuid: ("ay", raw) for uuid, raw in parts.service_data.items()})
    if parts.manufacturer_data:
        shown["ManufacturerData"] = (
            "a{qv}",
            {company: ("ay", raw) for company, raw in parts.manufacturer_data.items()},
        )
    return shown
