# SPDX-License-Identifier: Apache-2.0
"""Damage: what is hit is reported, the rest is read, and nothing ends in a traceback."""

from __future__ import annotations

import io
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bzd.errors import BzdError, StoreError
from bzd.model import Contact, DailyKey
from bzd.store import backup, create, open_appender, open_reader, salvage
from bzd.store.identity import Identity

MakeContact = Callable[..., Contact]
N = 60
MAGIC = b"SQLite format 3\0"


@pytest.fixture
def filled(state: Path, tmp_path: Path, make_contact: MakeContact) -> Path:
    """An exported store of `N` contacts on two days, some of several records, and an own key."""
    with open_appender(state) as appender:
        appender.commit([make_contact(n, 60 if n % 20 == 0 else 3, day=18_587 + n % 2) for n in range(N)])
        appender.add_keys([DailyKey("gaen", bytes(16), 18_587 * 86400.0, 18_588 * 86400.0)])
    backup(state, tmp_path / "export.bzd")
    return tmp_path / "export.bzd"


def survey(path: Path, identity: Identity) -> tuple[set[float], int, list[str]]:
    """Starts of the contacts that are read, number of damaged records, problems."""
    with open_reader(path, [identity]) as reader:
        starts = {contact.start for contact in reader.contacts()}
        list(reader.keys())
        return starts, reader.damaged, reader.problems


@pytest.mark.parametrize("column", ["sealed", "nonce"])
def test_any_flipped_byte_of_a_record_costs_that_record_alone(filled: Path, identity: Identity, column: str) -> None:
    """Whichever byte of a blob or nonce is changed: one record is reported damaged and all others are read."""
    whole, damaged, problems = survey(filled, identity)
    assert (len(whole), damaged, problems) == (N, 0, [])
    with closing(sqlite3.connect(filled)) as connection:
        (row,) = connection.execute("SELECT id FROM record WHERE id >> 32 = 3 AND id & 0xffff = 5").fetchone()
        original = connection.execute(f"SELECT {column} FROM record WHERE id = ?", (row,)).fetchone()[0]  # noqa: S608  a name of this test
        for position in range(0, len(original), 1 if column == "nonce" else 7):
            changed = bytearray(original)
            changed[position] ^= 1 << position % 8
            connection.execute(f"UPDATE record SET {column} = ? WHERE id = ?", (bytes(changed), row))  # noqa: S608  a name of this test
            connection.commit()
            starts, damaged, problems = survey(filled, identity)
            assert (len(starts), damaged, len(problems)) == (N - 1, 1, 1)
            assert "segment 3: 1 damaged records cannot be read: 5" in problems[0]


@pytest.mark.parametrize(
    ("statement", "lost", "told"),
    [
        ("UPDATE record SET sealed = 7 WHERE id = 3 << 32 | 5", 1, "damaged records"),
        ("UPDATE record SET nonce = 'text' WHERE id = 3 << 32 | 5", 1, "damaged records"),
        ("UPDATE record SET sealed = zeroblob(900000) WHERE id = 3 << 32 | 5", 1, "damaged records"),
        ("UPDATE record SET id = 3 << 32 | 5000 WHERE id = 3 << 32 | 5", 1, "damaged records"),
        ("UPDATE record SET id = 4 << 32 | 5000 WHERE id = 3 << 32 | 5", 1, "missing"),
        ("UPDATE record SET id = 99 << 32 | 5 WHERE id = 3 << 32 | 5", 1, "lost their keys"),
        ("DELETE FROM record WHERE id = 3 << 32 | 5", 1, "1 of 36 records are missing"),
        ("DELETE FROM record WHERE id >> 32 = 3 AND id & 0xffff BETWEEN 5 AND 9", 5, "5 of 36 records are missing"),
        ("UPDATE segment SET day = 18600 WHERE id = 3", 30, "not opened"),
        ("UPDATE segment SET day = NULL WHERE id = 3", 30, "not opened"),
        ("UPDATE segment SET day = 'monday' WHERE id = 3", 30, "lost their keys"),
        ("UPDATE segment SET day = 1 << 40 WHERE id = 3", 30, "lost their keys"),
        ("UPDATE segment SET id = 77 WHERE id = 3", 30, "not opened"),
        ("UPDATE segment SET purpose = 2 WHERE id = 3", 30, "not opened"),
        ("UPDATE segment SET provisional = 1 WHERE id = 3", 30, "has not finished"),
        ("UPDATE sealed_key SET sealed = zeroblob(1168) WHERE id >> 8 = 3", 30, "not opened"),
        ("UPDATE sealed_key SET sealed = 'short' WHERE id >> 8 = 3", 30, "not opened"),
        ("UPDATE sealed_key SET suite = zeroblob(6) WHERE id >> 8 = 3", 30, "not opened"),
        ("UPDATE store SET signing_key = zeroblob(32)", 0, "signing key was changed"),
        ("UPDATE sealed_key SET id = 4 << 8 | 9 WHERE id >> 8 = 3", 30, "not opened"),
        ("DELETE FROM segment WHERE id = 3", 30, "lost their keys"),
    ],
)
def test_moved_lost_and_mangled_rows_are_told(
    filled: Path, identity: Identity, statement: str, lost: int, told: str
) -> None:
    """Rows moved, deleted or of the wrong type cost what they held, which is told; the rest is read."""
    with closing(sqlite3.connect(filled)) as connection, connection:
        assert connection.execute(statement).rowcount >= 1
    starts, _, problems = survey(filled, identity)
    assert len(starts) == N - lost
    assert any(told in problem for problem in problems), problems


