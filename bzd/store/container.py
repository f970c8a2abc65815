# SPDX-License-Identifier: Apache-2.0
"""The SQLite file that holds the sealed blobs: its schema, opening it, and what SQLite's errors mean to a user."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bzd.errors import BusyError, BzdError, DiskFullError, OutputError, StateError, StoreError, StoreVersionError
from bzd.store.state import OTHER_USER

APPLICATION_ID = 0x627A6401
"""`bzd` and 1: SQLite's application_id of a store (https://www.sqlite.org/fileformat2.html section 1.3.12)."""
SCHEMA_VERSION = 1
"""SQLite's user_version of a store; a newer one is refused."""
PAGE_BYTES = 4096
"""Database page; nine records fit one."""
SEGMENT_SHIFT = 32
"""A row's ID is its segment's ID times 2**32 plus its number in the segment, so that a segment is one range of rows."""
SLOT_SHIFT = 8
"""A sealed key's ID is its segment's ID times 2**8 plus its slot, one slot for each recipient."""
BUSY_TIMEOUT_S = 5.0
"""How long one bzd waits for another's short transaction."""

_CACHE_KIB = 256
"""What a writer keeps of the store in memory. Its rows come one after the other and are hardly read again; of SQLite's
own 2000 a badge fills as much within days as its store is large: 0.9 MB of memory (`tests/bench/bench_week.py`)."""
_LENGTH_LIMIT = 1 << 13
"""No value or statement of a store is longer; a row that says otherwise must not make SQLite allocate a gigabyte."""
_SCHEMA_STEPS = 100_000
"""Steps of SQLite's machine (https://www.sqlite.org/opcode.html) after which reading a schema is given up; that of a
store takes a few hundred, one whose pages lead to each other again and again takes for ever."""

SCHEMA = {
    "store": "CREATE TABLE store (one INTEGER PRIMARY KEY, id BLOB NOT NULL, signing_key BLOB NOT NULL)",
    "segment": "CREATE TABLE segment (id INTEGER PRIMARY KEY, purpose INTEGER NOT NULL, day INTEGER,"
    " provisional INTEGER NOT NULL)",
    "sealed_key": "CREATE TABLE sealed_key (id INTEGER PRIMARY KEY, suite BLOB NOT NULL, sealed BLOB NOT NULL)",
    "record": "CREATE TABLE record (id INTEGER PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL)",
    "trace": "CREATE TABLE trace (sha256 BLOB NOT NULL)",
    "request": "CREATE TABLE request (id INTEGER PRIMARY KEY, verb TEXT NOT NULL, answer TEXT)",
}
"""Every table and the statement that makes it; a store has these and nothing else."""

SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file makes Python's sqlite3 raise; the second when SQLite quotes damaged text in its message."""

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_TOOBIG}


