# SPDX-License-Identifier: Apache-2.0
"""How much of what a controller hears reaches a program, and what that costs: one measurement, one row of a table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from tests.e2e.guest.bed import Bed
from tests.e2e.guest.cpu import Usage
from tests.e2e.guest.listening import crowd_data
from tests.e2e.guest.memory import Holding

INTERVAL_S = 0.25
"""Time between two adverts of a badge, as GAEN asks for (Bluetooth Specification 1.2: 200 to 270 ms)."""
JITTER_DB = 3
"""So much do the RSSI of a badge that lies still differ at least; Linux's threshold of 8 dB swallows it."""
_SETTLE_S = 3.0
"""Seconds of silence before and after, so that every report that was on its way has arrived when it is counted; and of
badges that are new, before it is counted how often one that is known is reported."""
_SETTLES_MAX = 5
"""So often is waited for reports that still come: on a busy machine they do, and `bzd run` tells every 2 s how many."""
_KEPT = 0.95
"""Part of what was heard that must arrive in the full mode. bluetoothd signals a device once per turn of its main
loop: on a machine that stands still for longer than the interval, two reports of a device become one."""
_SCANNED = 0.5
"""Part of what the badges send that a controller must hear in the full mode, in which it listens without a break: else
hardly anything was measured."""

HEADER = (
    *("mode", "duplicates by", "badges", "scan", "heard", "to the host", "to the program", "share"),
    *("per badge and minute", "program CPU %", "bluetoothd CPU %", "dbus-daemon CPU %"),
    *("RSS MB", "PSS MB"),
)


class Heard(Protocol):
    """What every scanner counts."""

    @property
    def callbacks(self) -> int:
        """Reports so far."""

    @property
    def pid(self) -> int:
        """The process that hears them."""


class Way(NamedTuple):
    """A way of scanning: by which program, in which mode, against which filter of duplicates."""

    name: str
    duplicates: str
    listen: Callable[[], AbstractAsyncContextManager[Heard]]


class Row(NamedTuple):
    """What a measurement found.

    Attributes:
        way: the way of scanning.
        badges: how many there were.
        sent: adverts that they sent meanwhile.
        heard: reports that came while the controller scanned.
        delivered: of these, handed to the host, and not held back by the filter of duplicates.
        callbacks: reports that reached the program.
        per_minute: of these, for each badge and minute, once every badge was known: the first report of each is extra.
            Of `bzd run`, which tells its count every 2 s, it may be wrong by a tenth.
        settings: how the kernel made the controller scan.
        usage: processor time.
        holding: memory and files of the program at the end.
    """

    way: Way
    badges: int
    sent: int
    heard: int
    delivered: int
    callbacks: int
    per_minute: float
    settings: str
    usage: Usage
    holding: Holding

    @property
    def cost(self) -> float:
        """Processor time of the program for a report that reached it; only its ratio to another's means something."""
        return self.usage.percent("program") / self.callbacks

    def cells(self) -> tuple[object, ...]:
        """As the table shows it."""
        share = self.callbacks / self.heard if self.heard else 0.0
        busy = [self.usage.percent(name) for name in ("program", "bluetoothd", "dbus-daemon")]
        counted = (self.heard, self.delivered, self.callbacks, f"{share:.1%}", f"{self.per_minute:.1f}")
        held = (self.holding.rss_mb, self.holding.pss_mb)
        return (self.way.name, self.way.duplicates, self.badges, self.settings, *counted, *busy, *held)


def check_full(bed: Bed, row: Row) -> None:
    """Check that there was something to hear, and that the full mode lost next to nothing and invented nothing."""
    passed = _SCANNED * row.sent <= row.heard and _KEPT * row.heard <= row.callbacks <= row.heard
    what = f"{row.way.name} hears {row.badges} badges whole (filter by {row.way.duplicates})"
    bed.check(what, passed, f"{row.callbacks} of {row.heard}, some {row.sent} were sent")


def check_heard(bed: Bed, row: Row) -> None:
    """Check that a mode which is sent few reports heard each badge, and invented nothing."""
    passed = row.badges <= row.callbacks <= row.heard
    what = f"{row.way.name} hears each of {row.badges} badges (filter by {row.way.duplicates})"
    bed.check(what, passed, f"{row.callbacks} of {row.heard}")


async def measure(bed: Bed, way: Way, badges: int, listen_s: float) -> Row:
    """Let so many badges be there, and count; for so many seconds once they are known."""
    async with way.listen() as heard:
        await asyncio.sleep(_SETTLE_S)
        before, callbacks, usage = await bed.controller(), heard.callbacks, Usage(heard.pid)
        data, began = crowd_data(), time.monotonic()
        await bed.radio("crowd", number=badges, data=data, interval=INTERVAL_S, dbm=-70, jitter_db=JITTER_DB)
        await asyncio.sleep(_SETTLE_S)
        known, started = heard.callbacks, time.monotonic()
        await asyncio.sleep(listen_s)
        per_minute = (heard.callbacks - known) / badges / (time.monotonic() - started) * 60
        usage.stop()
        holding = Holding.of(heard.pid)
        during = await bed.controller()
        await bed.radio("clear")
        sent = round(badges * (time.monotonic() - began) / INTERVAL_S)
        callbacks = await _settled(heard) - callbacks
        after = await bed.controller()
    counted = (after["heard"] - before["heard"], after["reports"] - before["reports"])
    return Row(way, badges, sent, *counted, callbacks, per_minute, _settings(during["scan"]), usage, holding)


async def _settled(heard: Heard) -> int:
    """How many reports have reached a program, once no more do."""
    count = heard.callbacks
    for _ in range(_SETTLES_MAX):
        await asyncio.sleep(_SETTLE_S)
        before, count = count, heard.callbacks
        if count == before:
            break
    return count


def _settings(scan: Mapping[str, Any]) -> str:
    if "window_ms" not in scan:
        return "none"
    kind = "active" if scan["active"] else "passive"
    return f"{kind} {scan['window_ms']:g}/{scan['interval_ms']:g} ms, filter {'on' if scan['filter'] else 'off'}"
