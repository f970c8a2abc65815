# SPDX-License-Identifier: Apache-2.0
"""What one transaction of an appender will write: rows are sealed first, then written together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from bzd.model import Contact
from bzd.store.records import contact_parts, encode_part
from bzd.store.sealing import CONTACTS
from bzd.store.segments import END_ROWS, Segment

DAY_S = 86400
"""Seconds of a UTC day."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Contacts to add, to replace by the handle of what was written of them before, and to remove."""

    add: Sequence[Contact]
    replace: Mapping[Handle, Contact]
    remove: Collection[Handle]

    def within(self, segments: Mapping[tuple[int, int | None], Segment]) -> bool:
        """Whether these segments, by purpose and day, are all that they touch."""
        days = {contact_day(contact) for contact in (*self.add, *self.replace.values())}
        touched = {handle.segment for handle in (*self.replace, *self.remove)} - {None}
        return all((CONTACTS, day) in segments for day in days) and touched <= {*segments.values()}

    def put_into(self, draft: Draft) -> list[Handle]:
        """Draft them; a handle for each contact that is added, in order."""
        for handle in self.remove:
            draft.remove(handle)
        for handle, contact in self.replace.items():
            draft.replace(handle, contact)
        return [draft.add(contact) for contact in self.add]


class Handle:
    """Names a contact that an appender wrote, so that it can be replaced or removed while the appender is open.

    Attributes:
        segment: where it is; None once it was removed.
        rows: numbers of its rows.
        contact: what was written last.
    """

    __slots__ = ("contact", "rows", "segment")

    def __init__(self) -> None:
        self.segment: Segment | None = None
        self.rows: tuple[int, ...] = ()
        self.contact: Contact | None = None


class Draft:
    """Rows to write and to delete.

    Args:
        segment: gives the open segment for a purpose and day, beginning one where there is none.
        there: whether a segment was not purged.

    Attributes:
        put: rows to write, by ID.
        gone: IDs of rows to delete before that.
        alive: segments that can still be written to: open, and not purged by another process.
        ending: segments to end after the rows were written.
    """

    def __init__(self, segment: Callable[[Draft, int, int | None], Segment], there: Callable[[Segment], bool]) -> None:
        self._segment = segment
        self._there = there
        self.put: dict[int, tuple[int, bytes, bytes]] = {}
        self.gone: list[int] = []
        self._moved: list[tuple[Handle, Segment | None, tuple[int, ...], Contact | None]] = []
        self.alive: set[Segment] = set()
        self.ending: list[Segment] = []

    def write(self, segment: Segment, number: int, record: bytes, *, rows: int = 0) -> None:
        """Seal a record into a row; `rows` is 1 if the row is new, 0 if it is rewritten."""
        row = segment.seal(number, record)
        self.put[row[0]] = row
        segment.rows += rows

    def add(self, contact: Contact) -> Handle:
        """Write a new contact."""
        handle = Handle()
        self._write_new(handle, contact)
        return handle

    def replace(self, handle: Handle, contact: Contact) -> None:
        """Write what changed of a contact; all of it, if where it was cannot be written any more."""
        segment, old = handle.segment, handle.contact
        if segment is None or old is None or segment not in self.alive or contact_day(contact) != segment.place.day:
            self.remove(handle)
            self._write_new(handle, contact)
            return
        parts = contact_parts(contact)
        kept, spare = handle.rows[: len(parts)], handle.rows[len(parts) :]
        rows = (*kept, *segment.take(len(parts) - len(kept)))
        before = contact_parts(old)
        for part, (number, scans) in enumerate(zip(rows, parts, strict=True)):
            new = part >= len(kept)
            # The last record tells what holds for the whole contact, the others only their own scan instances.
            if new or part == len(parts) - 1 or scans != before[part]:
                self.write(segment, number, encode_part(contact, scans, head=rows[0], part=part), rows=int(new))
        self._delete(segment, spare)
        self._moved.append((handle, segment, rows, contact))

    def remove(self, handle: Handle) -> None:
        """Delete a contact."""
        if handle.segment is not None:
            self._delete(handle.segment, handle.rows)
        self._moved.append((handle, None, (), None))

    def flush(self, connection: sqlite3.Connection) -> None:
        """Write and delete the rows within the open transaction, and end what is to be ended."""
        connection.executemany("DELETE FROM record WHERE id = ?", [(row,) for row in self.gone])
        connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", self.put.values())
        for segment in self.ending:
            segment.end(connection)

    def settle(self) -> None:
        """Let the handles know where their contacts are now; to be called once the transaction is on the disk."""
        for handle, segment, rows, contact in self._moved:
            handle.segment, handle.rows, handle.contact = segment, rows, contact

    def _write_new(self, handle: Handle, contact: Contact) -> None:
        segment = self._segment(self, CONTACTS, contact_day(contact))
        parts = contact_parts(contact)
        rows = tuple(segment.take(len(parts)))
        for part, (number, scans) in enumerate(zip(rows, parts, strict=True)):
            self.write(segment, number, encode_part(contact, scans, head=rows[0], part=part), rows=1)
        self._moved.append((handle, segment, rows, contact))

    def _delete(self, segment: Segment, rows: tuple[int, ...]) -> None:
        if not rows or (segment not in self.alive and not self._there(segment)):
            # A purge takes the rows; by now others may have the number.
            return
        self.gone += [segment.row(number) for number in rows]
        segment.rows -= len(rows)
        if segment not in self.alive:
            # Its data key is forgotten, so that its number of rows cannot be sealed anew: it counts as never ended.
            self.gone += [segment.row(number) for number in END_ROWS]
            self.ending += [] if segment.rows else [segment]


def contact_day(contact: Contact) -> int | None:
    """The UTC day of a contact's segment, days since 1970-01-01; None while the clock was not known to be right."""
    return int(contact.start // DAY_S) if contact.synced else None
