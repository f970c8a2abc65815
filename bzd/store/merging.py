# SPDX-License-Identifier: Apache-2.0
"""What is recent, and the store: carried over into it, copied with it, read as if it were there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Final, TypeVar

from bzd.store.container import SEGMENT_SHIFT
from bzd.store.recent import Half, Recent, Row
from bzd.store.recent import read as read_recent
from bzd.store.segments import key_mark

T = TypeVar("T")

_TRIES: Final = 8
"""A reader is overtaken by one merge at most, unless the machine stands still for ten minutes."""


def merge(connection: sqlite3.Connection, recent: Recent) -> None:
    """Carry what is recent over into the store, in one transaction; what belongs to purged segments is dropped.

    If the process dies before the file is cleared, it holds what the store holds, and the next appender does it again.

    Raises:
        sqlite3.Error: if SQLite cannot write; then nothing was changed.
        OutputError: if the file cannot be cleared.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        apply(connection, Half(0, 0, recent.marks, recent.rows))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    recent.clear()


def apply(connection: sqlite3.Connection, half: Half) -> None:
    """Write rows into a store, or a copy of one, and delete those that are gone."""
    rows = rows_there(connection, half)
    gone = [(identifier,) for identifier, row in rows.items() if row is None]
    connection.executemany("DELETE FROM record WHERE id = ?", gone)
    connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", filter(None, rows.values()))


def rows_there(connection: sqlite3.Connection, half: Half) -> dict[int, Row | None]:
    """The rows of segments that were not purged."""
    found: dict[int, Row | None] = {}
    for segment, rows in groupby(sorted(half.rows), key=lambda row: row >> SEGMENT_SHIFT):
        if half.marks.get(segment) == (key_mark(connection, segment) or b""):
            found |= {row: half.rows[row] for row in rows}
    return found


def together(store: Path, store_id: bytes, read: Callable[[], T]) -> tuple[T, Half]:
    """Read a store and what is recent of it, so that nothing falls between.

    What a flush puts into the file is newer than what the store holds, until the next merge. So both must be read with
    no merge between.

    Args:
        store: the store's file.
        store_id: its ID, 16 bytes.
        read: reads from the store, in one transaction; maybe more than once.

    Raises:
        OSError, ValueError: as `bzd.store.recent.read`; and what `read` raises.
    """
    half = read_recent(store, store_id)
    for _ in range(_TRIES):
        merges = half.merges
        found = read()
        half = read_recent(store, store_id)
        if half.merges == merges:
            break
    return found, half
