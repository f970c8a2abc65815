# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to bluetoothd, adapter or bus, a contact stays one; a pause is a gap; each thing is said once."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter

from tests.e2e.guest import ids, wall
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon
from tests.e2e.guest.faults import FAULTS, Fault
from tests.e2e.guest.listening import proximity_data

QUICK = False
LIMIT_S = 700.0

_NEIGHBOUR = "1A:00:00:00:00:01"
_NOON = 1_800_014_400.0
"""2027-01-15T12:00:00Z: no midnight cuts a contact."""
_BEHIND_S = 3.0
"""Seconds that the status may be behind what has happened: it is written every 2 s."""
_PAUSE_S = 5.0
_LINES_MAX = 5
"""Lines that one fault may be worth: what is wrong, and that it is over, of the scan and of the advertisement, and that
the adapter is switched off and on."""
_STOP_S = 2.0
_DIGITS = re.compile(r"\d+(\.\d+)?")


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    data = proximity_data(bytes(20)).hex()
    await bed.radio("beacon", address=_NEIGHBOUR, data=data, interval=0.25, jitter_db=4, kind="CONNECTABLE")
    with wall.put_right():
        wall.serve(_NOON)
        badge = Daemon("badge", "hci0")
        try:
            await badge.start()
            await badge.hear_more()
            rows = [(fault.name, *await _survive(bed, badge, fault)) for fault in FAULTS]
            paused = await _pause(bed, badge)
        finally:
            seconds = await badge.stop()
        bed.check(f"SIGTERM ends it within {_STOP_S:g} s", seconds <= _STOP_S, f"{seconds:.1f} s")
        bed.table(f"A running badge, {bed.kind} controller", ("after", "back in s", "lines of journal"), rows)
        _check_contacts(bed, badge, *paused)
        _check_said(bed, badge)
        await ids.check_once(bed, "the badge", revived=True)


async def _survive(bed: Bed, badge: Daemon, fault: Fault) -> tuple[str, int]:
    """Let a fault happen; seconds until the badge hears again, and how much it had to say about it."""
    said = len(badge.said())
    await fault.happen(bed)
    limit_s = fault.back_s + _BEHIND_S
    try:
        began = time.monotonic()
        await badge.until(_whole, limit_s)
        await badge.hear_more(3, limit_s)
        seconds = f"{time.monotonic() - began:.1f}"
    except TimeoutError as error:
        bed.check(f"{fault.name}: back within {limit_s:.3g} s", passed=False, detail=error)
        seconds = "never"
    lines = badge.said()[said:]
    bed.check(f"{fault.name}: told in few words", len(lines) <= _LINES_MAX, " / ".join(lines) or "none")
    return seconds, len(lines)


def _whole(status: dict[str, dict[str, object]]) -> bool:
    radio = status["radio"]
    return bool(radio["advertising"] and radio["scanning"] and not radio["troubles"])


async def _pause(bed: Bed, badge: Daemon) -> tuple[float, float]:
    """Pause and resume; wall times at which it was off the air for sure."""
    await badge.ask("pause")
    began = time.time()
    bed.check("paused, it is off the air", not (await bed.controller())["advertising"])
    await asyncio.sleep(_PAUSE_S)
    ended = time.time()
    await badge.ask("resume")
    await badge.hear_more()
    return began, ended


def _check_contacts(bed: Bed, badge: Daemon, paused: float, resumed: float) -> None:
    contacts = badge.contacts()
    bed.check("the faults cut no contact, the pause did", len(contacts) == 2, f"{len(contacts)} contacts")
    if len(contacts) == 2:
        before, after = contacts
        gap = before.end <= paused and after.start >= resumed
        bed.check("the pause is a gap", gap, f"{after.start - before.end:.1f} s")


def _check_said(bed: Bed, badge: Daemon) -> None:
    """No line comes once a second: none more often than faults were made."""
    counted = Counter(_DIGITS.sub("#", line) for line in badge.said())
    line, times = counted.most_common(1)[0]
    bed.check("nothing is said again and again", times <= len(FAULTS), f"{times} times: {line}")
    bed.check("no traceback", not any("Traceback" in line for line in badge.said()))