def test_a_deleted_continuation_is_not_a_shorter_contact_without_a_word(filled: Path, identity: Identity) -> None:
    """Losing a record in the middle of a long contact drops the contact and says so."""
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DELETE FROM record WHERE id = 3 << 32 | 2")
    starts, damaged, problems = survey(filled, identity)
    assert (len(starts), len(problems)) == (N - 1, 2)
    assert damaged >= 1


def test_records_cannot_be_moved_between_stores(
    filled: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact
) -> None:
    """Segment, keys and rows of one store put into another of the same recipient do not open there."""
    create(tmp_path / "other", recipients=[identity.public], label="other", now=0.0)
    with open_appender(tmp_path / "other") as appender:
        appender.commit([make_contact(500)])
    with closing(sqlite3.connect(tmp_path / "other" / "store.sqlite")) as connection, connection:
        connection.execute("ATTACH ? AS donor", (str(filled),))
        for table, condition in (("segment", "id = 4"), ("sealed_key", "id >> 8 = 4"), ("record", "id >> 32 = 4")):
            connection.execute(f"INSERT INTO {table} SELECT * FROM donor.{table} WHERE {condition}")  # noqa: S608  of this test
    starts, _, problems = survey(tmp_path / "other", identity)
    assert len(starts) == 1
    assert "not opened" in problems[0]


def test_any_flipped_byte_of_the_file_is_survived(filled: Path, tmp_path: Path, identity: Identity) -> None:
    """Bytes changed anywhere in the file: a clear error, or fewer records and a word about it; salvage saves more.

    A change may also hit a page that holds nothing, or a byte that does not matter; then all is read.
    """
    data = filled.read_bytes()
    rng = random.Random(20_201_121)
    whole, *_ = survey(filled, identity)
    hit = tmp_path / "hit.bzd"
    outcomes = {"whole": 0, "reported": 0, "refused": 0}
    for position in [*range(100), *(rng.randrange(len(data)) for _ in range(300))]:
        changed = bytearray(data)
        changed[position] ^= rng.randrange(1, 256)
        hit.write_bytes(changed)
        try:
            starts, damaged, problems = survey(hit, identity)
        except BzdError:
            outcomes["refused"] += 1
            continue
        assert starts <= whole
        assert starts == whole or problems, f"byte {position}: lost {len(whole - starts)} without a word"
        outcomes["whole" if starts == whole and not damaged else "reported"] += 1
    assert min(outcomes.values()) > 10, outcomes


def test_salvage_reads_what_sqlite_refuses(filled: Path, tmp_path: Path, identity: Identity) -> None:
    """With header and schema page destroyed SQLite refuses the file; salvage gets every contact back."""
    data = bytearray(filled.read_bytes())
    data[:4096] = random.Random(1).randbytes(4096)
    filled.write_bytes(data)
    with pytest.raises(StoreError, match="damaged, or is no store"):
        survey(filled, identity)
    result = salvage(filled, tmp_path / "saved.bzd")
    starts, damaged, problems = survey(tmp_path / "saved.bzd", identity)
    assert (len(starts), damaged, problems) == (N, 0, [])
    assert (result.segments, result.damaged) == (5, 1)
    assert (tmp_path / "saved.bzd").stat().st_mode & 0o777 == 0o600


