# SPDX-License-Identifier: Apache-2.0
"""The virtual radio as a test drives it: each method is a command of the control socket (`control.py`)."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

from tests.e2e.vhci import player
from tests.e2e.vhci.air import DEFAULT_DBM, Air, Beacon, Path
from tests.e2e.vhci.controller import Controller
from tests.e2e.vhci.device import Device
from tests.e2e.vhci.journal import Journal
from tests.e2e.vhci.scanning import Duplicates
from tests.e2e.vhci.wire import Frame, Kind, Status, address_bytes, address_text

_CREATION_S = 10.0
"""Seconds that the kernel may take to make a controller."""
_CROWD_PREFIX = 0x1A00
"""Upper two bytes of a crowd's addresses: the two highest bits 00 make them non-resolvable private ones."""


class Station:
    """Controllers on /dev/vhci and the air between them; arguments and results are JSON values.

    Controllers are named by a number that stays theirs when they are unplugged and come back.
    """

    def __init__(self, journal: Journal, *, extended: bool, duplicates: Duplicates) -> None:
        self._air = Air(journal)
        self._extended = extended
        self._duplicates = duplicates
        self._devices: dict[int, Device] = {}

    async def plug(self, number: int) -> dict[str, Any]:
        """Plug in the controller `number`; the answer has its `hci` index and public `address`."""
        device = Device()
        controller = Controller(
            medium=self._air,
            send=device.send,
            address=public_address(number),
            extended=self._extended,
            duplicates=self._duplicates,
        )
        device.connect(controller.receive)
        await asyncio.wait_for(device.created.wait(), _CREATION_S)
        controller.index = device.index
        self._devices[number], self._air.controllers[number] = device, controller
        controller.note("plugged")
        return {"hci": controller.index, "address": address_text(controller.address)}

    async def unplug(self, number: int) -> dict[str, Any]:
        """Pull the controller `number` out."""
        controller = self._air.controllers.pop(number)
        controller.reset()
        controller.note("unplugged")
        self._devices.pop(number).close()
        return {}

    async def link(self, sender: int, receiver: int, dbm: int | None, jitter_db: int = 0) -> dict[str, Any]:
        """Set how strongly one controller hears another; null is out of range."""
        self._air.link(sender, receiver, Path(dbm, jitter_db))
        return {}

    async def beacon(
        self,
        address: str,
        data: str,
        *,
        interval: float = 0.25,
        dbm: int | None = DEFAULT_DBM,
        jitter_db: int = 0,
        kind: str = "BROADCAST",
        random: bool = True,
    ) -> dict[str, Any]:
        """Put an advertiser without a host on air: data in hex, interval in seconds, kind a name of `Kind`."""
        frame = Frame(address_bytes(address), random, Kind[kind], bytes.fromhex(data))
        self._air.place(address, Beacon(frame, interval, Path(dbm, jitter_db)))
        return {}

    async def crowd(self, number: int, data: str, **properties: Any) -> dict[str, Any]:
        """Put `number` beacons on air, with addresses of their own; `data` is a format string with one number."""
        for each in range(number):
            await self.beacon(address_text(struct.pack("<IH", each, _CROWD_PREFIX)), data.format(each), **properties)
        return {}

    async def move(self, address: str, dbm: int | None, jitter_db: int = 0) -> dict[str, Any]:
        """Change how strongly a beacon is heard."""
        self._air.beacons[address].path = Path(dbm, jitter_db)
        return {}

    async def clear(self, address: str | None = None) -> dict[str, Any]:
        """Take one beacon off the air, or all."""
        for name in list(self._air.beacons) if address is None else [address]:
            self._air.remove(name)
        return {}

    async def play(self, file: str, speed: float = 1.0, longest_gap: float | None = None) -> dict[str, Any]:
        """Play a trace, with silences cut to `longest_gap` seconds, and answer when it is over."""
        gap_s = math.inf if longest_gap is None else longest_gap
        return asdict(await player.play(self._air, player.read(FilePath(file)), speed, gap_s))

    async def fail(self, number: int, opcode: int, status: str, times: int | None = None) -> dict[str, Any]:
        """Let a command of a controller fail with a status (a name of `Status`), so many times or for ever."""
        self._air.controllers[number].faults.failing[opcode] = (Status[status], times)
        return {}

    async def leak(self, number: int) -> dict[str, Any]:
        """Let a controller refuse random addresses for scanning."""
        self._air.controllers[number].faults.leaky = True
        return {}

    async def heal(self, number: int) -> dict[str, Any]:
        """Undo all faults of a controller."""
        faults = self._air.controllers[number].faults
        faults.leaky = False
        faults.failing.clear()
        return {}

    async def stats(self) -> dict[str, Any]:
        """What each controller does and has done, by number."""
        return {"controllers": {str(number): _stats(each) for number, each in self._air.controllers.items()}}

    async def on_air(self) -> dict[str, Any]:
        """All that controllers have sent, each frame once."""
        journal = self._air.journal
        return {"frames": list(journal.on_air()), "scan_requests": list(journal.scan_requests())}


def public_address(number: int) -> bytes:
    """The public device address of a controller, least significant byte first; 00:AA:.. is of no vendor."""
    return bytes([number, 0x00, 0x01, 0xE2, 0xAA, 0x00])


def _stats(controller: Controller) -> dict[str, Any]:
    sets: Sequence[Any] = list(controller.advertiser.sets.values())
    scanner = controller.scanner
    scan = {"on": scanner.enabled, "active": scanner.active, "filter": scanner.filtering, **scanner.settings}
    return {
        "hci": controller.index,
        "scan": scan,
        "heard": scanner.heard,
        "filtered": scanner.filtered,
        "scan_starts": scanner.starts,
        "reports": controller.reports,
        "advertising": [each.data.hex() for each in sets if each.enabled],
        "interval_ms": [each.interval_s * 1000 for each in sets if each.enabled],
        "unknown": [f"{opcode:#06x}" for opcode in sorted(controller.unknown)],
    }
