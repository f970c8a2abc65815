# SPDX-License-Identifier: Apache-2.0
"""Opening the segments of a store with identities, and reading what is in one of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bzd.store import container
from bzd.store.fields import TIME_MAX_S
from bzd.store.identity import Identity
from bzd.store.merging import together
from bzd.store.recent import beside
from bzd.store.records import EndOfSegment, Record, decode
from bzd.store.sealing import BLOB_BYTES, NONCE_BYTES, SEALED_KEY_BYTES, SUITE_ID, Place, RecordCipher, open_key
from bzd.store.segments import END_ROWS, Provisional, key_mark, key_range, row_range

Row = TypeVar("Row", bound=tuple[Any, ...])
"""A row of a table, its ID first."""
SealedRow = tuple[int, object, object]
"""ID, nonce and sealed record, which in a damaged file may be anything."""

_DAY_MAX = TIME_MAX_S // 86400 - 1
_ROWS_NAMED = 8
"""Damaged rows that a problem names; a store damaged all over must not fill the screen or the memory."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A row of the table `segment`, checked for type only.

    Attributes:
        place: where it says it belongs.
        provisional: whether it belongs to a replay that has not ended and is not to be seen yet.
    """

    place: Place
    provisional: bool

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"segment {self.place.segment}"


@dataclass(slots=True)
class Contents:
    """What was read of one segment.

    Attributes:
        records: number in the segment and record, without the end-of-segment record, in order.
        damaged: rows that did not open or made no sense, or that SQLite could not read.
        missing: rows that the end-of-segment record counts and that are not there.
        problems: what is wrong, a sentence each.
        lost: what may be missing because what is recent cannot be read, in words: the same for every segment.
    """

    records: list[tuple[int, Record]] = field(default_factory=list)
    damaged: int = 0
    missing: int = 0
    problems: list[str] = field(default_factory=list)
    lost: str = ""


def segment_rows(connection: sqlite3.Connection, store_id: bytes) -> Iterator[SegmentRow]:
    """The segments, in the order in which they began; those whose row makes no sense are left out."""
    rows = connection.execute("SELECT id, purpose, day, provisional FROM segment ORDER BY id")
    for identifier, purpose, day, provisional in _ascending(rows):
        sane_day = day is None or (isinstance(day, int) and 0 <= day <= _DAY_MAX)
        if 0 < identifier < 2**31 and isinstance(purpose, int) and 0 <= purpose < 256 and sane_day:
            yield SegmentRow(Place(store_id, purpose, identifier, day), provisional == Provisional.HIDDEN)


def open_segment(
    connection: sqlite3.Connection, segment: SegmentRow, identities: Sequence[Identity]
) -> RecordCipher | None:
    """What opens the records of a segment; None if no identity opens it, or its sealed keys are damaged."""
    # A value of another length is not even read: many rows of a hostile file can share one long value. Nor are more
    # rows than there are slots, because its pages can lead to the same rows again and again.
    query = (
        f"SELECT suite, CASE length(sealed) WHEN {SEALED_KEY_BYTES} THEN sealed END FROM sealed_key"  # noqa: S608  ours
        f" WHERE id BETWEEN ? AND ? LIMIT {1 << container.SLOT_SHIFT}"
    )
    rows = connection.execute(query, key_range(segment.place.segment))
    sealed = [key for suite, key in rows if suite == SUITE_ID and isinstance(key, bytes)]
    data_key = open_key(sealed, identities, segment.place)
    return None if data_key is None else RecordCipher(data_key, segment.place)


def read_segment(connection: sqlite3.Connection, file: Path, segment: SegmentRow, cipher: RecordCipher) -> Contents:
    """All records of a segment, those included that are on their way into the store's file."""
    bad: list[int] = []
    rows, contents = _rows(connection, file, segment)
    for row, nonce, blob in rows:
        number = row - row_range(segment.place.segment)[0]
        record = _open(cipher, row, nonce, blob)
        if record is None:
            bad.append(number)
        else:
            contents.records.append((number, record))
    contents.damaged += len(bad)
    if bad:
        named = ", ".join(map(str, bad[:_ROWS_NAMED])) + (", ..." if len(bad) > _ROWS_NAMED else "")
        contents.problems.append(f"{segment.name}: {len(bad)} damaged records cannot be read: {named}")
    _account(segment, contents)
    return contents


