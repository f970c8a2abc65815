# SPDX-License-Identifier: Apache-2.0
"""What being discoverable leaves behind: an adapter that is connectable, on which the public address would be on air.

Whoever makes an adapter discoverable makes it connectable (BlueZ, src/adapter.c). Set back by hand, both end; but when
DiscoverableTimeout is over, 180 s as a rule, only the first does, and from then on the kernel sends each advertisement
connectably, under the public address (measured with Linux 6.1 and 6.12). BlueZ 5.82 shows that as Adapter1.Connectable,
and lets it be set; of 5.66 no client of the bus can learn it. There the adapter is made discoverable and at once not,
while nothing is advertised, which has the kernel told "not connectable". That goes when bookworm's 5.66 does; of the
rest no issue is known, and no version that does without.

bluetoothd leaves no adapter connectable when it starts, so that only what came since matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bzd.radio.adapter import ADAPTER, Adapter
from bzd.radio.bus import Bus

_SHOWN = ("Discoverable", "Connectable")


class Leftover:
    """Suspects an adapter of being connectable, and makes an end of it.

    Args:
        bus: a connection; it may come and go.
        adapter_path: D-Bus path of the adapter.

    Attributes:
        suspected: nothing may be advertised before `end`: of what came before this connection nothing is known.
        ending: whether what the adapter shows at present is the doing of `end`.
    """

    def __init__(self, bus: Bus, adapter_path: str) -> None:
        self._bus = bus
        self._path = adapter_path
        self._seen = False
        """The adapter was discoverable under our eyes: that it then is connectable needs nobody's mending but ours."""
        self._owed = False
        """It was made discoverable here, and is not known to be so no more."""
        self.suspected = True
        self.ending = False

    def saw(self, changed: Mapping[str, Any]) -> bool:
        """Properties of the adapter, as they are or change; whether they are the doing of `end`."""
        if self.ending:
            return not changed.keys().isdisjoint(_SHOWN)
        if changed.get("Discoverable") and not self._owed:
            self._seen = self.suspected = True
        return False

    @property
    def left_advertising(self) -> str:
        """Why a controller with extended advertising has to be off for an instant, in words; empty if it need not be.

        Becoming connectable beside an advertisement, Linux (6.1 and 6.12) begins another one there, instance 0, of
        nothing and under the public address, and ends it no more (`hci_update_connectable_sync` of
        net/bluetooth/hci_sync.c; measured; no issue is known, and no version that ends it).
        """
        return "it was discoverable, and goes on to show its public address" if self._seen else ""

    def excused(self, adapter: Adapter) -> Adapter:
        """The adapter without what `end` is going to mend."""
        connectable = None if self._seen else adapter.connectable
        return replace(adapter, connectable=connectable, discoverable=adapter.discoverable and not self._owed)

    async def end(self, adapter: Adapter) -> None:
        """Make the adapter not connectable, if it may be; nothing of ours may be registered.

        Args:
            adapter: how it shows itself.

        Raises:
            BusError: if that fails; the suspicion then stays.
        """
        self.ending = True
        try:
            if adapter.connectable is None:
                await self._discoverable_and_not()
            elif adapter.connectable:
                await self._set("Connectable", on=False)
        finally:
            self.ending = False
        self.suspected = self._seen = False

    async def _discoverable_and_not(self) -> None:
        self._owed = True
        try:
            await self._set("Discoverable", on=True)
        finally:
            await self._set("Discoverable", on=False)
            self._owed = False

    async def _set(self, name: str, *, on: bool) -> None:
        await self._bus.set_property(self._path, ADAPTER, name, ("b", on))
