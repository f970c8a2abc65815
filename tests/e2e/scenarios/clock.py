# SPDX-License-Identifier: Apache-2.0
"""Started in 1970, set right, forward and back by days: contacts end up with right times, durations never change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from tests.e2e.guest import ids, wall
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon
from tests.e2e.guest.listening import proximity_data

QUICK = False
LIMIT_S = 400.0

_NEIGHBOUR = "1A:00:00:00:00:01"
_WRONG = 3600.0
"""1970-01-01T01:00:00Z: what a Pi without a clock begins with."""
_RIGHT = 1_800_010_800.0
"""2027-01-15T11:00:00Z: no midnight is near, at which a contact would be cut."""
_DAY_S = 86400.0
_FLUSHED_S = 55.0
"""Longer than a contact in progress waits to be written (`daemon.badge.FLUSH_S`)."""
_STEPS = (("forward by three days", 3 * _DAY_S), ("back by two days", -2 * _DAY_S), ("forward by an hour", 3600.0))
_EXACT_S = 1.0


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    with wall.put_right():
        await wall.set_by_hand(_WRONG)
        badge = Daemon("badge", "hci0")
        try:
            began = await _start_wrong(bed, badge)
            unsure, sure = await ids.now(bed), []
            await _set_right(bed, badge)
            sure += await ids.now(bed)
            for name, seconds in _STEPS:
                wall.pass_by(seconds)
                await badge.hear_more(40)
                bed.check(f"{name}: the clock is trusted on", badge.status()["clock"]["synced"])
                sure += await ids.now(bed)
            unsure += await _set_by_hand(bed, badge)
            sure += await ids.now(bed)
            shift_s = time.time() - wall.boottime()
        finally:
            await badge.stop()
        ended = wall.boottime()
        _check_contact(bed, badge, began + shift_s, ended + shift_s)
        await ids.check_once(bed, "the badge")
        _check_keys(bed, badge, sure, unsure)


async def _start_wrong(bed: Bed, badge: Daemon) -> float:
    """Start, and meet somebody; the boottime of the meeting."""
    await badge.start()
    bed.check("1970 is not believed", not badge.status()["clock"]["synced"])
    await bed.radio("beacon", address=_NEIGHBOUR, data=proximity_data(bytes(20)).hex(), interval=0.25, jitter_db=4)
    began = wall.boottime()
    await asyncio.sleep(_FLUSHED_S)
    await badge.hear_more()
    return began


async def _set_right(bed: Bed, badge: Daemon) -> None:
    before = badge.rotations
    wall.serve(_RIGHT)
    seconds = await badge.until(lambda status: status["clock"]["synced"])
    bed.check("a time server is noticed", passed=True, detail=f"{seconds:.1f} s")
    await badge.until(lambda _: badge.rotations > before)
    await asyncio.sleep(_FLUSHED_S)


async def _set_by_hand(bed: Bed, badge: Daemon) -> list[bytes]:
    """A wrong time by hand, which nobody vouches for, and then the right one again; the IDs that were on air then."""
    right, before = time.time() - wall.boottime(), badge.rotations
    await wall.set_by_hand(time.time() - 7 * _DAY_S)
    await badge.until(lambda status: not status["clock"]["synced"] and badge.rotations > before)
    await badge.hear_more()
    unsure = await ids.now(bed)
    wall.serve(right + wall.boottime())
    await badge.until(lambda status: status["clock"]["synced"])
    await badge.hear_more(40)
    bed.check("a clock set by hand is not believed, the time server's is again", badge.status()["clock"]["synced"])
    return unsure


def _check_contact(bed: Bed, badge: Daemon, start: float, end: float) -> None:
    contacts = badge.contacts()
    if not bed.check("one contact through all of it", len(contacts) == 1, [each.start for each in contacts]):
        return
    contact = contacts[0]
    found = f"{contact.start - start:+.2f} s, {contact.end - end:+.2f} s"
    right = abs(contact.start - start) <= _EXACT_S and abs(contact.end - end) <= _EXACT_S
    bed.check("it has the times of the clock that was right at last", right and contact.synced, found)
    length = contact.duration_s - (end - start)
    # Both ends may be off by that: it hears its neighbour a little later, and ends a little after it heard it last.
    bed.check("its duration is what really passed", abs(length) <= 2 * _EXACT_S, f"{length:+.2f} s")


def _check_keys(bed: Bed, badge: Daemon, sure: Sequence[bytes], unsure: Sequence[bytes]) -> None:
    """What is exported are the keys of the right clock; an ID that was on air between two ticks may be of neither."""
    lacking = ids.unexplained(sure, badge.keys())
    explained = bool(sure) and not lacking
    bed.check("the IDs of the right clock are of exported keys", explained, f"{len(lacking)} of {len(sure)} are not")
    hidden = ids.unexplained(unsure, badge.keys())
    bed.check("those of a wrong one are not", len(hidden) == len(unsure) > 0, f"{len(hidden)} of {len(unsure)}")
