# SPDX-License-Identifier: Apache-2.0
"""Flushing contacts in progress: into the file of recent rows where that will do, and from there into the store."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bzd.errors import DiskFullError
from bzd.store import container, merging
from bzd.store.draft import Changes, Draft, Handle
from bzd.store.recent import Recent, beside, open_recent
from bzd.store.segments import Segment
from bzd.store.state import output_error

MERGE_EVERY: Final = 12
"""Flushes after which what is recent goes into the store: ten minutes of a badge's, in which a room of twenty has
a dozen rows that will not change any more. They are written at each flush until then."""
_FULL_BYTES: Final = 1 << 20
"""With less room on the disk everything goes through SQLite, which says that it is full before a merge would."""


class Flushing:
    """What is recent, as an appender uses it; an earlier one's goes into the store at once.

    Args:
        connection: the store, open for writing.
        path: its file.
        store_id: its ID, 16 bytes.
        live: whether to use what is recent; else nothing is done but to carry over what is left of it.

    Attributes:
        lost: what an earlier one left and nobody can read, in words; empty if there is no such thing.

    Raises:
        DiskFullError, BusyError, StoreError, OutputError: if something cannot be written; a live one bears a full disk.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, store_id: bytes, *, live: bool) -> None:
        self._connection = connection
        self._path = path
        self._store_id = store_id
        self._live = live
        self._flushes = 0
        self.lost = ""
        self._recent = self._open()
        try:
            self._take_over()
        except BaseException:
            self.close()
            raise
        if not live:
            self.close()

    def _open(self) -> Recent | None:
        """The file; None where it is not used, or has no room to begin."""
        # lexists, since exists follows links.
        if not os.path.lexists(beside(self._path)) and (not self._live or _is_full(self._path.parent)):
            return None
        try:
            return open_recent(self._path, self._store_id)
        except ValueError as error:
            self.lost = f"{beside(self._path)} cannot be read, so that the last minutes may be missing: {error}"
        # Who does not use it leaves it, for readers to tell.
        return open_recent(self._path, self._store_id, anew=True) if self._live else None

    def _take_over(self) -> None:
        try:
            self.merge()
        except DiskFullError:
            if not self._live:  # a badge goes on, and says at its first flush that the disk is full
                raise

    def merge(self) -> None:
        """Carry what is recent over into the store.

        Raises:
            DiskFullError, BusyError, StoreError, OutputError: if it cannot be written; then it stays where it is.
        """
        if self._recent is not None and self._recent.rows:
            with container.translated(self._path):
                merging.merge(self._connection, self._recent)
        self._flushes = 0

    def commit(self, changes: Changes, segments: Mapping[tuple[int, int | None], Segment]) -> list[Handle] | None:
        """Commit to what is recent.

        Args:
            changes: what to commit.
            segments: the open segments by purpose and day, none of which was purged.

        Returns:
            A handle for each added contact, in order; None if it takes a transaction of the store: then nothing was
            changed.

        Raises:
            DiskFullError, BusyError, StoreError, OutputError: if it cannot be written; then nothing was changed.
        """
        if not self._live or _is_full(self._path.parent):
            return None
        if self._flushes >= MERGE_EVERY:
            self.merge()
        if self._recent is None:
            self._recent = self._open()
        if self._recent is None or not changes.within(segments):
            return None
        counts = [(segment, segment.rows) for segment in segments.values()]
        draft = Draft(lambda _, purpose, day: segments[purpose, day], lambda _: True)
        draft.alive = {*segments.values()}
        done = False
        try:
            handles = changes.put_into(draft)
            done = self._put(self._recent, draft)
        finally:
            if not done:
                for segment, rows in counts:
                    segment.rows = rows
        if not done:
            return None
        draft.settle()
        self._flushes += 1
        return handles

    def close(self) -> None:
        """Let go of the file, which is removed if all of it is in the store."""
        if self._recent is not None:
            self._recent.close()
            self._recent = None

    @staticmethod
    def _put(recent: Recent, draft: Draft) -> bool:
        if not all(segment.rows for segment in draft.alive):
            return False  # one that is empty ends
        marks = {segment.place.segment: segment.mark or b"" for segment in draft.alive}
        return recent.put(draft.put.values(), draft.gone, marks)


def _is_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError as error:
        raise output_error(folder, error) from error
    return room.f_bavail * room.f_frsize < _FULL_BYTES