_NO_STORE = (
    "name a state directory or an exported store; if this was one, `bzd export store --salvage` may save some of it"
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what SQLite raises within as an error of `bzd.errors` that names the file."""
    try:
        yield
    except SQLITE_ERRORS as error:
        raise translate(error, path) from error


def translate(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> BzdError:
    """What an SQLite error means to a user (https://www.sqlite.org/rescode.html)."""
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    primary = extended & 0xFF
    if primary in _FULL or extended in _FULL:
        return DiskFullError(f"cannot write {path}: the disk is full")
    if primary == sqlite3.SQLITE_READONLY:
        return DiskFullError(f"cannot write {path}: it is read-only")
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return BusyError(f"{path} is in use by another process")
    if primary in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return StateError(f"cannot open {path}: {error}", "check the path and its permissions")
    if extended in {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE}:
        return OutputError(f"cannot write {path}: {error}", DiskFullError.hint)
    if primary == sqlite3.SQLITE_INTERRUPT:
        return StoreError(f"{path} is damaged: its schema has no end")
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path} is damaged, or is no store", _NO_STORE)
    if primary in _DAMAGED:
        return StoreError(f"{path} is damaged, or is no store: {error}")
    return StoreError(f"cannot use {path}: {error}")


def build(path: Path) -> sqlite3.Connection:
    """Make an empty store file with its schema, and begin a transaction in it.

    The file must exist, so that its mode is the caller's choice, and be empty.
    """
    connection = connect(path, "mode=rw")
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        for statement in SCHEMA.values():
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a store for writing: write-ahead log, a sync at every commit, deleted content overwritten.

    Raises:
        StateError: if there is no such file or it may not be opened.
        StoreError: if it is no store or damaged; StoreVersionError if newer.
        DiskFullError: if the file system is full or read-only.
    """
    _present(path)
    if not os.access(path, os.W_OK):
        # SQLite would only say that it is "unable to open" the file.
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            raise DiskFullError(f"cannot write {path}: the file system is read-only")
        raise StateError(f"cannot write {path}: permission denied", OTHER_USER)
    with translated(path):
        connection = connect(path, "mode=rw")
        try:
            _check(connection, path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def open_reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store for reading, changing nothing in it; also where nothing can be written.

    A store whose folder cannot be written, and which a writer left without closing it, is read from a private copy,
    because SQLite needs to write beside it to read its log.

    Raises:
        StateError: if there is no such file or it may not be opened.
        StoreError: if it is no store or damaged; StoreVersionError if newer.
    """
    _present(path)
    with _readable(path) as (readable, mode), translated(path):
        connection = connect(readable, mode)
        try:
            _check(connection, path)
            yield connection
        finally:
            connection.close()


def _present(path: Path) -> None:
    # Opening and closing the file here would drop the locks that SQLite holds on it in this process
    # (https://www.sqlite.org/howtocorrupt.html section 2.2), so it is only looked at.
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StateError(f"there is no store at {path}") from error
    except PermissionError as error:
        raise StateError(f"cannot open {path}: permission denied", OTHER_USER) from error
    except (OSError, ValueError) as error:
        raise StateError(f"cannot open {path}: {error}", "check the path and its permissions") from error
    if not regular:
        raise StateError(f"{path} is no file, so no store")
    if not os.access(path, os.R_OK):
        raise StateError(f"cannot open {path}: permission denied", OTHER_USER)


@contextmanager
def _readable(path: Path) -> Iterator[tuple[Path, str]]:
    if _opens(path):
        yield path, "mode=ro"
        return
    log = Path(f"{path}-wal")
    if not log.exists() or log.stat().st_size == 0:
        yield path, "mode=ro&immutable=1"
        return
    import shutil  # noqa: PLC0415  with what it loads, bz2 and lzma, half a megabyte of the daemon, which never comes here
    import tempfile  # noqa: PLC0415  the same

    with tempfile.TemporaryDirectory(prefix="bzd-") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
            shutil.copyfile(log, f"{copy}-wal")
        except OSError as error:
            raise DiskFullError(f"cannot copy {path} to read it: {error.strerror}") from error
        yield copy, "mode=rw"


def _opens(path: Path) -> bool:
    """Whether SQLite can read it where it is; only what copying would cure counts as no."""
    cured = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
    try:
        connection = connect(path, "mode=ro")
    except SQLITE_ERRORS:
        return False
    try:
        _bound_steps(connection)
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except SQLITE_ERRORS as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF not in cured
    finally:
        connection.close()
    return True


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file with SQLite, in autocommit mode and wary of damage.

    Args:
        path: the file.
        mode: query part of the URI, for example `mode=ro` (https://www.sqlite.org/uri.html).
    """
    # One thread at a time uses a connection, but the daemon's event loop hands commits to a worker thread.
    uri = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False, cached_statements=32
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH_LIMIT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _LENGTH_LIMIT)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is no store of this version; its schema must be ours to the letter, so no view or trigger runs."""
    _bound_steps(connection)
    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")}
    if found["application_id"] != APPLICATION_ID:
        if path.stat().st_size == 0:
            raise StoreError(f"{path} is empty", "whatever should have written it failed; write it again")
        raise StoreError(f"{path} is no store of bzd", "name a state directory, or what `bzd export store` wrote")
    if found["user_version"] > SCHEMA_VERSION:
        raise StoreVersionError(f"{path} was written by a newer bzd (schema {found['user_version']})")
    statements = [row[0] for row in connection.execute("SELECT sql FROM sqlite_schema LIMIT 100")]
    if found["user_version"] != SCHEMA_VERSION or sorted(map(str, statements)) != sorted(SCHEMA.values()):
        raise StoreError(f"{path} is damaged: its schema is not that of a store")
    connection.set_progress_handler(None, 0)


def _bound_steps(connection: sqlite3.Connection) -> None:
    """Have SQLite give up any statement that takes `_SCHEMA_STEPS`."""
    connection.set_progress_handler(lambda: 1, _SCHEMA_STEPS)


def store_row(connection: sqlite3.Connection, path: Path) -> tuple[bytes, bytes]:
    """The store's ID (16 bytes) and the badge's public signing key (32 bytes).

    Raises:
        StoreError: if they are damaged.
    """
    row = connection.execute("SELECT id, signing_key FROM store WHERE one = 1").fetchone()
    if row is None or not is_blob(row[0], 16) or not is_blob(row[1], 32):
        raise StoreError(f"{path} is damaged: it has lost its name")
    return row[0], row[1]


def is_blob(value: object, length: int) -> bool:
    """Whether a value that SQLite gave is a blob of this length; in a damaged file it may be anything."""
    return isinstance(value, bytes) and len(value) == length
