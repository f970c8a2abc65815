# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to bluetoothd, adapter or bus, a contact stays one; a pause is a gap; each thing is said once."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import NamedTuple

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
_LINES_MAX = 8
"""Lines that one fault may be worth: what is wrong, and that it is over, of the radio, the scan and the advertisement,
a second cause of the first, and that the adapter is switched off and on."""
_STOP_S = 2.0
_BRIDGED_S = 20.0
"""A gap that is shorter counts as presence: the tracker bridges 25 s, and what is measured here is not that exact."""
_SLACK_S = 15.0
"""Seconds by which a contact's duration may fall short of the time in which the badge could hear."""
_REPEAT_S = 600.0
"""A warning is told again after this at the earliest (`bzd.radio.recovery`)."""
_WARNING = " WARNING "
"""What stands before the words of a warning, where stderr is no journal."""
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
            began = time.monotonic()
            survived = [await _survive(bed, badge, fault) for fault in FAULTS]
            paused = await _pause(bed, badge)
        finally:
            seconds = await badge.stop()
        bed.check(f"SIGTERM ends it within {_STOP_S:g} s", seconds <= _STOP_S, f"{seconds:.1f} s")
        rows = [(fault.name, *each) for fault, each in zip(FAULTS, survived, strict=True)]
        header = ("after", "back in s", "deaf for s", "lines of journal")
        bed.table(f"A running badge, {bed.kind} controller", header, rows)
        _check_contacts(bed, badge, *paused, deaf_s=sum(each.deaf_s for each in survived))
        _check_said(bed, badge, time.monotonic() - began)
        await ids.check_once(bed, "the badge", revived=True)


class _Survived(NamedTuple):
    """How a badge got over a fault.

    Attributes:
        back: seconds from its end until the badge was whole, in words.
        deaf_s: seconds that no contact can stand for, since it heard nothing for so long.
        lines: how much it had to say about it.
    """

    back: str
    deaf_s: float
    lines: int


async def _survive(bed: Bed, badge: Daemon, fault: Fault) -> _Survived:
    """Let a fault happen, and wait until the badge hears again."""
    said, broken = len(badge.said()), time.monotonic()
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
    out_s = time.monotonic() - broken
    return _Survived(seconds, 0.0 if fault.hears or out_s < _BRIDGED_S else round(out_s, 1), len(lines))


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


def _check_contacts(bed: Bed, badge: Daemon, paused: float, resumed: float, *, deaf_s: float) -> None:
    contacts = badge.contacts()
    bed.check("the faults cut no contact, the pause did", len(contacts) == 2, f"{len(contacts)} contacts")
    if len(contacts) == 2:
        before, after = contacts
        gap = before.end <= paused and after.start >= resumed
        bed.check("the pause is a gap", gap, f"{after.start - before.end:.1f} s")
        whole_s = before.end - before.start
        least_s = whole_s - deaf_s - _SLACK_S
        what = "the contact stands for the time in which the badge could hear, and for no more"
        detail = f"{before.duration_s:.0f} s, {least_s:.0f} to {whole_s:.0f} s"
        bed.check(what, least_s <= before.duration_s <= whole_s + 1, detail)


def _check_said(bed: Bed, badge: Daemon, seconds: float) -> None:
    """Each kind of fault is told; no warning comes more often than every ten minutes, no other line than faults do."""
    warnings = Counter(line.partition(_WARNING)[2] for line in badge.said() if _WARNING in line)
    for text in sorted({fault.said for fault in FAULTS if fault.said}):
        bed.check(f"it is told: {text}", any(text in warning for warning in warnings))
    # Once more is granted for what the daemon, and not the radio, warns of: a clock that is lost with the bus.
    again = [warning for warning, times in warnings.items() if times > 2 + seconds / _REPEAT_S]
    bed.check("no warning is said again and again", not again, again or f"{len(warnings)} warnings in {seconds:.0f} s")
    counted = Counter(_DIGITS.sub("#", line) for line in badge.said())
    line, times = counted.most_common(1)[0]
    bed.check("nor is anything else", times <= len(FAULTS), f"{times} times: {line}")
    bed.check("no traceback", not any("Traceback" in line for line in badge.said()))
