# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a trace come from: a file, a pipe or standard input, gzipped or not, read in blocks.

Memory is bounded by one block and one record, whatever the size of the file and whatever lengths it claims.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from bzd.errors import InputError, TraceError

BLOCK = 1 << 18
"""Bytes per read. Measured: reading is as fast with 64 KiB to 1 MiB, and this keeps peak memory low."""
MAX_RECORD = 1 << 20
"""Longest record believed, in bytes. The longest HCI packet has 65,540 (ACL data: 16-bit length); a longer claim means
that the file is damaged, and obeying it would take memory without bound."""

GZIP_MAGIC = b"\x1f\x8b"
"""RFC 1952 section 2.3.1."""
_GZIP_WINDOW = 31
"""zlib's window bits for a gzip stream: 15, plus 16 for the gzip header (zlib manual, inflateInit2)."""

Read = Callable[[int], bytes]
"""Reads at most so many bytes; b"" at the end."""


class _Gunzip:
    """Inflates a gzip stream of one or several members (RFC 1952 section 2.2), a bounded block at a time."""

    def __init__(self, read: Read, report: Callable[[str], None]) -> None:
        self._read = read
        self._report = report
        self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        self._tail = b""

    def read(self, size: int) -> bytes:
        """At most `size` inflated bytes; b"" at the end, which is reported if it comes too early."""
        while True:
            if self._inflate.eof and not self._next_member():
                return b""
            compressed = self._tail or self._read(BLOCK)
            if not compressed:
                self._report("its gzip stream is cut off")
                return b""
            try:
                block = self._inflate.decompress(compressed, size)
            except zlib.error:
                self._report("its gzip stream is damaged")
                return b""
            self._tail = self._inflate.unconsumed_tail
            if block:
                return block

    def _next_member(self) -> bool:
        """Begin the member after the one that ended; anything else behind it is padding, which gzip ignores too."""
        rest = self._inflate.unused_data
        while len(rest) < len(GZIP_MAGIC) and (block := self._read(BLOCK)):
            rest += block
        if not rest.startswith(GZIP_MAGIC):
            return False
        self._inflate, self._tail = zlib.decompressobj(_GZIP_WINDOW), rest
        return True


