# SPDX-License-Identifier: Apache-2.0
"""Watches bus, bluetoothd and adapter: whether they are there, and fit for a badge.

From signals, since bleak 3.1 tells of none of it: after a restart of bluetoothd its scan hears nothing for ever, and
says nothing (fduflyer/DroneAware-Node-Releases#89, SignalK/signalk-server#3057; with every BlueZ).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from bzd.errors import BusError, RadioError
from bzd.radio.adapter import ADAPTER, Adapter, check, privacy_setting
from bzd.radio.bus import BLUEZ, OBJECT_MANAGER, PROPERTIES, Bus, Signal
from bzd.radio.leftover import Leftover

REVIVE_AFTER_S = 60.0
"""A bluetoothd that somebody stopped stays so for this long; one that crashed is back after it."""

_DBUS = "org.freedesktop.DBus"
_CAME_OR_WENT = ("InterfacesAdded", "InterfacesRemoved")


class Loss(Enum):
    """What went away."""

    NOTHING = "nothing that was in use"
    ADAPTER = "the adapter alone"
    BLUETOOTHD = "bluetoothd, or the bus"


class Watch:
    """What is known of one adapter, kept up to date by signals so that looking costs nothing.

    Args:
        adapter: its name, for example `hci0`.
        main_conf: bluetoothd's configuration, for its Privacy setting; read whenever the adapter is looked at anew, as
            after a restart of bluetoothd.
        on_lost: told when something went away, or came back as another.
        on_changed: told interface and changed properties of the adapter's object.
    """

    def __init__(
        self,
        adapter: str,
        main_conf: Path,
        on_lost: Callable[[Loss], None],
        on_changed: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.bus = Bus(self._signal)
        self._adapter = adapter
        self._path = f"/org/bluez/{adapter}"
        self._main_conf = main_conf
        self._on_lost = on_lost
        self._on_changed = on_changed
        self._properties: dict[str, Any] | None = None
        """Of the adapter; None where they have to be read."""
        self._changes = 0
        """Signals about the adapter so far."""
        self._privacy = ""
        self._leftover = Leftover(self.bus, self._path)
        self._gone_since: float | None = None

    @property
    def powered(self) -> bool:
        """Whether the adapter is known to be on."""
        return self._properties is not None and bool(self._properties.get("Powered"))

    @property
    def properties(self) -> Mapping[str, Any]:
        """The adapter's properties; none where they have to be read, which `ready` does."""
        return self._properties or {}

    @property
    def fit(self) -> bool:
        """Whether a rolling ID may still go on air, as far as was told since `ready` and `settle`."""
        if self._properties is None or self.suspect:
            return False
        try:
            self._check(Adapter.from_properties(self._properties), broadcasting=True)
        except RadioError:
            return False
        return True

    @property
    def suspect(self) -> bool:
        """Whether the adapter may have been left connectable, so that nothing may be advertised before `settle`."""
        return self._leftover.suspected

    @property
    def left_advertising(self) -> str:
        """Why the kernel may advertise by itself until the adapter was off, in words; empty if it does not."""
        return self._leftover.left_advertising

    async def settle(self) -> None:
        """Have the adapter not connectable; after `ready`, and while nothing of ours is registered.

        Raises:
            BusError: if that fails.
        """
        await self._leftover.end(Adapter.from_properties(self.properties))
        if self._properties is not None:
            # What the adapter shows of that comes as signals, some of them only after the answer.
            self._properties.update(dict.fromkeys(self._properties.keys() & {"Discoverable", "Connectable"}, False))

    async def ready(self, *, broadcasting: bool) -> None:
        """Make sure of a bus and of an adapter that is there and on.

        Args:
            broadcasting: whether it must also be fit to broadcast on, see `bzd.radio.adapter.check`.

        Raises:
            RadioError: naming what is missing or unfit; the next call tries again.
        """
        await self._connect()
        while self._properties is None:
            # A change may be told before the task that waits for the older answer goes on; then that is asked again.
            seen = self._changes
            found = await self._read()
            if broadcasting:
                self._privacy = privacy_setting(self._main_conf)
            if seen == self._changes:
                self._leftover.saw(found)
                self._properties = found
        self._check(Adapter.from_properties(self._properties), broadcasting=broadcasting)

    def _check(self, adapter: Adapter, *, broadcasting: bool) -> None:
        if adapter.blocked:
            hint = f"`rfkill unblock bluetooth` lets adapter {self._adapter} on the air again"
            raise RadioError(f"adapter {self._adapter} is blocked by rfkill", hint)
        if not adapter.powered:
            hint = (
                "`bluetoothctl power on` turns it on, after `rfkill unblock bluetooth` where `rfkill` calls it blocked"
            )
            raise RadioError(f"adapter {self._adapter} is off", hint)
        if broadcasting:
            check(self._adapter, self._leftover.excused(adapter), self._privacy)

    async def _connect(self) -> None:
        if self.bus.connected:
            return
        self._lost(Loss.BLUETOOTHD)
        self._leftover.suspected = True
        await self.bus.connect(lambda: self._lost(Loss.BLUETOOTHD))
        try:
            await self._ask_for_signals()
        except BaseException:
            self.bus.close()  # or it would count as connected, and be deaf to every loss
            raise

    async def _ask_for_signals(self) -> None:
        await self.bus.watch(sender=_DBUS, member="NameOwnerChanged", arg0=BLUEZ)
        await self.bus.watch(sender=BLUEZ, interface=PROPERTIES, member="PropertiesChanged", path=self._path)
        for member in _CAME_OR_WENT:
            # Of this one path only: every stranger's device is an object too.
            await self.bus.watch(sender=BLUEZ, interface=OBJECT_MANAGER, member=member, arg0path=self._path)

    async def _read(self) -> dict[str, Any]:
        if await self.bus.owner(BLUEZ) is None:
            await self._revive()
            raise RadioError("bluetoothd is not running", "`systemctl start bluetooth` starts it")
        self._gone_since = None
        try:
            return await self.bus.properties(self._path, ADAPTER)
        except BusError as failure:
            if ".Error.Unknown" not in failure.name and ".Error.InvalidArgs" not in failure.name:
                raise
            hint = "`bluetoothctl list` shows the adapters; name another with radio.adapter"
            raise RadioError(f"there is no adapter {self._adapter}", hint) from failure

    async def _revive(self) -> None:
        """Have bluetoothd started once it was gone for long: Debian's unit is not restarted after a crash."""
        now = asyncio.get_running_loop().time()
        if self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since >= REVIVE_AFTER_S:
            self._gone_since = now
            with suppress(BusError):
                await self.bus.activate(BLUEZ)

    def _lost(self, loss: Loss) -> None:
        self._changes += 1
        used, self._properties = self._properties is not None, None
        self._on_lost(loss if used else Loss.NOTHING)

    def _signal(self, signal: Signal) -> None:
        if signal.member == "NameOwnerChanged" and signal.body[0] == BLUEZ:
            self._lost(Loss.BLUETOOTHD)
        elif signal.member in _CAME_OR_WENT and ADAPTER in signal.body[1]:
            self._lost(Loss.ADAPTER)
        elif signal.member == "PropertiesChanged" and signal.path == self._path:
            interface, changed = signal.body[0], signal.body[1]
            self._changes += 1
            if interface == ADAPTER and self._properties is not None:
                self._properties.update(changed)
            if not (interface == ADAPTER and self._leftover.saw(changed)):
                self._on_changed(interface, changed)
