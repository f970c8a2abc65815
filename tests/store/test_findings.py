# SPDX-License-Identifier: Apache-2.0
"""Keeping what matching found: sealed, as a whole, beside an appender, and gone with the days that it concerns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from bzd.errors import BusyError
from bzd.model import Contact
from bzd.store import create, open_appender, open_reader, purge
from bzd.store import state as layout
from bzd.store.findings import Findings, exclusively, keep
from bzd.store.identity import Identity
from bzd.store.matched import MatchedKey, ReadFile
from bzd.store.records import ClockAnchor
from tests.store.conftest import DAY, NOW
from tests.store.test_thief import encodings

MakeContact = Callable[..., Contact]
KEY = MatchedKey("gaen", bytes(range(60, 76)), DAY * 144, 144, 1, 2, None, revised=False, found=NOW)
FILE = ReadFile(bytes(range(32)), NOW, NOW - 3600, 9)
OLD_BOOT = ClockAnchor(bytes(16), 10.0, 20.0, synced=False)


def read(state: Path, identity: Identity) -> Findings:
    """What is in the store."""
    with open_reader(state, [identity]) as reader:
        return reader.findings()


def segments(state: Path) -> list[tuple[int, int, int | None]]:
    """Number, purpose and day of each segment with a day, or of findings."""
    with closing(sqlite3.connect(state / "store.sqlite")) as connection:
        rows = connection.execute("SELECT id, purpose, day FROM segment WHERE purpose IN (1, 6) ORDER BY id")
        return [(row[0], row[1], row[2]) for row in rows]


@pytest.fixture
def heard(state: Path, make_contact: MakeContact) -> Path:
    """A state directory with contacts of three days."""
    with open_appender(state) as appender:
        appender.commit([make_contact(n, day=DAY - n) for n in range(3)])
    return state


def test_nothing_is_found_at_first(heard: Path, identity: Identity) -> None:
    """A store from before there were findings opens, and says which contacts there are."""
    seen = read(heard, identity)
    assert (seen.files, seen.keys, seen.segments, seen.whole) == ((), {}, (), True)
    assert [day for _, day in seen.contacts] == [DAY, DAY - 1, DAY - 2]


def test_kept_and_read_again(heard: Path, identity: Identity) -> None:
    """What is kept comes back, and what is kept next replaces it; every day of contacts has a segment."""
    more = [KEY._replace(key=bytes([n] * 16)) for n in range(12)]
    first = keep(heard, read(heard, identity), [FILE], {DAY: [KEY], DAY - 1: more})
    found = read(heard, identity)
    assert (found.files, found.keys, found.whole) == ((FILE,), {DAY - 2: [], DAY - 1: more, DAY: [KEY]}, True)
    assert found.segments == first.segments
    keep(heard, found, [FILE], {DAY - 2: [KEY]})
    assert read(heard, identity).keys == {DAY - 2: [KEY], DAY - 1: [], DAY: []}
    with open_reader(heard, [identity]) as reader:
        assert len(list(reader.contacts())) == 3
        assert (reader.problems, reader.damaged) == ([], 0)


def test_a_thief_cannot_tell_whether_a_case_was_met(tmp_path: Path, make_contact: MakeContact) -> None:
    """Two badges that read the same file, of which one met the case, look the same; the key is nowhere readable."""
    shapes = []
    badges: list[tuple[str, dict[int | None, list[MatchedKey]]]] = [("met", {DAY - 1: [KEY]}), ("alone", {})]
    for name, keys in badges:
        owner = Identity.generate()
        state = tmp_path / name
        create(state, recipients=[owner.public], label="same", now=0.0)
        with open_appender(state) as appender:
            appender.commit([make_contact(n, day=DAY - n) for n in range(3)])
        keep(state, read(state, owner), [FILE], keys)
        with closing(sqlite3.connect(state / "store.sqlite")) as connection:
            rows = connection.execute("SELECT id, length(nonce), length(sealed) FROM record ORDER BY id").fetchall()
            keys_ = connection.execute("SELECT id, length(sealed) FROM sealed_key ORDER BY id").fetchall()
        shapes.append((segments(state), rows, keys_))
        data = b"".join(path.read_bytes() for path in sorted(state.rglob("store*")))
        assert not any(encoding in data for secret in (KEY.key, FILE.sha256) for encoding in encodings(secret))
    assert shapes[0] == shapes[1]


def test_they_go_with_their_day(heard: Path, identity: Identity) -> None:
    """Purging a day takes what was found of it, and cannot bring it back; the other days stay."""
    seen = keep(heard, read(heard, identity), [], {DAY: [KEY], DAY - 1: [KEY], DAY - 2: [KEY]})
    purge(heard, before=(DAY - 1) * 86400.0, now=NOW)
    assert read(heard, identity).keys == {DAY - 1: [KEY], DAY: [KEY]}
    purge(heard, days=[date(1970, 1, 1) + timedelta(days=DAY)], now=NOW)
    assert read(heard, identity).keys == {DAY - 1: [KEY]}
    with pytest.raises(BusyError, match="purged meanwhile"):
        keep(heard, seen, [], {DAY: [KEY]})
    assert read(heard, identity).keys == {DAY - 1: [KEY]}
    purge(heard, now=NOW)
    assert segments(heard) == []


def test_contacts_without_a_day_outlive_no_finding(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """What was found of them goes with the last of them; and findings of old days hasten no undated contact's end."""
    with open_appender(state) as appender:
        appender.undated = OLD_BOOT
        appender.commit([make_contact(1, synced=False)])
        appender.end_segments()
        appender.commit([make_contact(2, day=DAY)])
        appender.commit([make_contact(3, day=DAY - 3)])  # of a replay: an old day that began later
    keep(state, read(state, identity), [], {None: [KEY]})
    purge(state, before=(DAY - 1) * 86400.0, now=NOW)
    assert [day for _, day in read(state, identity).contacts] == [None, DAY]
    assert read(state, identity).keys == {None: [KEY], DAY: []}
    purge(state, before=(DAY + 1) * 86400.0, now=NOW + 86400)
    assert segments(state) == []