def _rows(connection: sqlite3.Connection, file: Path, segment: SegmentRow) -> tuple[Iterable[SealedRow], Contents]:
    """The rows of a segment in order, and what is wrong with them."""
    place = segment.place

    def read() -> tuple[dict[int, SealedRow], bytes | None, Contents]:
        contents, mark = Contents(), None
        connection.execute("BEGIN")
        try:
            with suppress(*container.SQLITE_ERRORS):
                mark = key_mark(connection, place.segment)
            return _stored(connection, segment, contents), mark, contents
        finally:
            connection.execute("COMMIT")

    try:
        (stored, mark, contents), half = together(file, place.store, read)
    except (OSError, ValueError) as error:
        stored, mark, contents = read()
        contents.lost = f"{beside(file)} cannot be read, so that the last minutes may be missing: {error}"
        return stored.values(), contents
    rows: dict[int, SealedRow | None] = {**stored, **half.within(*row_range(place.segment), mark)}
    return [row for _, row in sorted(rows.items()) if row is not None], contents


def _stored(connection: sqlite3.Connection, segment: SegmentRow, contents: Contents) -> dict[int, SealedRow]:
    """The rows of a segment in the store's file; what SQLite cannot read ends them."""
    query = (
        f"SELECT id, CASE length(nonce) WHEN {NONCE_BYTES} THEN nonce END,"  # noqa: S608  numbers of ours
        f" CASE length(sealed) WHEN {BLOB_BYTES} THEN sealed END"  # see open_segment
        " FROM record WHERE id BETWEEN ? AND ? ORDER BY id"
    )
    found: dict[int, SealedRow] = {}
    try:
        # Not at once, because what was read before an error counts.
        for row in _ascending(connection.execute(query, row_range(segment.place.segment))):
            found[row[0]] = row
    except container.SQLITE_ERRORS as error:
        contents.damaged += 1
        contents.problems.append(
            f"{segment.name}: the file is damaged there ({error}); {len(found)} rows were read, salvage may save more"
        )
    return found


def _ascending(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows as they come, as long as their IDs rise: in a hostile file pages lead round, or to one page for ever."""
    last: int | None = None
    for row in rows:
        if last is not None and row[0] <= last:
            raise sqlite3.DatabaseError("rows out of order")
        last = row[0]
        yield row


def _open(cipher: RecordCipher, row: int, nonce: object, blob: object) -> Record | None:
    if not isinstance(nonce, bytes) or not isinstance(blob, bytes):
        return None
    record = cipher.open(row, nonce, blob)
    try:
        return None if record is None else decode(record)
    except ValueError:
        return None


def _account(segment: SegmentRow, contents: Contents) -> None:
    """Take out the end-of-segment records and compare their count; a segment without was cut off, which is normal."""
    ends = [record for _, record in contents.records if isinstance(record, EndOfSegment)]
    contents.records = [(number, record) for number, record in contents.records if not isinstance(record, EndOfSegment)]
    there = len(contents.records) + contents.damaged
    if ends:
        expected = max(end.rows for end in ends)
        contents.missing = max(0, expected + len(END_ROWS) - there - len(ends))
        if contents.missing:
            contents.problems.append(f"{segment.name}: {contents.missing} of {expected} records are missing")
    elif not there:
        # A segment is begun together with its first record.
        contents.problems.append(f"{segment.name}: all its records are missing")


def orphans(connection: sqlite3.Connection, known: set[int]) -> list[int]:
    """Segments that rows name and that the table `segment` does not; found without reading the rows."""
    found: list[int] = []
    segment = -1
    while True:
        query = "SELECT id FROM record WHERE id > ? ORDER BY id LIMIT 1"
        row = connection.execute(query, (row_range(segment)[1],)).fetchone()
        if row is None or row[0] >> container.SEGMENT_SHIFT <= segment:
            return found
        segment = row[0] >> container.SEGMENT_SHIFT
        if segment not in known:
            found.append(segment)
