# SPDX-License-Identifier: Apache-2.0
"""What the store writes and how fast it is: `python tests/bench/bench_store.py [--hours 2] [--folder DIR]`.

The load is that of a crowded room: 20 neighbours whose rolling IDs change every 10 to 20 minutes, 20 sightings a second
in all, through the tracker. Each way of storing runs in a process of its own, and what it wrote is taken from
/proc/self/io: `write_bytes` is what it made the kernel send to the disk (checkpoints included), `wchar` what it passed
to write(2). DIR must be on a disk, since a tmpfs writes nothing, and idle, since what others write is waited for.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Contact, ScanInstance, Sighting
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker
from bzd.store import Handle, create, open_appender, open_reader
from bzd.store.identity import Identity

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.written import Writeback, written

_NEIGHBOURS = 20
_PER_SECOND = 20
_START = 1_606_003_200.0
"""Midnight UTC, so that the hours measured lie within one day."""
_MIB = 1 << 20

ContactKey = tuple[str, bytes, float]
Store = Callable[[Path, Iterator[Sighting]], None]


def room(hours: float) -> Iterator[Sighting]:
    """The sightings of a crowded room, the same at every call."""
    rng = random.Random(20)
    ids = [(rng.randbytes(16), rng.randbytes(4), _START + rng.uniform(0, 1200)) for _ in range(_NEIGHBOURS)]
    for number in range(int(hours * 3600 * _PER_SECOND)):
        now = _START + number / _PER_SECOND
        who = rng.randrange(_NEIGHBOURS)
        if now >= ids[who][2]:
            ids[who] = (rng.randbytes(16), rng.randbytes(4), now + rng.uniform(600, 1200))
        yield Sighting(now, "gaen", ids[who][0], ids[who][1], rng.randrange(-90, -50))


def per_sighting(folder: Path, sightings: Iterator[Sighting]) -> None:
    """What several peers do: a row of clear text for each sighting, each its own transaction (WAL, FULL)."""
    connection = sqlite3.connect(folder / "peer.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE advertisements (rpi BLOB, aem BLOB, time REAL, rssi INTEGER)")
    for sighting in sightings:
        row = (sighting.rolling_id, sighting.metadata, sighting.time, sighting.rssi)
        connection.execute("INSERT INTO advertisements VALUES (?, ?, ?, ?)", row)
    connection.close()


def sealed(flush_s: float, *, live: bool = False) -> Store:
    """The sealed store with contacts in progress flushed every so many seconds; 0 stores only contacts that ended."""

    def store(folder: Path, sightings: Iterator[Sighting]) -> None:
        create(folder / "state", recipients=[Identity.generate().public], label="bench", now=_START)
        tracker = Tracker(ProximityConfig(), Ranging(RangingConfig()))
        written: dict[ContactKey, Handle] = {}
        due, writeback = _START + flush_s, Writeback(_START)
        with open_appender(folder / "state", live=live) as appender:

            def flush(ended: Sequence[Contact], growing: Sequence[Contact] = ()) -> None:
                both = [(_key(contact), contact) for contact in [*ended, *growing]]
                new = [(key, contact) for key, contact in both if key not in written]
                known = {written[key]: contact for key, contact in both if key in written}
                handles = appender.commit([contact for _, contact in new], replace=known)
                written.update(zip((key for key, _ in new), handles, strict=True))
                for contact in ended:
                    written.pop(_key(contact), None)

            waiting: list[Contact] = []
            for sighting in sightings:
                waiting += tracker.feed(sighting)
                writeback.at(sighting.time)
                if flush_s and sighting.time >= due:
                    flush(waiting, [contact for _, contact in tracker.open_contacts()])
                    waiting, due = [], due + flush_s
                elif not flush_s and waiting:
                    flush(waiting)
                    waiting = []
            flush([*waiting, *tracker.finish()])

    return store


def _key(contact: Contact) -> ContactKey:
    return contact.protocol, contact.rolling_id, contact.start


def measure(store: Store, hours: float, parent: Path) -> tuple[int, int, float]:
    """Bytes sent to the disk, bytes passed to write(2) and CPU seconds of storing those hours, in a fresh process."""
    results: multiprocessing.Queue[tuple[int, int, float]] = multiprocessing.get_context("fork").Queue()

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            before, cpu = written(), time.process_time()
            store(Path(folder), room(hours))
            after = written()
            results.put((after[0] - before[0], after[1] - before[1], time.process_time() - cpu))

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    result = results.get()
    child.join()
    return result


def writes(hours: float, parent: Path) -> None:
    """Print what each way of storing writes."""
    sightings = hours * 3600 * _PER_SECOND
    print(f"{sightings:,.0f} sightings of {_NEIGHBOURS} neighbours, {hours:g} h")
    print(f"{'way of storing':<46}{'KiB per 1000 sightings':>24}{'write(2)':>12}{'a day of this':>16}{'ratio':>8}")
    ways: list[tuple[str, Store, float]] = [
        ("peer: clear row a sighting, a commit each", per_sighting, min(hours, 0.1)),
        ("bzd run: contacts in progress every 50 s", sealed(50, live=True), hours),
        ("all in SQLite, every 50 s", sealed(50), hours),
        ("all in SQLite, every 300 s", sealed(300), hours),
        ("bzd replay: contacts once they end", sealed(0), hours),
    ]
    base = 0.0
    for name, store, duration in ways:
        disk, passed, _ = measure(store, duration, parent)
        thousands = duration * 3600 * _PER_SECOND / 1000
        day = disk / duration * 24 / _MIB
        base = base or disk / thousands
        print(
            f"{name:<46}{disk / thousands / 1024:>24,.1f}{passed / thousands / 1024:>12,.1f}"
            f"{day:>11,.0f} MiB{base * thousands / disk:>7,.0f}x"
        )


def speed(parent: Path) -> None:
    """Print how long sealing and opening 10,000 contacts takes, best of three."""
    scans = tuple(ScanInstance(60.0 * at, 60.0, 20, -60.0, -50) for at in range(5))
    contacts = [
        Contact(
            "gaen", number.to_bytes(16, "big"), b"meta", _START + number, _START + number + 300, 0.0, 1.5, True, scans
        )
        for number in range(10_000)
    ]
    best = [float("inf"), float("inf")]
    for _ in range(3):
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            state, identity = Path(folder) / "state", Identity.generate()
            create(state, recipients=[identity.public], label="bench", now=_START)
            begun = time.process_time()
            with open_appender(state) as appender:
                appender.commit(contacts)
            best[0] = min(best[0], time.process_time() - begun)
            begun = time.process_time()
            with open_reader(state, [identity]) as reader:
                if sum(1 for _ in reader.contacts()) != len(contacts):
                    raise SystemExit("contacts were lost")
            best[1] = min(best[1], time.process_time() - begun)
            size = (state / "store.sqlite").stat().st_size
    print(f"10,000 contacts of 5 instances: sealed in {best[0]:.2f} s, opened in {best[1]:.2f} s of CPU, best of 3")
    print(f"{size / len(contacts):,.0f} bytes of file a contact")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="hours of data for each way")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to write, on a disk")
    options = parser.parse_args()
    os.sync()
    writes(options.hours, options.folder)
    speed(options.folder)


if __name__ == "__main__":
    main()