def test_beside_an_appender(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """An appender goes on under its own numbers, also after a purge of all; its growing contact stays whole."""
    with open_appender(state) as appender:
        (handle,) = appender.commit([make_contact(1, 3)])
        keep(state, read(state, identity), [FILE], {DAY: [KEY]})
        appender.commit([make_contact(2)], replace={handle: make_contact(1, 40)})
        purge(state, now=NOW)
        keep(state, read(state, identity), [FILE], {DAY: [KEY]})
        appender.commit(replace={handle: make_contact(1, 50)})
        appender.begin_replay()
        keep(state, read(state, identity), [FILE], {DAY: [KEY]})
        appender.discard_replay()
    with open_reader(state, [identity]) as reader:
        assert [len(contact.scans) for contact in reader.contacts()] == [50]
        found = reader.findings()
        assert (found.files, found.keys[DAY]) == ((FILE,), [KEY])
        assert (reader.problems, reader.damaged) == ([], 0)


def test_one_at_a_time(state: Path) -> None:
    """Two that match would lose what the other kept; a second one is told."""
    with exclusively(state), pytest.raises(BusyError, match="another bzd is matching"), exclusively(state):
        pass
    with exclusively(state):
        assert (state / layout.FINDINGS_LOCK_FILE).stat().st_mode & 0o777 == 0o600


def test_damage_is_told(heard: Path, identity: Identity) -> None:
    """If a row of them does not open, the rest is given, and that it is not all; keeping them anew mends that."""
    keep(heard, read(heard, identity), [FILE], {DAY: [KEY]})
    with closing(sqlite3.connect(heard / "store.sqlite")) as connection:
        row = "(SELECT min(id) << 32 FROM segment WHERE purpose = 6) + 1"
        connection.execute(f"UPDATE record SET nonce = zeroblob(12) WHERE id = {row}")  # noqa: S608  of this test
        connection.commit()
    broken = read(heard, identity)
    assert (broken.whole, broken.files) == (False, (FILE,))
    keep(heard, broken, [], {})
    assert read(heard, identity).whole
