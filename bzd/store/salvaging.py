# SPDX-License-Identifier: Apache-2.0
"""Salvage: a new file with every row that a damaged store still holds; needs no identity."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from bzd.errors import StateError, StoreError
from bzd.store import container
from bzd.store.copying import by_way_of_a_file
from bzd.store.merging import apply
from bzd.store.pages import PageCounts, Value, file_pages, log_pages, rows
from bzd.store.recent import read as read_recent
from bzd.store.state import output_error, store_file, write_new


@dataclass(frozen=True, slots=True)
class SalvageResult:
    """What was saved.

    Attributes:
        records: sealed records.
        segments: segments that they belong to.
        sealed_keys: sealed data keys; without its own a segment's records cannot be opened.
        pages: pages read.
        damaged: pages that were damaged.
    """

    records: int
    segments: int
    sealed_keys: int
    pages: int
    damaged: int


def salvage(source: Path, out: Path | BinaryIO) -> SalvageResult:
    """Save what can still be read of a damaged store into a new file that every reading command takes.

    It looks at every page, of the log as well, by itself. So it may also bring back records that were removed or
    replaced since the log began, never what was purged, and a changed record is noticed when the file is read.
    No other program may write to the store meanwhile.

    Args:
        source: a state directory or a file.
        out: a path where nothing is yet (the file gets mode 0600), or a file open for writing bytes.

    Raises:
        StoreError: if nothing of a store is found.
        StateError: if the source cannot be read.
        OutputError: if the result cannot be written, or is there already; then nothing is left of it.
    """
    if isinstance(out, Path):
        return _salvage(store_file(source), out)
    return by_way_of_a_file(lambda path: _salvage(store_file(source), path), out)


def _salvage(source: Path, target: Path) -> SalvageResult:
    try:
        with source.open("rb") as file, _log(source) as log:
            write_new(target, b"")
            try:
                return _rebuild(chain(file_pages(file), log_pages(log)), source, target)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
    except FileNotFoundError as error:
        raise StateError(f"there is no store at {source}") from error
    except OSError as error:
        raise output_error(source, error) from error


def _log(source: Path) -> BinaryIO:
    log = Path(f"{source}-wal")
    return log.open("rb") if log.exists() else Path("/dev/null").open("rb")


def _rebuild(pages: Iterator[bytes], source: Path, target: Path) -> SalvageResult:
    counts = PageCounts()
    with container.translated(target):
        connection = container.build(target)
        try:
            for table, row in rows(pages, counts):
                _insert(connection, table, row)
            saved = Counter({table: _count(connection, table) for table in container.SCHEMA})
            if not saved["store"]:
                raise StoreError(f"nothing of a store was found in {source}", "its name is lost, so nothing would open")
            with suppress(OSError, ValueError):
                apply(connection, read_recent(source, container.store_row(connection, target)[0]))
            saved["record"] = _count(connection, "record")
            connection.execute("COMMIT")
        finally:
            connection.close()
    return SalvageResult(saved["record"], saved["segment"], saved["sealed_key"], counts.pages, counts.damaged)


def _insert(connection: sqlite3.Connection, table: str, row: tuple[Value, ...]) -> None:
    places = ",".join("?" * len(row))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row)  # noqa: S608  a name of ours


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  a name of ours
    return int(count)
