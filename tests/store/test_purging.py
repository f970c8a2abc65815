# SPDX-License-Identifier: Apache-2.0
"""Purged days are gone from the disk, and nothing else is."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from bzd.errors import BusyError, InputError
from bzd.model import Contact, DailyKey
from bzd.store import backup, container, create, days, open_appender, open_reader, purge, purging
from bzd.store.findings import keep
from bzd.store.identity import Identity
from bzd.store.matched import ReadFile

MakeContact = Callable[..., Contact]
ReadAll = Callable[[Path], list[Contact]]
NOW = 18_600 * 86400.0


def fill(state: Path, make_contact: MakeContact, days: range = range(18_587, 18_590)) -> None:
    """Contacts and an own key on each of some days."""
    with open_appender(state) as appender:
        for day in days:
            appender.commit([make_contact(n, day=day) for n in range(40)])
            appender.add_keys([DailyKey("gaen", bytes(16), day * 86400.0, (day + 1) * 86400.0)])


def blobs(state: Path, table: str, day: int) -> list[bytes]:
    """Sealed keys or records of a day, as they lie in the file."""
    query = {
        "sealed_key": "SELECT sealed FROM sealed_key WHERE id >> 8 IN (SELECT id FROM segment WHERE day = ?)",
        "record": "SELECT sealed FROM record WHERE id >> 32 IN (SELECT id FROM segment WHERE day = ?)",
    }[table]
    connection = sqlite3.connect(state / "store.sqlite")
    found = [row[0] for row in connection.execute(query, (day,))]
    connection.close()
    return found


def on_disk(state: Path) -> bytes:
    """All bytes of the store's files."""
    return b"".join(path.read_bytes() for path in sorted(state.glob("store.sqlite*")))


