# SPDX-License-Identifier: Apache-2.0
"""The file of recent rows: what a badge flushes again and again goes here first, and into the store now and then.

A contact in progress changes at every flush. In SQLite each such change costs a page of 4096 bytes or two, written to
the log and again to the file, and several pages of the log's index, which the kernel writes out though no crash ever
needs them. Here a flush costs what the rows take, one after the other, without any file growing (`pydoc bzd.daemon` has
the figures; the format is in `pydoc bzd.store`).

The file has two halves, and each flush writes the whole of what is recent into the older one. So whatever happens
meanwhile, the other is there. What is recent stands before what the store holds under the same row ID.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from bzd.errors import OutputError
from bzd.store.container import SEGMENT_SHIFT
from bzd.store.sealing import BLOB_BYTES, NONCE_BYTES
from bzd.store.state import adopt, output_error, sync_directory

SUFFIX = "-recent"
"""What the file's name has after that of the store, as SQLite's own files have `-wal` and `-shm`."""
HALF_BYTES: Final = 1 << 17
"""Room for 290 rows: more contacts in progress go into the store at each flush, as they would without this file."""
MARK_BYTES = 16
"""Length of `segments.key_mark`."""

_MAGIC = b"bzd recent rows\x01"
_HEAD = struct.Struct(">16s16sQQIII")
_SEGMENT = struct.Struct(f">I{MARK_BYTES}s")
_ROW = struct.Struct(f">Q{NONCE_BYTES}s{BLOB_BYTES}s")
_GONE = struct.Struct(">Q")
_FIRST = struct.Struct(">II")
_SUM_BYTES = 32
_PAGE_BYTES = 4096
_NUMBER_MAX = 2**63 - 1 - 2**32
"""More fits neither SQLite nor the next flush."""

Row = tuple[int, bytes, bytes]
"""As in table `record`: ID, nonce, sealed record."""


class Half(NamedTuple):
    """What a half holds.

    Attributes:
        sequence: number of the flush that wrote it, from some number on; of the two halves the higher counts.
        merges: how often what was recent went into the store before, from some number on.
        marks: `segments.key_mark` of each segment that rows belong to.
        rows: rows by ID; None for a row that is not to be in the store any more.
    """

    sequence: int
    merges: int
    marks: Mapping[int, bytes]
    rows: Mapping[int, Row | None]

    def within(self, first: int, last: int, mark: bytes | None) -> dict[int, Row | None]:
        """The rows of a segment by the range of its IDs; none if the segment was purged and another has its number."""
        if mark is None or self.marks.get(first >> SEGMENT_SHIFT) != mark:
            return {}
        return {row: found for row, found in self.rows.items() if first <= row <= last}


NOTHING = Half(0, 0, {}, {})
"""What is recent where there is no such file; one that is there never has these numbers, so that a reader notices that
it came or went."""


def beside(store: Path) -> Path:
    """The file of recent rows of a store."""
    return Path(f"{store}{SUFFIX}")


def read(store: Path, store_id: bytes) -> Half:
    """What is recent of a store, while its appender goes on or after it died.

    Raises:
        OSError: if the file is there and cannot be read.
        ValueError: if nothing in it makes sense although something is there, or the card has lost it.
    """
    for _ in range(_TRIES):
        try:
            data = _content(beside(store))
        except FileNotFoundError:
            return NOTHING
        halves = [half for half in (_decode(data[at : at + HALF_BYTES], store_id) for at in (0, HALF_BYTES)) if half]
        if halves:
            return max(halves, key=lambda half: half.sequence)
        if not data.strip(b"\0"):
            return NOTHING
    raise ValueError("neither half makes sense")


_TRIES = 3
"""Both halves look torn to a reader that two flushes overtake."""


def _content(path: Path) -> bytes:
    # A pipe in its place must not keep whoever opens it waiting.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        return os.pread(descriptor, 2 * HALF_BYTES, 0)
    except OSError as error:
        if error.errno == errno.EIO:  # the card has lost it, and no other user or time will find it
            raise ValueError(error.strerror) from error
        raise
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class Recent:
    """What is recent, as its appender sees it; made by `open_recent`.

    Attributes:
        path: the file.
        rows: rows by ID that the store does not have yet; None for one that it is to lose.
        used: how much of each half, in bytes, may hold something.
    """

    path: Path
    _descriptor: int
    _store_id: bytes
    _sequence: int = 0
    _merges: int = 0
    _marks: dict[int, bytes] = field(default_factory=dict)
    rows: dict[int, Row | None] = field(default_factory=dict)
    used: list[int] = field(default_factory=lambda: [HALF_BYTES, HALF_BYTES])

    @property
    def marks(self) -> Mapping[int, bytes]:
        """`segments.key_mark` of each segment that rows belong to."""
        return self._marks

    def put(self, rows: Iterable[Row], gone: Collection[int], marks: Mapping[int, bytes]) -> bool:
        """Write rows; when this returns, they are on the disk.

        Args:
            rows: rows to add or to replace.
            gone: IDs of rows to delete.
            marks: `segments.key_mark` of their segments.

        Returns:
            False if there is no room for so many; then nothing was changed.

        Raises:
            OutputError: if the file cannot be written; then nothing was changed.
        """
        wanted = self.rows | dict.fromkeys(gone) | {row[0]: row for row in rows}
        known = {**self._marks, **marks}
        data = _encode(self._store_id, Half(self._sequence + 1, self._merges, known, wanted))
        if len(data) > HALF_BYTES:
            return False
        self._write(data)
        self.rows, self._marks = wanted, known
        return True

    def clear(self) -> None:
        """All of it is in the store: forget it. The next flush overwrites what the other half still has of it.

        Raises:
            OutputError: if the file cannot be written; what is in it then still is what the store holds.
        """
        self._write(_encode(self._store_id, Half(self._sequence + 1, self._merges + 1, {}, {})))
        self._merges += 1
        self.rows, self._marks = {}, {}

    def close(self) -> None:
        """Remove the file, if all of it is in the store."""
        os.close(self._descriptor)
        if not self.rows:
            with suppress(OSError):  # as on a card that can no longer be written to; it is empty, and says so
                self.path.unlink()

    def _write(self, data: bytes) -> None:
        half = (self._sequence + 1) % 2
        padded = data.ljust(self.used[half], b"\0")
        self.used[half] = len(padded)  # also if it fails
        try:
            written = os.pwrite(self._descriptor, padded, half * HALF_BYTES)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise output_error(self.path, error) from error
        if written != len(padded):  # somebody has cut the file, and the disk is full
            raise output_error(self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self.used[half] = len(data)
        self._sequence += 1


def open_recent(store: Path, store_id: bytes, *, anew: bool = False) -> Recent:
    """Open what is recent of a store for writing, with what an appender left there that died; who calls has the lock.

    Args:
        store: the store's file.
        store_id: its ID, 16 bytes.
        anew: whether to give up what is there and to begin anew.

    Raises:
        ValueError: if nothing in it makes sense although something is there, or the card has lost it.
        OutputError: if the file cannot be made, opened or read; DiskFullError where there is no room for it.
    """
    path = beside(store)
    try:
        if anew:
            path.unlink(missing_ok=True)
        left = read(store, store_id)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise output_error(path, error) from error
    # At random, so that they tell a thief nothing of how often somebody was near, and a reader that one began anew.
    sequence, merges = _FIRST.unpack(os.urandom(_FIRST.size)) if left is NOTHING else (left.sequence, left.merges)
    kept = Recent(path, descriptor, store_id, sequence, merges, dict(left.marks), dict(left.rows))
    try:
        if os.fstat(descriptor).st_size != 2 * HALF_BYTES:
            _make_room(descriptor, path)
            kept.used = [0, 0]
        if left is NOTHING:
            kept.clear()  # a whole half from the beginning, beside which the first flush may be torn like any other
    except OutputError:
        os.close(descriptor)
        if left is NOTHING:
            with suppress(OSError):
                path.unlink()
        raise
    return kept


def _make_room(descriptor: int, path: Path) -> None:
    """Write the file whole: a flush then needs no room on the disk, and nothing but its own bytes is written.

    Page by page: at once, a kernel that caches what is written at once as one (ext4 from 6.16 on) would count all of it
    as written by each flush (`write_bytes` of proc_pid_io(5)).
    """
    try:
        for at in range(0, 2 * HALF_BYTES, _PAGE_BYTES):
            os.pwrite(descriptor, bytes(_PAGE_BYTES), at)
        os.fsync(descriptor)
        adopt(descriptor, path.parent)
        sync_directory(path.parent)
    except OSError as error:
        raise output_error(path, error) from error


def _encode(store_id: bytes, half: Half) -> bytes:
    put = [row for row in half.rows.values() if row is not None]
    gone = [identifier for identifier, row in half.rows.items() if row is None]
    head = _HEAD.pack(_MAGIC, store_id, half.sequence, half.merges, len(half.marks), len(put), len(gone))
    parts = [head, *(_SEGMENT.pack(*pair) for pair in half.marks.items())]
    parts += [_ROW.pack(*row) for row in put]
    parts += [_GONE.pack(identifier) for identifier in gone]
    content = b"".join(parts)
    return content + hashlib.sha256(content).digest()


def _decode(data: bytes, store_id: bytes) -> Half | None:
    """A half; None if it was not written to its end, or belongs to another store."""
    if len(data) < _HEAD.size + _SUM_BYTES:
        return None
    magic, owner, sequence, merges, segments, put, gone = _HEAD.unpack_from(data)
    lengths = (segments * _SEGMENT.size, put * _ROW.size, gone * _GONE.size)
    end = _HEAD.size + sum(lengths)
    if magic != _MAGIC or owner != store_id or end + _SUM_BYTES > len(data):
        return None
    if hashlib.sha256(data[:end]).digest() != data[end : end + _SUM_BYTES]:
        return None
    marks, rows, deleted = _parts(data[_HEAD.size : end], lengths)
    found: dict[int, Row | None] = {row[0]: row for row in rows}
    found |= dict.fromkeys(deleted)
    if max(sequence, merges, *found, 0) > _NUMBER_MAX:
        return None
    return Half(sequence, merges, dict(marks), found)


def _parts(data: bytes, lengths: tuple[int, int, int]) -> tuple[Iterator[tuple[int, bytes]], Iterator[Row], list[int]]:
    first, second = lengths[0], lengths[0] + lengths[1]
    deleted = [identifier for (identifier,) in _GONE.iter_unpack(data[second:])]
    return _SEGMENT.iter_unpack(data[:first]), _ROW.iter_unpack(data[first:second]), deleted
