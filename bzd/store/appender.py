# SPDX-License-Identifier: Apache-2.0
"""Appending to a store: batches in one transaction each, and contacts that grow."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bzd.errors import BzdError, StateError
from bzd.model import Contact, DailyKey
from bzd.store import container, requests
from bzd.store import state as layout
from bzd.store.draft import Changes, Draft, Handle
from bzd.store.flushing import Flushing
from bzd.store.identity import PublicKey
from bzd.store.lock import AppenderLock
from bzd.store.records import ClockAnchor, encode_anchor, encode_key
from bzd.store.sealing import CONTACTS, FINDINGS, OWN_KEYS, Place
from bzd.store.segments import (
    SEGMENT_MAX,
    Provisional,
    Segment,
    delete_segments,
    highest_segment,
    insert_segment,
    key_mark,
)

OPEN_SEGMENTS_MAX: Final = 32
"""Segments whose data keys are kept in memory at once. A replay that spans more days ends the one used longest ago; a
contact of an ended segment that still grows moves to a new one."""
DAY_S: Final = 86400
"""Seconds of a UTC day, which unix time has without leap seconds."""


@contextmanager
def open_appender(state: Path, *, live: bool = False) -> Iterator[Appender]:
    """Open the store of a state directory for appending; when left, its segments are ended.

    Args:
        state: the state directory.
        live: whether the same contacts will be committed again and again, as those in progress are: then most of that
            goes into the file of recent rows (`bzd.store.recent`).

    Finishes a purge that was cut off, and removes what a replay left that never finished.

    Raises:
        BusyError: if another appender has it.
        StateError: if there is no store.
        StoreError: if it is damaged; StoreVersionError if a newer bzd wrote it.
        DiskFullError: if the disk is full or read-only.
    """
    path = state / layout.STORE_FILE
    if not path.exists():
        raise StateError(f"there is no store in {state}")
    lock = AppenderLock(state)
    try:
        connection = container.open_writer(path)
        try:
            appender = Appender(state, connection, live=live)
            try:
                yield appender
            except BaseException:
                with suppress(BzdError):
                    appender.close()
                raise
            appender.close()
        finally:
            connection.close()
    finally:
        lock.release()


class Appender:
    """Appends to a store; made by `open_appender`. One thread at a time may use it.

    Every method that writes does so in one transaction: when it returns, that is on the disk; when it raises, nothing
    was changed.

    Attributes:
        sealed_to: whom the segment of each purpose is sealed to that was begun last.
        undated: the clock as it is now, while it is not known to be right; each segment without a day begins with it.
        lost: what an appender that died left and nobody can read, in words; empty if there is no such thing.
    """

    def __init__(self, state: Path, connection: sqlite3.Connection, *, live: bool = False) -> None:
        self._state = state
        self._path = state / layout.STORE_FILE
        self._connection = connection
        self._open: dict[tuple[int, int | None], Segment] = {}
        self._replaying = False
        self._provisional = Provisional.NO
        self._before_replay = 0
        self._highest = 0
        self.undated: ClockAnchor | None = None
        self.sealed_to: dict[int, Sequence[PublicKey]] = {}
        with container.translated(self._path):
            self._store_id, _ = container.store_row(connection, self._path)
        self._flushing = Flushing(connection, self._path, self._store_id, live=live)
        self.lost = self._flushing.lost
        self._discard_leftovers()

    def commit(
        self,
        add: Sequence[Contact] = (),
        replace: Mapping[Handle, Contact] | None = None,
        remove: Collection[Handle] = (),
    ) -> list[Handle]:
        """Add, replace and remove contacts in one transaction.

        Args:
            add: new contacts; each goes to a segment of the UTC day of its start, one that is not `synced` to a
                segment without a day.
            replace: contacts as they are now by the handle of what was written of them before. Only records that
                changed are written. A contact whose segment was purged meanwhile is written anew.
            remove: contacts to take out again. A handle stays valid until it is removed.

        Returns:
            A handle for each added contact, in order.

        Raises:
            ValueError: if a contact does not fit a record (`bzd.store.records`).
            DiskFullError, BusyError, StoreError: if SQLite cannot write; then nothing was changed.
        """
        if not (add or replace or remove):
            return []
        changes = Changes(add, replace or {}, remove)
        if not self._replaying:
            with container.translated(self._path):
                self._open = self._there()
            if (handles := self._flushing.commit(changes, self._open)) is not None:
                return handles
        with self._transaction() as draft:
            return changes.put_into(draft)

    def add_keys(self, keys: Sequence[DailyKey], *, dated: bool = True) -> None:
        """Seal own daily keys to the key recipients.

        Args:
            keys: the keys.
            dated: whether the clock is known to be right; each then goes to a segment of the UTC day of its start,
                else to one without a day.

        Raises:
            ValueError: if a key does not fit a record.
            DiskFullError, BusyError, StoreError: if SQLite cannot write; then nothing was changed.
        """
        with self._transaction() as draft:
            for key in keys:
                segment = self._segment(draft, OWN_KEYS, int(key.start // DAY_S) if dated else None)
                draft.write(segment, segment.take(1)[0], encode_key(key), rows=1)

    def add_anchor(self, anchor: ClockAnchor, day: int | None) -> None:
        """Seal a clock anchor beside the contacts of a UTC day (days since 1970-01-01), or of no day.

        A right one also goes beside the own keys, since their recipients may not be able to open the contacts.
        """
        with self._transaction() as draft:
            for purpose in (CONTACTS, OWN_KEYS) if anchor.synced else (CONTACTS,):
                segment = self._segment(draft, purpose, day)
                draft.write(segment, segment.take(1)[0], encode_anchor(anchor), rows=1)

    def newest_day(self, before: int) -> int | None:
        """The last UTC day before another one (days since 1970-01-01) that something was kept of; None without one."""
        query = "SELECT max(day) FROM segment WHERE day < ?"
        with container.translated(self._path):
            (day,) = self._connection.execute(query, (before,)).fetchone()
        return day if isinstance(day, int) else None

    def requests(self) -> list[tuple[int, str]]:
        """What other processes want of this one: number and verb (`bzd.store.requests`)."""
        with container.translated(self._path):
            return requests.pending(self._connection)

    def answer(self, number: int, text: str) -> None:
        """Answer a request of another process."""
        with container.translated(self._path):
            requests.answer(self._connection, number, text)

    def discard_requests(self) -> None:
        """Forget requests from before this process, which nobody waits for any more."""
        with container.translated(self._path):
            requests.discard(self._connection)

    def has_own_keys(self) -> bool:
        """Whether this is a badge's own store: one that holds daily keys of its own."""
        query = "SELECT 1 FROM segment WHERE purpose = ? LIMIT 1"
        with container.translated(self._path):
            return self._connection.execute(query, (OWN_KEYS,)).fetchone() is not None

    def known_trace(self, sha256: bytes) -> bool:
        """Whether a trace with this SHA-256 was replayed into the store, to its end."""
        query = "SELECT 1 FROM trace WHERE sha256 = ?"
        with container.translated(self._path):
            return self._connection.execute(query, (sha256,)).fetchone() is not None

    def begin_replay(self, provisional: Provisional = Provisional.HIDDEN) -> None:
        """Begin a replay, which is kept as a whole or not at all.

        If the appender is closed or the process dies before it is finished, what it added is removed, at once or by the
        next appender, so that repeating it doubles nothing.

        Args:
            provisional: HIDDEN keeps what is added from readers until `finish_replay`; SHOWN lets them see it; NO also
                lets it stay if the replay is not finished, for what nobody can repeat.
        """
        self.end_segments()
        with container.translated(self._path):
            self._before_replay = max(self._highest, highest_segment(self._connection))
        self._replaying, self._provisional = True, provisional

    def finish_replay(self, traces: Collection[bytes] = ()) -> None:
        """Keep what the replay added, and remember its traces by SHA-256, in one transaction."""
        with self._transaction():
            self._end([*self._open.values()])
            self._connection.execute("UPDATE segment SET provisional = 0 WHERE provisional != 0")
            self._remember(traces)
        self._replay_is_over()

    def discard_replay(self) -> None:
        """Remove all that the replay added, whether readers could see it or not."""
        with self._transaction():
            query = "SELECT id FROM segment WHERE id > ? AND purpose != ?"
            added = self._connection.execute(query, (self._before_replay, FINDINGS)).fetchall()
            delete_segments(self._connection, [row[0] for row in added])
        self._replay_is_over()

    def _replay_is_over(self) -> None:
        self._replaying, self._provisional = False, Provisional.NO
        self._open.clear()

    def end_segments(self) -> None:
        """End all segments: seal their row counts and forget their data keys. The next contact begins another."""
        if not self._open:
            return
        with self._transaction():
            self._end([*self._open.values()])
        self._open.clear()

    def close(self) -> None:
        """End all segments; a replay that was not finished is removed, unless it was begun to stay."""
        try:
            if self._provisional is not Provisional.NO:
                self._replay_is_over()
                self._discard_leftovers()
            else:
                self.end_segments()
                self.merge()
        finally:
            self._flushing.close()

    def merge(self) -> None:
        """Carry what is recent over into the store (`Flushing.merge`)."""
        self._flushing.merge()

    def _remember(self, traces: Collection[bytes]) -> None:
        new = [(trace,) for trace in traces if not self.known_trace(trace)]
        self._connection.executemany("INSERT INTO trace VALUES (?)", new)

    def _discard_leftovers(self) -> None:
        """Remove provisional segments of a dead replay, and what a purge that was cut off left without its keys."""
        query = "SELECT id FROM segment WHERE provisional != 0 OR id NOT IN (SELECT id >> 8 FROM sealed_key)"
        with container.translated(self._path):
            if self._connection.execute(query + " LIMIT 1").fetchone() is None:
                return
        with self._transaction():
            delete_segments(self._connection, [row[0] for row in self._connection.execute(query).fetchall()])
        with container.translated(self._path):
            # A purge that was cut off may have left sealed keys in the log. Where a reader is in the way they go later.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[Draft]:
        """One transaction: its draft is written at the end, or nothing is and memory is as before.

        What is recent goes into the store first, in a transaction of its own: were it one, and the power failed before
        the file is cleared, what is recent would stand before what is newer.
        """
        self.merge()
        counts = [(segment, segment.rows) for segment in self._open.values()]
        opened = dict(self._open)
        draft = Draft(self._segment, lambda segment: segment.there(self._connection))
        with container.translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            with container.translated(self._path):
                self._forget_purged(draft)
                yield draft
                self._end_empty(draft)
                draft.flush(self._connection)
                self._connection.execute("COMMIT")
        except BaseException:
            self._open = opened
            for segment, rows in counts:
                segment.rows = rows
            with suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise
        draft.settle()

    def _forget_purged(self, draft: Draft) -> None:
        """Drop the segments that another process purged since the last transaction."""
        self._open = self._there()
        draft.alive = {*self._open.values()}

    def _end_empty(self, draft: Draft) -> None:
        """End segments whose last row goes, since one without any looks as if it had lost them."""
        draft.ending += [segment for segment in self._open.values() if not segment.rows]
        self._open = {key: segment for key, segment in self._open.items() if segment.rows}

    def _there(self) -> dict[tuple[int, int | None], Segment]:
        return {key: segment for key, segment in self._open.items() if segment.there(self._connection)}

    def _segment(self, draft: Draft, purpose: int, day: int | None) -> Segment:
        """The open segment of a day, a new one if there is none."""
        segment = self._open.pop((purpose, day), None)
        if segment is None:
            segment = self._begin(purpose, day)
            draft.alive.add(segment)
            if day is None and self.undated is not None:
                draft.write(segment, segment.take(1)[0], encode_anchor(self.undated), rows=1)
        self._open[purpose, day] = segment  # the last is the one used last
        if len(self._open) > OPEN_SEGMENTS_MAX:
            oldest = next(iter(self._open))
            draft.ending.append(self._open.pop(oldest))
        return segment

    def _begin(self, purpose: int, day: int | None) -> Segment:
        # A number that a purge freed is not used again while a handle may still name its rows.
        self._highest = max(self._highest, highest_segment(self._connection)) + 1
        if self._highest > SEGMENT_MAX:
            raise BzdError(f"{self._path} has no segment number left", "export the store and make a new one")
        place = Place(self._store_id, purpose, self._highest, day)
        folder = layout.RECIPIENTS if purpose == CONTACTS else layout.KEY_RECIPIENTS
        keys = layout.recipients(self._state, folder)
        cipher = insert_segment(self._connection, place, keys, provisional=self._provisional)
        # Another object, since another thread may be looking at the one before.
        self.sealed_to = self.sealed_to | {purpose: keys}
        return Segment(place, cipher, key_mark(self._connection, place.segment))

    def _end(self, segments: Collection[Segment]) -> None:
        for segment in segments:
            segment.end(self._connection)
