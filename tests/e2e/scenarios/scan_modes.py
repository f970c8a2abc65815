# SPDX-License-Identifier: Apache-2.0
"""How many of the reports that a controller hears reach a program, in each way of scanning; full loses none."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, NamedTuple, Protocol

from bleak.exc import BleakError

from bzd.errors import BzdError
from tests.e2e.guest import bluez
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.cpu import Usage
from tests.e2e.guest.listening import MODES, Listening, proximity_data
from tests.e2e.guest.own import OwnScanner

QUICK = False
LIMIT_S = 600.0

_BADGES = 20
_INTERVAL_S = 0.25
_JITTER_DB = 3
"""So much do the RSSI of a badge that lies still differ at least; Linux's threshold of 8 dB swallows it."""
_SETTLE_S = 3.0
"""Seconds of silence before and after, so that every report that was on its way has arrived when it is counted."""
_LISTEN_S = 21.0
"""Two cycles of the kernel's active scan, 10.24 s each (DISCOV_LE_TIMEOUT)."""


class _Heard(Protocol):
    """What both scanners count."""

    @property
    def callbacks(self) -> int:
        """Reports so far."""


class _Way(NamedTuple):
    """A way of scanning: by which program, in which mode, against which filter of duplicates."""

    name: str
    duplicates: str
    listen: Callable[[], AbstractAsyncContextManager[_Heard]]


def _ways() -> list[_Way]:
    bare = [_Way(f"bleak {mode}", "data", partial(Listening, mode, "hci0")) for mode in MODES]
    own = [_Way(f"bzd {mode}", "data", partial(OwnScanner, mode, "hci0")) for mode in OwnScanner.MODES]
    return [*bare, *own, _Way("bzd full", "address", partial(OwnScanner, "full", "hci0"))]


class _Row(NamedTuple):
    """A line of the table."""

    way: _Way
    heard: int
    delivered: int
    callbacks: int
    seconds: float
    settings: str
    usage: Usage

    @property
    def share(self) -> float:
        """Part of what was heard that arrived."""
        return self.callbacks / self.heard if self.heard else 0.0

    def cells(self) -> tuple[object, ...]:
        """As the table shows it."""
        per_minute = self.callbacks / _BADGES / self.seconds * 60
        counted = (self.heard, self.delivered, self.callbacks, f"{self.share:.1%}", f"{per_minute:.1f}")
        busy = (self.usage.percent("python"), self.usage.percent("bluetoothd"), self.usage.percent("dbus-daemon"))
        return (self.way.name, self.way.duplicates, self.settings, *counted, *busy)


_HEADER = (
    *("mode", "duplicates by", "scan", "heard", "to the host", "to the program", "share", "per badge and minute"),
    *("program CPU %", "bluetoothd CPU %", "dbus-daemon CPU %"),
)


async def run(bed: Bed) -> None:
    """Run it."""
    rows = []
    for way in _ways():
        await bed.start(1, duplicates=way.duplicates)
        try:
            rows.append(await _measure(bed, way))
        except (BleakError, BzdError) as error:
            bed.check(f"{way.name} can be measured", passed=False, detail=error)
    title = f"{_BADGES} badges each {_INTERVAL_S * 1000:g} ms, +-{_JITTER_DB} dB, BlueZ {await bluez.version()}"
    bed.table(f"{title}, {bed.kind} controller", _HEADER, [row.cells() for row in rows])
    for row in rows:
        if row.way.name.endswith("full"):
            share = f"{row.callbacks} of {row.heard}"
            bed.check(f"{row.way.name} hears every report (filter by {row.way.duplicates})", row.share == 1.0, share)


async def _measure(bed: Bed, way: _Way) -> _Row:
    async with way.listen() as heard:
        await asyncio.sleep(_SETTLE_S)
        before, callbacks, started, usage = await bed.controller(), heard.callbacks, time.monotonic(), Usage()
        data = proximity_data(os.urandom(18)).hex() + "{:04x}"
        await bed.radio("crowd", number=_BADGES, data=data, interval=_INTERVAL_S, dbm=-70, jitter_db=_JITTER_DB)
        await asyncio.sleep(_LISTEN_S)
        usage.stop()
        during, seconds = await bed.controller(), time.monotonic() - started
        await bed.radio("clear")
        await asyncio.sleep(_SETTLE_S)
        after, callbacks = await bed.controller(), heard.callbacks - callbacks
    counted = (after["heard"] - before["heard"], after["reports"] - before["reports"])
    return _Row(way, *counted, callbacks, seconds, _settings(during["scan"]), usage)


def _settings(scan: Mapping[str, Any]) -> str:
    """How the kernel made the controller scan."""
    if "window_ms" not in scan:
        return "none"
    kind = "active" if scan["active"] else "passive"
    return f"{kind} {scan['window_ms']:g}/{scan['interval_ms']:g} ms, filter {'on' if scan['filter'] else 'off'}"
