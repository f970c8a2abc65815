# SPDX-License-Identifier: Apache-2.0
"""The power fails while `bzd run` has contacts in progress: at most their last minute is lost, and it goes on.

Before that it is measured what is written among twenty others, one of whom changes its ID every fifty seconds: as often
as it happens in a room where each does so every ten to twenty minutes.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from tests.e2e.guest import bluez, wall
from tests.e2e.guest.bed import JOB, Bed
from tests.e2e.guest.daemon import Daemon
from tests.e2e.guest.listening import proximity_data
from tests.e2e.guest.memory import Holding

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 1000.0

_HOME = Path("/var/lib/bzd")
_NOON = 1_800_014_400.0
"""2027-01-15T12:00:00Z."""
_BADGES = 20
_CHANGES = 13
"""So many of them change their IDs while it is measured: 1000 s from one change of a badge to its next."""
_KEPT = _BADGES + _CHANGES
"""Contacts: one of each ID."""
_INTERVAL_S = 1.0
"""Twenty sightings a second in all."""
_SETTLE_S = 65.0
"""Everybody has a contact by then, and it was written once; the first flush also makes the segment."""
_MEASURE_S = 650.0
"""Thirteen flushes (`daemon.badge.FLUSH_S`), with one of which what is recent goes into the store."""
_CUT_AFTER_S = 22.0
"""The next is some seconds away then."""
_HEARD_MIN = 0.9
"""Part of their adverts that must be heard while it is measured; for less, less would be written."""
_LOST_MAX_S = 60.0
_DAY_S = 86400.0
_MB_A_DAY = 50.0
_SECTOR = 512
_DISK = Path("/sys/block/vdc/stat")
_MOMENT = JOB / "cut"


async def run(bed: Bed) -> None:
    """Be among twenty others until the power fails."""
    await bed.start(1)
    wall.serve(_NOON)
    badge = Daemon("badge", "hci0", home=_HOME)
    await badge.start()
    for number in range(_BADGES):
        await _other(bed, number)
    await asyncio.sleep(_SETTLE_S)
    await bluez.run("sync")
    disk, written, heard = _sectors(), Holding.of(badge.pid).written_bytes, badge.callbacks
    began = time.monotonic()
    for number in range(_CHANGES):
        await _other(bed, number)
        await asyncio.sleep(_MEASURE_S / _CHANGES)
    rate, sent = (badge.callbacks - heard) / (time.monotonic() - began), _BADGES / _INTERVAL_S
    bed.check(f"{sent:g} sightings a second are heard meanwhile", rate >= _HEARD_MIN * sent, f"{rate:.1f}")
    _check_written(bed, "the process writes", Holding.of(badge.pid).written_bytes - written)
    await bluez.run("sync")
    _check_written(bed, "the disk takes", (_sectors() - disk) * _SECTOR)
    await asyncio.sleep(_CUT_AFTER_S)
    _MOMENT.write_text(str(time.time()))
    bed.cut()
    await asyncio.sleep(_LOST_MAX_S)


async def _other(bed: Bed, number: int) -> None:
    """Be there as one of them, under a new ID."""
    data = proximity_data(os.urandom(20)).hex()
    await bed.radio("beacon", address=f"1A:00:00:00:00:{number:02X}", data=data, interval=_INTERVAL_S, jitter_db=3)


async def after_cut(bed: Bed) -> None:
    """Look at what is left, and let the badge go on."""
    cut = float(_MOMENT.read_text())
    badge = Daemon("badge", "hci0", home=_HOME)
    problems = badge.problems()
    bed.check("the store opens without a complaint", not problems, problems or "no problems")
    contacts, keys = badge.contacts(), badge.keys()
    bed.check("everybody's contacts are there", len(contacts) == _KEPT, len(contacts))
    last = sorted(contact.end for contact in contacts)[-_BADGES:]
    lost = cut - min(last, default=0.0)
    bed.check(f"at most {_LOST_MAX_S:g} s are lost", lost <= _LOST_MAX_S, f"{lost:.1f} s")
    bed.check("they are dated", all(contact.synced for contact in contacts))
    await bed.start(1)
    with wall.put_right():
        wall.serve(_NOON + 3600.0)
        async with badge:
            data = proximity_data(bytes(20)).hex()
            await bed.radio("beacon", address="1A:00:00:00:00:99", data=data, interval=0.25, jitter_db=3)
            await badge.hear_more()
    bed.check("the badge goes on in it", len(badge.contacts()) == _KEPT + 1, len(badge.contacts()))
    bed.check("under a new key", len(badge.keys()) == len(keys) + 1, len(badge.keys()))


def _check_written(bed: Bed, what: str, written: int) -> None:
    mb = written / _MEASURE_S * _DAY_S / 1e6
    bed.check(f"{what} at most {_MB_A_DAY:g} MB a day", mb <= _MB_A_DAY, f"{mb:.1f} MB")


def _sectors() -> int:
    """Sectors written to the disk so far (Documentation/block/stat.rst)."""
    return int(_DISK.read_text().split()[6])
