# SPDX-License-Identifier: Apache-2.0
"""Switching the adapter off and on: what helps when nothing gentler does.

It is done, if nobody else uses the adapter, when

- bluetoothd came back without having said goodbye, and what follows is refused: the kernel goes on with the discovery
  of a bluetoothd that was killed or lost the bus, up to 10.24 s from its start (DISCOV_LE_TIMEOUT), and refuses the
  next one as busy, and a legacy controller refuses a new address meanwhile. With extended advertising that scan keeps
  its address, by which a new rolling ID beside it would be linked to the one before. Switching it off ends that
  discovery. Seen with Linux 6.1 and 6.12; no issue is known, and no version that does without.
- something is refused for a minute; then after two, four, ... minutes, up to six hours. It mends controllers that lost
  their firmware's thread.
- for as long, bluetoothd was stuck in a discovery that the kernel has ended (bluez/bluez#807, `bzd.radio.scanner`):
  then nothing is refused, and nothing heard either. No longer needed with BlueZ 5.88.
- nothing at all was heard for four hours; then after eight, ... up to a day. A place without any Bluetooth device is
  rare, and being off the air for half a second then costs nothing.

Nothing of ours may be registered meanwhile: the kernel would send it again when the adapter comes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from bzd.errors import BusError
from bzd.radio.adapter import ADAPTER
from bzd.radio.advertiser import ADVERTISING_MANAGER
from bzd.radio.bus import OBJECT_MANAGER, Bus
from bzd.radio.recovery import Patience

STUCK_S, STUCK_MAX_S = 60.0, 6 * 3600.0
"""How long a refusal is borne, and a discovery in which bluetoothd is stuck."""
SILENT_S, SILENT_MAX_S = 4 * 3600.0, 24 * 3600.0
"""How long silence is borne, in spite of scans begun anew (`bzd.radio.listener.SILENCE_S`)."""
_DEVICE = "org.bluez.Device1"
_SWITCH_TIMEOUT_S = 8.0
"""The kernel gives a controller 2 s for each command, and some load their firmware anew when they come on."""
_PARTING_S = 0.1
"""Enough to send a call and not to wait for its answer."""


class Reset:
    """Decides when the adapter has to be switched off and on, and does it.

    Args:
        bus: a connection; it may come and go.
        adapter_path: D-Bus path of the adapter.

    Attributes:
        pending: bluetoothd is new to this process: what an earlier one left in the kernel may be in the way.
    """

    def __init__(self, bus: Bus, adapter_path: str) -> None:
        self._bus = bus
        self._path = adapter_path
        self.pending = True
        self._stuck_since: float | None = None
        self._done_at = float("-inf")
        self._stuck = Patience(STUCK_S, STUCK_MAX_S)
        self._silent = Patience(SILENT_S, SILENT_MAX_S)
        self._owed = False
        """The adapter was switched off here, and is not known to be on again."""
        self._switching: asyncio.Task[None] | None = None

    def bluetoothd_lost(self) -> None:
        """Bluetoothd, or the bus, went away."""
        self.pending = True

    def reason(self, now: float, *, stuck: bool, silent_since: float | None) -> str:
        """Why it is time to switch the adapter off and on, in words; empty if it is not.

        Args:
            now: on the event loop's clock.
            stuck: whether something is refused at present, or bluetoothd is stuck.
            silent_since: when something was last heard, on the same clock; None if that is no matter.
        """
        if not stuck:
            self.pending, self._stuck_since = False, None
            self._stuck.reset()
        elif self.pending:
            return "the kernel is still busy with what the former bluetoothd began"
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since >= self._stuck.limit_s:
            return f"it has been stuck for {now - self._stuck_since:.0f} s"
        return "" if silent_since is None else self._silence(now, silent_since)

    def _silence(self, now: float, since: float) -> str:
        if since > self._done_at:
            self._silent.reset()
        silent_s = now - max(since, self._done_at)
        return f"nothing was heard for {silent_s / 3600:.1f} hours" if silent_s >= self._silent.limit_s else ""

    def spend(self, now: float) -> None:
        """It was found to be time; the next is due later, whether or not this one can be."""
        if self.pending:
            self.pending = False
        elif self._stuck_since is not None:
            self._stuck.spent()
        else:
            self._silent.spent()
        self._stuck_since, self._done_at = None, now

    async def others(self, *, scan_is_ours: bool = False) -> str:
        """Who else uses the adapter, in words; empty if nobody does. Nothing of ours may be registered.

        Args:
            scan_is_ours: bluetoothd is stuck in a discovery of ours, which it goes on to show. It is so only where no
                other program has one: else it would not have asked the kernel to stop (`discovery_stop` of
                src/adapter.c).

        Raises:
            BusError: if BlueZ cannot be asked.
        """
        if not scan_is_ours and (await self._bus.properties(self._path, ADAPTER)).get("Discovering"):
            return "another program scans"
        if (await self._bus.properties(self._path, ADVERTISING_MANAGER)).get("ActiveInstances"):
            return "another program advertises"
        objects: dict[str, dict[str, dict[str, Any]]] = await self._bus.call("/", OBJECT_MANAGER, "GetManagedObjects")
        devices = (shown.get(_DEVICE, {}) for path, shown in objects.items() if path.startswith(f"{self._path}/"))
        return "a device is connected" if any(device.get("Connected") for device in devices) else ""

    async def switch(self) -> None:
        """Switch the adapter off and on; goes on if it is cancelled, until `finish`.

        Raises:
            BusError: if that fails; `repay` then turns it on when it can be.
        """
        self._switching = asyncio.get_running_loop().create_task(self._off_and_on())
        await asyncio.shield(self._switching)

    async def over(self) -> None:
        """Wait until an adapter that is being switched is on again; goes on if this is cancelled."""
        if self._switching is not None:
            with suppress(BusError):
                await asyncio.shield(self._switching)

    async def finish(self) -> None:
        """Wait until an adapter that is being switched is on again; if cancelled, bluetoothd is told so and no more."""
        if self._switching is not None:
            with suppress(BusError):
                await self._switching

    def came_on(self) -> None:
        """The adapter is on, whoever turned it on: nothing is owed any more."""
        self._owed = False

    async def repay(self) -> None:
        """Turn on an adapter that was left off here; harmless if none was.

        Raises:
            BusError: if that fails.
        """
        if self._owed and (self._switching is None or self._switching.done()):
            await self._set(on=True)
            self._owed = False

    async def _off_and_on(self) -> None:
        self._owed, limit_s = True, _SWITCH_TIMEOUT_S
        try:
            await self._set(on=False)
        except asyncio.CancelledError:
            limit_s = _PARTING_S
            raise
        finally:
            await self._set(on=True, limit_s=limit_s)
            self._owed = False

    async def _set(self, *, on: bool, limit_s: float = _SWITCH_TIMEOUT_S) -> None:
        await self._bus.set_property(self._path, ADAPTER, "Powered", ("b", on), timeout_s=limit_s)
