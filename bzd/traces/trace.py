# SPDX-License-Identifier: Apache-2.0
"""A trace, whatever its format: recognised by its first bytes, then read once from beginning to end."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from bzd.errors import TraceError
from bzd.model import Advertisement
from bzd.traces.counts import TraceCounts
from bzd.traces.formats import Reader, recognise
from bzd.traces.links import LATEST, Decoders
from bzd.traces.listening import ScanLog
from bzd.traces.source import ByteStream, open_stream


class Trace:
    """The advertisements of a trace, in the order of the file; it can be iterated once.

    Attributes:
        name: path, or `-` for standard input.
        format: the format found, for example `btsnoop (H4)`.
        counts: what was read and what was not used; grows while the trace is iterated.
        scans: when the recorder switched its scan on and off, as far as the trace was read.
    """

    def __init__(
        self, name: str, stream: ByteStream, reader: Reader, time_offset: float = 0.0, *, hashed: bool = False
    ) -> None:
        self.name = name
        self._hashed = hashed
        if hashed:
            stream.hash_all()
        self.counts = TraceCounts()
        self._decoders = Decoders(self.counts)
        self.scans: ScanLog = self._decoders.scans
        self._stream = stream
        self._offset = time_offset
        self.format, self._records = reader(stream, self._decoders)

    @property
    def problem(self) -> str | None:
        """Why the trace ended too early, as a clause (`it is cut off ...`); None if it did not."""
        return self._stream.problem

    @property
    def progress(self) -> tuple[int, int] | None:
        """Bytes of the file read so far and in all, None for a pipe; a file that grows may give more than all."""
        return None if self._stream.size is None else (self._stream.stored, self._stream.size)

    def sha256(self) -> bytes:
        """What names the trace: SHA-256 of its content, whether it came gzipped or not, from a file or a pipe.

        Only of a trace that was opened `hashed` and is not closed; what is left of it is read, which may wait for a
        pipe to end.
        """
        return self._stream.sha256()

    def __iter__(self) -> Iterator[Advertisement]:
        counts, offset = self.counts, self._offset
        try:
            for stamp, decode, packet in self._records:
                counts.records += 1
                time = stamp + offset
                if 0.0 <= time <= LATEST:
                    for advertisement in decode(time, packet):
                        counts.reports += 1
                        yield advertisement
                else:
                    counts.bad_time += 1
            self._decoders.finish()
        finally:
            counts.truncated = self._stream.problem is not None
            if not self._hashed:
                self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def open_trace(path: str, *, time_offset: float = 0.0, hashed: bool = False) -> Trace:
    """Open a trace, whatever its format.

    Args:
        path: a file or pipe; `-` is standard input.
        time_offset: seconds that are added to every time of the trace.
        hashed: whether `Trace.sha256` will be asked for; then the trace stays open until it is closed.

    Raises:
        InputError: if the file cannot be opened.
        TraceError: if it is no trace, or holds nothing that can be read.
    """
    stream = open_stream(path)
    try:
        return Trace(path, stream, recognise(stream), time_offset, hashed=hashed)
    except TraceError as error:
        stream.close()
        raise TraceError(f"{path}: {error}", error.hint) from error


def content_sha256(path: str) -> bytes:
    """What `Trace.sha256` gives for a file, without decoding it.

    Raises:
        InputError: if the file cannot be read, or is empty.
    """
    with open_stream(path) as stream:
        stream.hash_all()
        return stream.sha256()
