# SPDX-License-Identifier: Apache-2.0
"""What a live badge writes and takes: `python tests/bench/bench_daemon.py [--hours 2] [--quiet] [--folder DIR]`.

The load is that of a crowded room: 20 neighbours whose rolling IDs change every 10 to 20 minutes, 20 reports a second
in all; with `--quiet` nobody is near. The badge is the daemon's, ticked once a second of a clock moved by hand, with a
status file a tick, which is twice as often as in earnest. Written is `write_bytes` of /proc/self/io: what it made the
kernel send to the disk, checkpoints included. What the disk took has the journal of its file system in it, and whatever
others write: it says something of a disk of its own. DIR must be on a disk, since a tmpfs writes nothing; the status
goes to /dev/shm, as it goes to /run on a badge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bzd.clock import Clock
from bzd.config import Config
from bzd.daemon import report, runtime
from bzd.daemon.badge import Badge
from bzd.daemon.keeper import Keeper
from bzd.daemon.pausing import Pausing
from bzd.daemon.retention import Retention
from bzd.daemon.surroundings import Surroundings
from bzd.daemon.timekeeping import TimeKeeper
from bzd.model import Advertisement, Identifier
from bzd.pipeline import Pipeline
from bzd.protocols import protocols
from bzd.radio.broadcast import Broadcast
from bzd.store import create, open_appender
from bzd.store.identity import Identity

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.written import Writeback, taken, written
from tests.daemon.stand_ins import BenchRadio, HandClock

_NEIGHBOURS = 20
_PER_SECOND = 20
_START = 1_606_003_200.0
"""Midnight UTC."""


def room(hours: float) -> Iterator[Advertisement]:
    """The reports of a crowded room, the same at every call."""
    rng = random.Random(20)
    encode = protocols()["gaen"].encode
    payloads = [(b"", 0.0)] * _NEIGHBOURS
    for number in range(int(hours * 3600 * _PER_SECOND)):
        now = _START + number / _PER_SECOND
        who = rng.randrange(_NEIGHBOURS)
        if now >= payloads[who][1]:
            payloads[who] = encode(Identifier("gaen", rng.randbytes(16), b"meta")), now + rng.uniform(600, 1200)
        yield Advertisement(now, "", "random", rng.randrange(-90, -50), payloads[who][0])


async def live(state: Path, folder: Path, advertisements: Iterator[Advertisement], hours: float) -> Keeper:
    """Run a badge through some hours."""
    clock, made, writeback = HandClock(_START, 0.0), list[BenchRadio](), Writeback(_START)

    async def right() -> bool:
        return True

    def make(_: Config, broadcast: Broadcast, sink: Callable[[Advertisement], None], clock: Clock) -> BenchRadio:
        made.append(BenchRadio(broadcast, sink, clock))
        return made[-1]

    with open_appender(state, live=True) as appender:
        keeping = TimeKeeper(clock, synchronised=True)
        keeper = Keeper(appender, keeping, Config().proximity.max_contacts_per_hour)
        around = Surroundings(clock, right, make, Pausing(state, None, keeping))
        badge = Badge(Config(), around, keeping, keeper, Retention(state, keeper, keeping))
        badge.start()
        await asyncio.sleep(0)
        waiting = next(advertisements, None)
        for _ in range(int(hours * 3600)):
            clock.pass_by(1.0)
            while waiting is not None and waiting.time < clock.now():
                made[0].sink(waiting)
                waiting = next(advertisements, None)
            await badge.tick()
            await badge.settled()
            writeback.at(clock.now())
            found = report.status(badge, keeping, state, 0.0, None)
            runtime.write(folder / runtime.STATUS_FILE, json.dumps(found))
        await badge.stop()
    return keeper


def main() -> None:
    """Print what it wrote in how much time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    hours: float = arguments.hours
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as disk,
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
    ):
        state = Path(disk) / "state"
        create(state, recipients=[Identity.generate().public], label="bench", now=_START)
        disk_before = taken(state)
        before, begun, peak = written()[0], time.process_time(), _peak_mib()
        asyncio.run(live(state, Path(memory), iter(()) if arguments.quiet else room(hours), hours))
        spent, sent = time.process_time() - begun, written()[0] - before
        disk_after, size = taken(state), report.store_bytes(state)
    begun = time.process_time()
    pipeline = Pipeline(Config())
    contacts = sum(1 for _ in pipeline.feed([] if arguments.quiet else room(hours))) + len(pipeline.finish())
    bare = time.process_time() - begun
    print(f"{hours:g} h, {pipeline.counts.reports} reports, {contacts} contacts, store of {size / 1e6:.2f} MB")
    print(_a_day("written", sent, hours))
    if disk_before is not None and disk_after is not None:
        print(_a_day("disk took", disk_after - disk_before, hours))
    print(f"CPU          {spent:8.2f} s, {spent / hours / 36:8.3f} % of a core; making and feeding alone {bare:.2f} s")
    print(f"memory       {_peak_mib():8.1f} MiB at most, {peak:.1f} MiB before it began")


def _a_day(what: str, of: int, hours: float) -> str:
    return f"{what:<12} {of / 1e6:8.2f} MB, {of / 1e6 / hours * 24:8.1f} MB a day"


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
