# SPDX-License-Identifier: Apache-2.0
"""Two badges meet, walk apart and meet again, recorded by btmon: the recording is replayed to what both have stored.

`run --only recorded/extended --suite trixie --output DIR` leaves `meeting.btsnoop.gz` and, in `meeting.json`, what is
known of it; so `tests/traces/recordings` was made.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from pathlib import Path
from typing import Any

from tests.e2e.guest import bluez, ids, wall
from tests.e2e.guest.badge import BZD
from tests.e2e.guest.bed import Bed, ended
from tests.e2e.guest.daemon import Daemon

CONTROLLERS = ("extended",)
BY_NAME = True
LIMIT_S = 800.0

_MORNING = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""
_TRACE, _KNOWN = Path("/run/meeting.btsnoop"), Path("/run/meeting.json")
_PACKED = _TRACE.with_suffix(".btsnoop.gz")
_BYTES_MAX = 100 << 10
_NEAR, _FAR = (-80, -64, -52, -50, -51, -58, -78), (-84, -76, -70, -71, -70, -74, -84)
"""How strongly they hear each other, step by step: face to face, and then across the room."""
_STEP_S = 7.0
_APART_S = 390.0
"""Longer than `proximity.max_gap_s`, so two contacts; shorter than an ID lives, so only a pause changes it."""
_JITTER_DB = 3
_STOP_S = 10.0


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(2)
    with wall.put_right():
        wall.serve(_MORNING)
        await _hear(bed, None)
        monitor = await asyncio.create_subprocess_exec("btmon", "-w", str(_TRACE), stdout=asyncio.subprocess.DEVNULL)
        anna, ben = Daemon("anna", "hci0"), Daemon("ben", "hci1")
        try:
            await asyncio.gather(anna.start(), ben.start())
            known = await _walk(bed, anna)
        finally:
            await asyncio.gather(anna.stop(), ben.stop())
            monitor.terminate()
            await ended(monitor, _STOP_S)
        _KNOWN.write_text(json.dumps(known, indent=2) + "\n")
        _PACKED.write_bytes(gzip.compress(_TRACE.read_bytes(), mtime=0))
        for file in (_PACKED, _KNOWN):
            bed.leave(file)
        await _compare(bed, known, (anna, ben))


async def _walk(bed: Bed, anna: Daemon) -> dict[str, Any]:
    """Let them meet twice; when that was, and what each had on air then."""
    meetings = [await _meet(bed, _NEAR)]
    await anna.ask("pause")
    await asyncio.sleep(_APART_S / 2)
    await anna.ask("resume")
    await asyncio.sleep(_APART_S / 2)
    meetings.append(await _meet(bed, _FAR))
    return {"schema": "bzd.test.meeting/1", "meetings": meetings}


async def _meet(bed: Bed, strengths: tuple[int, ...]) -> dict[str, Any]:
    """One meeting; its bounds in UTC unix seconds, and the IDs that were on air in it."""
    start = time.time()
    for dbm in strengths:
        await _hear(bed, dbm)
        await asyncio.sleep(_STEP_S)
    shown = [rolling_id.hex() for number in (0, 1) for rolling_id in await ids.now(bed, number)]
    await _hear(bed, None)
    return {"start": round(start, 3), "end": round(time.time(), 3), "rolling_ids": shown}


async def _hear(bed: Bed, dbm: int | None) -> None:
    for sender, receiver in ((0, 1), (1, 0)):
        await bed.radio("link", sender=sender, receiver=receiver, dbm=dbm, jitter_db=_JITTER_DB)


async def _compare(bed: Bed, known: dict[str, Any], badges: tuple[Daemon, ...]) -> None:
    expected = sorted((number, each) for number, met in enumerate(known["meetings"]) for each in met["rolling_ids"])
    stored = [contact for badge in badges for contact in badge.contacts()]
    bed.check("both stores together have the contacts of the walk", len(stored) == len(expected), len(stored))
    lines = (await bluez.run(BZD, "replay", "--jsonl", str(_PACKED))).splitlines()
    replayed = [json.loads(line) for line in lines if line.startswith("{")]
    found = sorted((each["rolling_id"], each["sightings"]) for each in replayed)
    same = found == sorted((contact.rolling_id.hex(), contact.sightings) for contact in stored)
    bed.check("and so has the recording", same, f"{len(found)}: {sum(number for _, number in found)} sightings")
    size = _PACKED.stat().st_size
    bed.check("it is small", size <= _BYTES_MAX, f"{size} bytes")