def test_purged_day_is_gone_from_the_bytes_on_disk(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """No sealed key and no record of the day is left in the files, so that no identity opens it; other days stay."""
    fill(state, make_contact)
    gone = blobs(state, "sealed_key", 18_588) + blobs(state, "record", 18_588)
    kept = blobs(state, "sealed_key", 18_587) + blobs(state, "record", 18_589)
    assert (len(gone), all(blob in on_disk(state) for blob in gone)) == (2 + 41 + 4, True)
    result = purge(state, days=[date(2020, 11, 22)], now=NOW)
    assert (result.segments, result.records, result.days) == (2, 45, (date(2020, 11, 22),))
    assert not any(blob[:64] in on_disk(state) or blob[-64:] in on_disk(state) for blob in gone)
    assert all(blob in on_disk(state) for blob in kept)
    with open_reader(state, [identity]) as reader:
        assert {int(contact.start // 86400) for contact in reader.contacts()} == {18_587, 18_589}
        assert len(list(reader.keys())) == 2
        assert reader.problems == []
        assert reader.label == "badge seven"


def test_keys_are_gone_before_the_rows(state: Path, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that is cut off after its first step has destroyed the keys; the next appender clears up the rows."""
    fill(state, make_contact)
    keys, records = blobs(state, "sealed_key", 18_588), blobs(state, "record", 18_588)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr("bzd.store.purging.delete_segments", lambda *_: os._exit(7))
        purge(state, days=[date(2020, 11, 22)], now=NOW)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not any(blob[:64] in on_disk(state) for blob in keys)
    assert all(blob in on_disk(state) for blob in records)
    with open_appender(state):
        pass
    assert not any(blob[:64] in on_disk(state) for blob in records)


def test_purge_cut_off_before_its_checkpoint_is_completed_by_the_next_appender(
    state: Path, make_contact: MakeContact
) -> None:
    """Killed right after the keys were deleted, before the log was carried over: opening for appending does that."""
    fill(state, make_contact)
    keys = blobs(state, "sealed_key", 18_588)
    child = os.fork()
    if child == 0:
        purging._overwrite_log = lambda *_: os._exit(7)
        purge(state, days=[date(2020, 11, 22)], now=NOW)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert all(blob in on_disk(state) for blob in keys)
    with open_appender(state):
        assert not any(blob[:64] in on_disk(state) for blob in keys)


@pytest.mark.parametrize("matching", [False, True])
def test_no_page_keeps_a_stale_copy(
    tmp_path: Path, identity: Identity, make_contact: MakeContact, *, matching: bool
) -> None:
    """After weeks of days written, grown, removed and purged in any order, no file holds a byte run of what is gone.

    Nor on a badge that matches by itself, which writes what it found of all days anew each time.

    SQLite moves rows between pages as they fill and empty; a copy left behind would outlive its row's deletion.
    """
    rng, state = random.Random(7), tmp_path / "state"
    create(state, recipients=[identity.public, Identity.generate().public], label="x", now=0)
    ever: set[bytes] = set()
    for day in range(18_000, 18_060):
        with open_appender(state) as appender:
            handles = appender.commit([make_contact(n, day=day) for n in range(rng.randrange(2, 30))])
            ever |= {blob for table in ("sealed_key", "record") for blob in blobs(state, table, day)}
            appender.commit([make_contact(99, rng.randrange(1, 99), day=day)], remove=handles[::2])
        ever |= {blob for table in ("sealed_key", "record") for blob in blobs(state, table, day)}
        if matching:
            with open_reader(state, [identity]) as reader:
                keep(state, reader.findings(), [ReadFile(bytes(32), day * 86400.0, 0.0, 1)], {})
            ever |= {blob for each in range(18_000, day + 1) for blob in blobs(state, "sealed_key", each)}
        for gone in rng.sample(range(18_000, day + 1), rng.randrange(2)):
            purge(state, days=[date(1970, 1, 1) + timedelta(days=gone)], now=NOW)
    alive = {
        blob for table in ("sealed_key", "record") for day in range(18_000, 18_060) for blob in blobs(state, table, day)
    }
    data = on_disk(state)
    gone_blobs = ever - alive
    assert len(gone_blobs) > 500
    assert not any(blob[at : at + 48] in data for blob in gone_blobs for at in (0, 200, len(blob) - 48))


@pytest.mark.parametrize(
    ("before", "left"),
    [(18_587.0, [18_587, 18_588, 18_589]), (18_588.5, [18_588, 18_589]), (18_590.0, []), (None, [])],
)
def test_purge_takes_whole_days(
    state: Path, make_contact: MakeContact, read_all: ReadAll, before: float | None, left: list[int]
) -> None:
    """A time limit takes the days that ended by then; no limit takes all."""
    fill(state, make_contact)
    purge(state, before=None if before is None else before * 86400, now=NOW)
    assert sorted({int(contact.start // 86400) for contact in read_all(state)}) == left


def test_undated_segment_goes_by_the_next_dated_one(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """Contacts without a right clock are kept until the dated segment after them began by the limit."""
    with open_appender(state) as appender:
        appender.commit([make_contact(1, synced=False)])
        appender.commit([make_contact(2, day=18_590)])
    assert purge(state, before=18_590 * 86400 - 1.0, now=NOW).segments == 0
    result = purge(state, before=18_590 * 86400.0, now=NOW)
    assert (result.segments, result.undated, result.days) == (1, 1, ())
    assert read_all(state) == [make_contact(2, day=18_590)]


def test_appender_begins_another_segment_where_its_own_was_purged(
    state: Path, make_contact: MakeContact, read_all: ReadAll
) -> None:
    """Another process purges the day that a live appender writes: what it writes afterwards can be read."""
    with open_appender(state) as appender:
        grown, removed, untouched = appender.commit([make_contact(n) for n in range(3)])
        child = os.fork()
        if child == 0:
            purge(state, now=NOW)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        later = [make_contact(n) for n in range(9, 14)]
        appender.commit(later, replace={grown: make_contact(0, 5)}, remove=[removed])
        # Its row is long gone; a row of the same number in the new segment must not go in its place.
        appender.commit([make_contact(20)], remove=[untouched])
    assert read_all(state) == [make_contact(0, 5), *later, make_contact(20)]


def test_reader_in_the_way_is_named(state: Path, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that holds old pages makes the purge say that it is not complete; repeated, it is."""
    fill(state, make_contact)
    keys = blobs(state, "sealed_key", 18_588)
    monkeypatch.setattr(container, "BUSY_TIMEOUT_S", 0.05)
    with container.open_reader(state / "store.sqlite") as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM record").fetchall()
        with open_appender(state) as appender:
            appender.commit([make_contact(77)])
            with pytest.raises(BusyError, match="not complete"):
                purge(state, now=NOW)
    purge(state, now=NOW)
    assert not any(blob[:64] in on_disk(state) for blob in keys)


def test_limit_in_the_future_is_refused(state: Path) -> None:
    """A limit later than the clock means that one of them is wrong."""
    with pytest.raises(InputError, match="by this clock"):
        purge(state, before=NOW + 1, now=NOW)


def test_days_are_known_without_an_identity(state: Path, make_contact: MakeContact, tmp_path: Path) -> None:
    """Those with contacts or own keys, in order, of a state directory and of an exported file; none of a new store."""
    assert days(state) == ()
    fill(state, make_contact)
    backup(state, tmp_path / "copy.bzd")
    expected = tuple(date(1970, 1, 1) + timedelta(days=day) for day in range(18_587, 18_590))
    assert days(state) == days(tmp_path / "copy.bzd") == expected
