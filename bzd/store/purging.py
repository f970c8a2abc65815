# SPDX-License-Identifier: Apache-2.0
"""Purging days: first the sealed keys, which makes the records unreadable for good, then the records."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bzd.errors import BusyError, InputError
from bzd.store import container
from bzd.store.opening import SegmentRow, segment_rows
from bzd.store.sealing import CONTACTS, FINDINGS, OWN_KEYS
from bzd.store.segments import delete_segments, key_range
from bzd.store.state import STORE_FILE, store_file

_DAY_S = 86400
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """What a purge took away.

    Attributes:
        segments: number of segments.
        records: number of rows in them, those that end segments included; nobody can tell more without an identity.
            Those of the last minutes that were recent, and not in the store yet, are gone as well and not counted.
        days: the UTC days that are gone, in order.
        undated: number of segments without a day among them.
    """

    segments: int
    records: int
    days: tuple[date, ...]
    undated: int


def days(source: Path) -> tuple[date, ...]:
    """The UTC days of which a store holds contacts or own keys, in order; needs no identity.

    Args:
        source: a state directory or an exported file.

    Raises:
        StateError: if there is no store.
        StoreError: if it is damaged.
    """
    path = store_file(source)
    with container.open_reader(path) as connection, container.translated(path):
        found = {segment.place.day for segment in segment_rows(connection, b"") if segment.place.purpose in _KEPT}
    return tuple(sorted(_EPOCH + timedelta(days=day) for day in found if day is not None))


def purge(state: Path, *, days: Collection[date] | None = None, before: float | None = None, now: float) -> PurgeResult:
    """Delete contacts, findings and own keys of whole UTC days, so that they cannot be opened even with an identity.

    Works beside a live appender, which begins a new segment where its own is gone. Label and signing key stay. What
    flash memory keeps of overwritten pages is out of reach of any program.

    Args:
        state: the state directory.
        days: the days to purge; None for no such limit.
        before: purge the days that ended by then, UTC unix seconds; None for no such limit. A segment without a day
            goes when the next one that has a day began by then, and what was found of contacts without a day goes with
            the last of them. With neither limit everything goes.
        now: UTC unix seconds.

    Raises:
        InputError: if `before` is later than `now`: then one of them is wrong.
        BusyError: if a reader kept the old pages from being overwritten; purging again completes it.
        StateError, StoreError, DiskFullError: if the store cannot be written.
    """
    if before is not None and before > now:
        limit, clock = (datetime.fromtimestamp(time, UTC).isoformat() for time in (before, now))
        raise InputError(
            f"cannot purge up to {limit}: it is only {clock} by this clock", "set the clock, or name a day"
        )
    path = state / STORE_FILE
    connection = container.open_writer(path)
    try:
        with container.translated(path):
            return _purge(connection, path, days, before)
    finally:
        connection.close()


def _purge(
    connection: sqlite3.Connection, path: Path, days: Collection[date] | None, before: float | None
) -> PurgeResult:
    with _transaction(connection):
        segments = [segment for segment in segment_rows(connection, b"") if segment.place.purpose in _PURGED]
        chosen = [segment for segment in segments if _chosen(segment, segments, days, before)]
        for segment in chosen:
            connection.execute("DELETE FROM sealed_key WHERE id BETWEEN ? AND ?", key_range(segment.place.segment))
    _overwrite_log(connection, path)
    with _transaction(connection):
        records = delete_segments(connection, [segment.place.segment for segment in chosen])
    _overwrite_log(connection, path)
    dates = {_EPOCH + timedelta(days=segment.place.day) for segment in chosen if segment.place.day is not None}
    undated = sum(segment.place.day is None for segment in chosen)
    return PurgeResult(len(chosen), records, tuple(sorted(dates)), undated)


_KEPT = {CONTACTS, OWN_KEYS}
"""What a badge keeps of a day."""
_PURGED = {*_KEPT, FINDINGS}
"""What goes with it: also what matching found."""


def _chosen(
    segment: SegmentRow, segments: Collection[SegmentRow], days: Collection[date] | None, before: float | None
) -> bool:
    """Whether a segment is to go."""
    day = segment.place.day
    if days is not None and (day is None or not _names(days, day)):
        return False
    if before is None:
        return True
    if day is not None:
        return (day + 1) * _DAY_S <= before
    kept = [other for other in segments if other.place.purpose in _KEPT]
    if segment.place.purpose == FINDINGS:
        undated = [other for other in kept if other.place.purpose == CONTACTS and other.place.day is None]
        return all(_chosen(other, segments, days, before) for other in undated)
    later = (other.place for other in kept if other.place.segment > segment.place.segment)
    following = next((place.day for place in later if place.day is not None), None)
    return following is not None and following * _DAY_S <= before


def _names(days: Collection[date], day: int) -> bool:
    try:
        return _EPOCH + timedelta(days=day) in days
    except OverflowError:
        return False


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _overwrite_log(connection: sqlite3.Connection, path: Path) -> None:
    """Carry the log over into the file and cut it, because old pages would live on in both until then."""
    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise BusyError(f"purge of {path} is not complete: another process reads it", "run the purge again")