def test_salvage_saves_all_but_the_pages_that_are_hit(filled: Path, tmp_path: Path, identity: Identity) -> None:
    """Whichever page is overwritten, salvage and a reader lose no more than what was on it."""
    data = filled.read_bytes()
    refused = worst = 0
    for page in range(1, len(data) // 4096):
        changed = bytearray(data)
        changed[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
        hit, saved = tmp_path / "hit.bzd", io.BytesIO()
        hit.write_bytes(changed)
        try:
            salvage(hit, saved)
        except StoreError:
            refused += 1  # the page that held the store's own row
            continue
        (tmp_path / "saved.bzd").write_bytes(saved.getvalue())
        try:
            starts, _, problems = survey(tmp_path / "saved.bzd", identity)
        except BzdError:
            refused += 1  # the page that held all sealed keys, or all segments
            continue
        keys_hit = any("not opened" in problem or "lost their keys" in problem for problem in problems)
        assert len(starts) >= N - 9 or keys_hit
        assert len(starts) == N or problems
        worst += keys_hit
    assert refused <= 3
    assert worst <= 3


def test_salvage_of_a_whole_live_store_reads_its_log(
    state: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact
) -> None:
    """What is committed but still in the write-ahead log is saved as well; growth leaves one copy of a contact."""
    with open_appender(state) as appender:
        handles = appender.commit([make_contact(n) for n in range(20)])
        appender.commit(replace={handles[0]: make_contact(0, 50)})
        image = tmp_path / "image"
        image.mkdir()
        for name in ("store.sqlite", "store.sqlite-wal"):
            (image / name).write_bytes((state / name).read_bytes())
    salvage(image, tmp_path / "saved.bzd")
    with open_reader(tmp_path / "saved.bzd", [identity]) as reader:
        assert sorted(reader.contacts(), key=lambda contact: contact.start) == [make_contact(0, 50)] + [
            make_contact(n) for n in range(1, 20)
        ]


def test_salvage_takes_no_stale_page_of_an_earlier_log(
    state: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact
) -> None:
    """A log that was begun anew has older frames behind its end; what they say is older than the database."""
    with open_appender(state) as appender:
        (handle, *_) = appender.commit([make_contact(n) for n in range(40)])
        for scans in range(3, 9):
            appender.commit(replace={handle: make_contact(0, scans)})
        appender._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        appender.commit(replace={handle: make_contact(0, 20)})
        image = tmp_path / "image"
        image.mkdir()
        for name in ("store.sqlite", "store.sqlite-wal"):
            (image / name).write_bytes((state / name).read_bytes())
    salvage(image, tmp_path / "saved.bzd")
    with open_reader(tmp_path / "saved.bzd", [identity]) as reader:
        assert [len(contact.scans) for contact in reader.contacts()] == [20] + [2] * 39


@pytest.mark.parametrize(
    "content", [b"", b"x", MAGIC, bytes(8192), b"\x0d" * 20_000, MAGIC + b"\x0d" * 9000, MAGIC + bytes(9000)]
)
def test_what_is_no_store_is_refused(tmp_path: Path, identity: Identity, content: bytes) -> None:
    """Files that are no store are refused by reading and by salvage, with one clear sentence."""
    path = tmp_path / "garbage"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="garbage"):
        survey(path, identity)
    with pytest.raises(StoreError, match="nothing of a store"):
        salvage(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_foreign_databases_and_altered_schemas_are_refused(filled: Path, tmp_path: Path, identity: Identity) -> None:
    """Another program's database, a store with a trigger or view, and a newer schema are each refused by name."""
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as connection, connection:
        connection.execute("CREATE TABLE record (id INTEGER PRIMARY KEY)")
    with pytest.raises(StoreError, match="no store of bzd"):
        survey(tmp_path / "foreign.db", identity)
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute(
            "CREATE VIEW v AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT 2 FROM r) SELECT n FROM r"
        )
    with pytest.raises(StoreError, match="schema"):
        survey(filled, identity)
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DROP VIEW v")
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="newer bzd") as newer:
        survey(filled, identity)
    assert type(newer.value).__name__ == "StoreVersionError"
