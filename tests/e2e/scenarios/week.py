# SPDX-License-Identifier: Apache-2.0
"""A week among twenty others, hurried: memory, processor time, files, threads and store of the daemon do not grow.

Each day it hears them and changes its ID, so that it is a week of work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon
from tests.e2e.guest.days import HEADER, Day, Days
from tests.e2e.guest.listening import crowd_data
from tests.e2e.guest.memory import check_memory

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 1500.0

_FACTOR = 1000.0
"""A day takes 86 s: the ID changes every second or so, and a change takes 0.3 s."""
_DAYS = 8
"""The first is for warming up: caches fill, and two days must pass until the first is deleted."""
_RETENTION_DAYS = 2
_MAX_GAP_S = 1500
"""The others' adverts come every half second, which are 500 s of the badge."""
_SETTLED = 3
"""From this day on nothing may grow: as many days are kept as ever will be."""
_BADGES = 20
_OTHERS_S = 1.2
"""Seconds until the others' IDs change: 20 minutes of the badge."""
_FORGET_S = 2
"""bluetoothd is not hurried: the 30 s after which it forgets a device would be 8 hours of the badge, in which a crowd
of twenty becomes 500. At least one advert must come in it."""
_INTERVAL_S = 0.5
"""From one advert of another to its next."""
_DAY_S = 86400.0 / _FACTOR
_HEARD = 0.25
"""Part of what the others send that must be heard each day: while the ID changes nothing is listened to, and of the
minutes for which it lasts a hurried badge has a second."""
_IDS_MIN = 24
"""IDs of a day at least; unhurried it takes 72 to 144."""
_COMPLAINTS = ("WARNING", "ERROR", "CRITICAL", "Traceback")
_COSTS = 1.2
"""By so much the last day may cost more than the first settled one."""
_MORE = 1.05
"""By so much may the last days exceed the first settled one."""


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1, forget_s=_FORGET_S)
    settings = (f"store.retention_days={_RETENTION_DAYS}", f"proximity.max_gap_s={_MAX_GAP_S}")
    badge = Daemon("badge", "hci0", *settings, hurry=_FACTOR)
    async with badge:
        crowd = asyncio.create_task(_others(bed))
        counted, days = Days(badge.pid, badge.status), []
        for _ in range(_DAYS):
            await asyncio.sleep(_DAY_S)
            days.append(counted.end())
        crowd.cancel()
    rows = [(number, *day) for number, day in enumerate(days, 1)]
    bed.table(f"A badge among {_BADGES}, {_FACTOR:g} times as fast", ("day", *HEADER), rows)
    _check_work(bed, days)
    _judge(bed, days[_SETTLED - 1 :])
    complaints = [line for line in badge.said() if any(word in line for word in _COMPLAINTS)]
    bed.check("it never complained", not complaints, complaints[-3:])


async def _others(bed: Bed) -> None:
    """Be there, under new IDs again and again."""
    while True:
        data = crowd_data()
        await bed.radio("crowd", number=_BADGES, data=data, interval=_INTERVAL_S, dbm=-60, jitter_db=6)
        await asyncio.sleep(_OTHERS_S)


def _check_work(bed: Bed, days: Sequence[Day]) -> None:
    """Without work nothing grows."""
    sent = _BADGES * _DAY_S / _INTERVAL_S
    reports, ids = min(day.reports for day in days), min(day.ids for day in days)
    bed.check("it hears the others each day", reports >= _HEARD * sent, f"{reports} of {sent:.0f} at least")
    bed.check("and changes its ID", ids >= _IDS_MIN, f"{ids} IDs at least")


def _judge(bed: Bed, days: Sequence[Day]) -> None:
    first, last = days[0], days[-1]
    check_memory(bed, "the badge", max(day.rss_mb for day in days))
    bed.check("memory does not grow", last.rss_mb <= first.rss_mb * _MORE, f"{first.rss_mb} MB, {last.rss_mb} MB")
    bed.check("a day costs as much as before", last.cpu_s <= first.cpu_s * _COSTS, f"{first.cpu_s}, {last.cpu_s} s")
    half = len(days) // 2
    earlier, later = days[:half], days[half:]
    for what, of in (("files", lambda day: day.files), ("threads", lambda day: day.threads)):
        most = max(map(of, earlier)), max(map(of, later))
        # A flush that is under way just then has one more.
        bed.check(f"{what} stay as many", most[1] <= most[0] + 1, most)
    # A day more or less is a third of it, and none is like another.
    sizes = max(day.store_kb for day in earlier), max(day.store_kb for day in later)
    bed.check("the store stays as large", sizes[1] <= sizes[0] * 1.3, [day.store_kb for day in days])
