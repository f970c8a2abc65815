# SPDX-License-Identifier: Apache-2.0
"""Keeping what matching found: beside an appender, all of it anew in one transaction.

Whoever matches reads the findings (`bzd.store.Reader.findings`), adds to them and writes them back. All segments of
findings are written anew each time, one for every day that there are contacts of, so that neither their number nor
their order shows on which days a case was near. For a store of 14 days that was seen to write 76 KiB and take 5 ms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bzd.errors import BusyError, BzdError
from bzd.store import container
from bzd.store import state as layout
from bzd.store.lock import FindingsLock
from bzd.store.matched import MatchedKey, ReadFile, encode_files, encode_keys
from bzd.store.sealing import FINDINGS, Place
from bzd.store.segments import SEGMENT_MAX, Segment, delete_segments, highest_segment, insert_segment, key_mark

_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Findings:
    """What matching found in a store so far, and what the store held when that was read.

    Attributes:
        files: key files that were read.
        keys: keys of cases by the UTC day (days since 1970-01-01) of contacts that they explain; None for contacts of a
            clock that was not known to be right.
        contacts: number and day of each segment of contacts, in order.
        segments: numbers of the segments of findings that this was read from.
        whole: False if some of it could not be read: then files must be read again.
    """

    files: tuple[ReadFile, ...] = ()
    keys: Mapping[int | None, Sequence[MatchedKey]] = field(default_factory=dict)
    contacts: tuple[tuple[int, int | None], ...] = ()
    segments: tuple[int, ...] = ()
    whole: bool = True


@contextmanager
def exclusively(state: Path) -> Iterator[None]:
    """While this process reads, adds and writes findings, no other does.

    Raises:
        BusyError: if another does.
        StateError: if there is no state directory.
    """
    lock = FindingsLock(state)
    try:
        yield
    finally:
        lock.release()


def keep(
    state: Path, seen: Findings, files: Sequence[ReadFile], keys: Mapping[int | None, Sequence[MatchedKey]]
) -> Findings:
    """Replace the findings in one transaction; to be called within `exclusively`.

    Args:
        state: the state directory.
        seen: the findings as they were read, or as this gave them last.
        files: all files that count as read from now on.
        keys: all keys by day, as in `Findings`.

    Returns:
        what is in the store now.

    Raises:
        BusyError: if days were purged since `seen` was read: nothing was changed, and what was found of those days must
            not come back. Read again and match again.
        DiskFullError, StoreError, StateError: if the store cannot be written; then nothing was changed.
        ValueError: if something does not fit a record.
    """
    path = state / layout.STORE_FILE
    with closing(container.open_writer(path)) as connection, container.translated(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _refuse_purged(connection, seen, state)
            segments = _replace(connection, path, seen, files, keys)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return Findings(tuple(files), {day: tuple(of) for day, of in keys.items()}, seen.contacts, segments)


def _refuse_purged(connection: sqlite3.Connection, seen: Findings, state: Path) -> None:
    known = [number for number, _ in seen.contacts] + list(seen.segments)
    if any(key_mark(connection, segment) is None for segment in known):
        raise BusyError(f"days of the store in {state} were purged meanwhile", "run it again")


def _replace(
    connection: sqlite3.Connection,
    path: Path,
    seen: Findings,
    files: Sequence[ReadFile],
    keys: Mapping[int | None, Sequence[MatchedKey]],
) -> tuple[int, ...]:
    store_id, _ = container.store_row(connection, path)
    # Numbers only rise, so that sealed keys are only ever appended: a purge then leaves no copy of one in the file.
    first = highest_segment(connection) + 1
    old = [row[0] for row in connection.execute("SELECT id FROM segment WHERE purpose = ?", (FINDINGS,)).fetchall()]
    delete_segments(connection, old)
    recipients = layout.recipients(path.parent, layout.RECIPIENTS)
    with_contacts = {day for _, day in seen.contacts}
    read = {int(file.read // _DAY_S) for file in files}
    written = []
    for number, day in enumerate(_ordered(with_contacts | set(keys) | read), first):
        if number > SEGMENT_MAX:
            raise BzdError(f"{path} has no segment number left", "export the store and make a new one")
        place = Place(store_id, FINDINGS, number, day)
        segment = Segment(place, insert_segment(connection, place, recipients))
        _fill(connection, segment, [file for file in files if int(file.read // _DAY_S) == day], keys.get(day, ()))
        written.append(number)
    return tuple(written)


def _ordered(days: set[int | None]) -> list[int | None]:
    """By day, so that the order in which segments are numbered says nothing."""
    return sorted(days, key=lambda day: -1 if day is None else day)


def _fill(
    connection: sqlite3.Connection, segment: Segment, files: Sequence[ReadFile], keys: Sequence[MatchedKey]
) -> None:
    records = [*encode_files(files), *encode_keys(keys)]
    rows = [segment.seal(number, record) for number, record in zip(segment.take(len(records)), records, strict=True)]
    connection.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
    segment.rows = len(rows)
    segment.end(connection)