class ByteStream:
    """A stream of bytes that can be looked ahead into.

    Attributes:
        problem: why the stream ended too early (`it is cut off ...`), None if it did not.
        unterminated: whether the last line that `lines` gave had no line feed.
        stored: bytes read so far as they are stored, before decompression.
        size: bytes that are stored in all, None where nobody knows (a pipe).
    """

    def __init__(self, read: Read, close: Callable[[], None] = lambda: None, size: int | None = None) -> None:
        self.problem: str | None = None
        self.unterminated = False
        self.stored, self.size = 0, size
        self._given_read, self._close = read, close
        self._read: Read = self._raw_read
        self._digest: Any = None
        self._buffer, self._at, self._passed = b"", 0, 0
        if self.peek(2) == GZIP_MAGIC:
            self._read = _Gunzip(self._compressed, self.end_early).read
            self._pushed, self._buffer = self._buffer, b""

    def _raw_read(self, size: int) -> bytes:
        block = self._given_read(size)
        self.stored += len(block)
        return block

    def _compressed(self, size: int) -> bytes:
        """The compressed bytes: first those that were read to recognise them."""
        pushed, self._pushed = self._pushed, b""
        return pushed or self._raw_read(size)

    @property
    def position(self) -> int:
        """Bytes consumed so far (after decompression)."""
        return self._passed + self._at

    def hash_all(self) -> None:
        """Hash all bytes that are read, after decompression; to be called before anything is consumed."""
        self._digest = hashlib.sha256(self._buffer)

    def sha256(self) -> bytes:
        """SHA-256 of all bytes of the stream, which is read to its end for it; `hash_all` must have been called."""
        while self._more():
            self._at = len(self._buffer)
        digest: bytes = self._digest.digest()
        return digest

    def end_early(self, problem: str) -> None:
        """Note why the stream ends here; the first reason stands."""
        self.problem = self.problem or problem

    def close(self) -> None:
        """Close the file below."""
        self._close()

    def peek(self, size: int) -> bytes:
        """The next `size` bytes without consuming them, fewer at the end of the stream."""
        while len(self._buffer) - self._at < size and self._more():
            pass
        return self._buffer[self._at : self._at + size]

    def peek_available(self) -> bytes:
        """The bytes already read and not consumed."""
        return self._buffer[self._at :]

    def take(self, size: int) -> bytes:
        """Consume `size` bytes, fewer at the end of the stream, which then counts as cut off (but not for none)."""
        taken = self.peek(size)
        self._at += len(taken)
        if 0 < len(taken) < size:
            self.end_early("it is cut off in the middle of a record")
        return taken

    def skip(self, size: int) -> bool:
        """Consume `size` bytes without keeping them; False if the stream ended before."""
        while size > 0:
            if self._at == len(self._buffer) and not self._more():
                self.end_early("it is cut off in the middle of a record")
                return False
            step = min(size, len(self._buffer) - self._at)
            self._at += step
            size -= step
        return True

    def framed(self, header: struct.Struct, length_at: int, less: int = 0) -> Iterator[tuple[tuple[Any, ...], bytes]]:
        """Yield (header fields, body) of each record; the stream ends where a record is not whole.

        Args:
            header: the fixed header of a record.
            length_at: which of its fields states the length of the body in bytes.
            less: how many bytes that length counts beyond the body.
        """
        size, unpack = header.size, header.unpack_from
        while self.peek(size):
            # The loop below works on local names: it runs once for every record of the trace.
            buffer, at, limit = self._buffer, self._at, len(self._buffer)
            while (start := at + size) <= limit:
                fields = unpack(buffer, at)
                end = start + fields[length_at] - less
                if end > limit or end < start:
                    break
                yield fields, buffer[start:end]
                at = end
            self._at = at
            if (record := self._straddling(header, length_at, less)) is not None:
                yield record
            elif self.problem:
                return

    def _straddling(self, header: struct.Struct, length_at: int, less: int) -> tuple[tuple[Any, ...], bytes] | None:
        """The record that reaches beyond what was read so far; None if there is none, or the stream ends in it."""
        where = self.position
        head = self.take(header.size)
        if len(head) < header.size:
            return None
        fields = header.unpack(head)
        length = fields[length_at] - less
        if not 0 <= length <= MAX_RECORD:
            self.end_early(f"it is damaged at byte {where}: a record claims {length} bytes")
            return None
        body = self.take(length)
        if len(body) < length:
            self.end_early("it is cut off in the middle of a record")
            return None
        return fields, body

    def lines(self, longest: int) -> Iterator[bytes | None]:
        """Yield each line without its line feed, None in place of one of more than `longest` bytes.

        A last line without a line feed is a line; whether it is whole, its reader must judge.
        """
        overlong = False
        while True:
            at = self._buffer.find(b"\n", self._at)
            if at >= 0:
                line, self._at = self._buffer[self._at : at], at + 1
                yield None if overlong or len(line) > longest else line
                overlong = False
                continue
            if len(self._buffer) - self._at > longest:
                self._at, overlong = len(self._buffer), True
            if not self._more():
                break
        self.unterminated = True
        if rest := self.take(len(self._buffer) - self._at):
            yield rest if not overlong and len(rest) <= longest else None
        elif overlong:
            yield None

    def _more(self) -> bool:
        """Read one more block; False at the end."""
        block = self._read(BLOCK)
        if block:
            if self._digest is not None:
                self._digest.update(block)
            self._passed += self._at
            self._buffer, self._at = self._buffer[self._at :] + block, 0
        return bool(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def open_stream(path: str) -> ByteStream:
    """Open a file, a pipe, or standard input (`-`); gzip is read through.

    Pipes are read as they come: a block is whatever one read gives.

    Raises:
        InputError: if it cannot be opened.
        TraceError: if it is empty.
    """
    stream = _standard_input() if path == "-" else _open_file(path)
    if not stream.peek(1):
        stream.close()
        raise TraceError(f"{path}: {stream.problem or 'the file is empty'}")
    return stream


def _standard_input() -> ByteStream:
    if sys.stdin.isatty():
        raise InputError("standard input is a terminal, not a trace", hint="pipe a trace into it, or name a file")
    return ByteStream(_guarded("-", cast("Any", sys.stdin.buffer).read1))


def _open_file(path: str) -> ByteStream:
    try:
        if Path(path).is_dir():
            raise InputError(f"{path}: is a directory", hint="name the trace file in it")
        file: BinaryIO = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115  the stream closes it; unbuffered only here
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the name
        raise InputError(f"{path!r}: {error}") from error
    try:
        found = os.fstat(file.fileno())
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        return ByteStream(_guarded(path, file.read), file.close, size)
    except InputError:
        file.close()
        raise


def _guarded(path: str, read: Read) -> Read:
    """The same, with the operating system's errors (a broken card, a vanished mount) as InputError."""

    def guarded(size: int) -> bytes:
        try:
            return read(size)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}", hint="check the disk it is on") from error

    return guarded
