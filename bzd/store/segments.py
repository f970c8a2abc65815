# SPDX-License-Identifier: Apache-2.0
"""A segment as its appender sees it: data key, row numbers, and how many rows it has."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bzd.store.container import SEGMENT_SHIFT, SLOT_SHIFT
from bzd.store.identity import PublicKey
from bzd.store.records import EndOfSegment, encode_end
from bzd.store.sealing import DATA_KEY_BYTES, SUITE_ID, Place, RecordCipher, seal_key

END_ROWS = (0, 2**32 - 1)
"""Row numbers of the two end-of-segment records; the others count from 1. There are two, before and after all others,
so that the loss of a page cannot take rows and both counts of them."""
SEGMENT_MAX = 2**31 - 1
"""Largest segment ID, so that row IDs fit SQLite's signed 64 bits."""


class Provisional(IntEnum):
    """Whether a segment belongs to a replay that has not ended: what becomes of it if that replay dies."""

    NO = 0
    """It stays; readers have it."""
    HIDDEN = 1
    """It goes with the next appender; readers leave it out."""
    SHOWN = 2
    """It goes with the next appender; readers have it meanwhile."""


def insert_segment(
    connection: sqlite3.Connection,
    place: Place,
    recipients: Sequence[PublicKey],
    *,
    provisional: Provisional = Provisional.NO,
) -> RecordCipher:
    """Begin a segment within the open transaction: a new data key, sealed to each recipient.

    Args:
        connection: in a transaction.
        place: where the segment belongs, with an ID that is free.
        recipients: who can open it.
        provisional: whether it goes if its replay does not end.
    """
    data_key = os.urandom(DATA_KEY_BYTES)
    connection.execute(
        "INSERT INTO segment VALUES (?, ?, ?, ?)", (place.segment, place.purpose, place.day, int(provisional))
    )
    connection.executemany(
        "INSERT INTO sealed_key VALUES (?, ?, ?)",
        [
            ((place.segment << SLOT_SHIFT) + slot, SUITE_ID, sealed)
            for slot, sealed in enumerate(seal_key(data_key, recipients, place))
        ],
    )
    return RecordCipher(data_key, place)


def insert_record(
    connection: sqlite3.Connection, cipher: RecordCipher, segment: int, number: int, record: bytes
) -> None:
    """Seal a record into a row of a segment within the open transaction."""
    row = (segment << SEGMENT_SHIFT) + number
    connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (row, *cipher.seal(row, record)))


def key_range(segment: int) -> tuple[int, int]:
    """The first and last ID that sealed keys of a segment can have."""
    low = segment << SLOT_SHIFT
    return low, low + (1 << SLOT_SHIFT) - 1


def row_range(segment: int) -> tuple[int, int]:
    """The first and last ID that rows of a segment can have."""
    low = segment << SEGMENT_SHIFT
    return low, low + (1 << SEGMENT_SHIFT) - 1


def key_mark(connection: sqlite3.Connection, segment: int) -> bytes | None:
    """What tells a segment from others that have its number later; None if it has no sealed key, so that it was purged.

    Numbers that a purge freed may be used again by whoever writes beside an appender.
    """
    query = "SELECT substr(sealed, 1, 16) FROM sealed_key WHERE id BETWEEN ? AND ? LIMIT 1"
    row = connection.execute(query, key_range(segment)).fetchone()
    return bytes(row[0]) if row is not None and isinstance(row[0], bytes) else None


def highest_segment(connection: sqlite3.Connection) -> int:
    """The highest number that a segment has, 0 without any."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM segment").fetchone()[0])


def delete_segments(connection: sqlite3.Connection, segments: Sequence[int]) -> int:
    """Delete segments with their keys and rows within the open transaction; how many rows went."""
    rows = 0
    for segment in segments:
        connection.execute("DELETE FROM sealed_key WHERE id BETWEEN ? AND ?", key_range(segment))
        rows += connection.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", row_range(segment)).rowcount
        connection.execute("DELETE FROM segment WHERE id = ?", (segment,))
    return rows


@dataclass(eq=False, slots=True)
class Segment:
    """A segment that its appender still writes to.

    Attributes:
        place: where it belongs.
        cipher: seals its records.
        mark: see `key_mark`.
        rows: how many rows it has.
        next_row: the number that the next row gets; numbers are never used twice.
    """

    place: Place
    cipher: RecordCipher
    mark: bytes | None = None
    rows: int = 0
    next_row: int = 1

    def take(self, count: int) -> range:
        """The numbers of `count` new rows."""
        first = self.next_row
        self.next_row += count
        return range(first, self.next_row)

    def seal(self, number: int, record: bytes) -> tuple[int, bytes, bytes]:
        """A row for the table `record`: ID, nonce, sealed record."""
        row = self.row(number)
        return (row, *self.cipher.seal(row, record))

    def row(self, number: int) -> int:
        """The ID of the row with this number."""
        return (self.place.segment << SEGMENT_SHIFT) + number

    def there(self, connection: sqlite3.Connection) -> bool:
        """Whether it was not purged."""
        return self.mark is not None and key_mark(connection, self.place.segment) == self.mark

    def end(self, connection: sqlite3.Connection) -> None:
        """Write its end-of-segment records within the open transaction, or delete it if nothing is in it."""
        if self.rows:
            record = encode_end(EndOfSegment(self.rows))
            for number in END_ROWS:
                insert_record(connection, self.cipher, self.place.segment, number, record)
        else:
            delete_segments(connection, [self.place.segment])
