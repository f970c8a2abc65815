# SPDX-License-Identifier: Apache-2.0
"""Several traces as one stream of advertisements: merged by time, paced, and stopped by Ctrl-C between two reports."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from bzd.model import Advertisement
from bzd.traces import Trace, open_trace

STDIN = "-"
"""Names standard input."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which a user, a service manager and a terminal that closes ask a program to end."""


class _StoppedError(BaseException):
    """A signal came while the next advertisement was being waited for; like KeyboardInterrupt, no `Exception`."""


class Recording:
    """The traces of one recorder as one stream in order of time; iterated once.

    A trace of which only the first advertisement is due is closed again, so that any number of rotated logs costs the
    memory and the file descriptors of those that overlap. Standard input and pipes stay open: they give their bytes
    once.

    Args:
        paths: files, pipes or `-`.
        time_offset: seconds that are added to every time.
        hashed: whether the SHA-256 of pipes will be asked for; then they stay open until `close`.

    Attributes:
        traces: those that have been opened for reading so far, one each, in order of opening.
    """

    def __init__(self, paths: Sequence[str], time_offset: float, *, hashed: bool = False) -> None:
        self._paths, self._offset, self._hashed = tuple(paths), time_offset, hashed
        self.traces: list[Trace] = []

    def progress(self) -> float | None:
        """The part of all traces that was read, 0 to 1; None while a pipe is among them."""
        if any(map(is_pipe, self._paths)):
            return None
        total = sum(Path(path).stat().st_size for path in self._paths)
        read = sum(trace.progress[0] for trace in self.traces if trace.progress)
        return min(read / total, 1.0) if total else None

    def pipe_hashes(self) -> list[bytes]:
        """SHA-256 of each pipe, which is read to its end for it."""
        return [trace.sha256() for trace in self.traces if is_pipe(trace.name)]

    def close(self) -> None:
        """Close whatever is still open."""
        for trace in self.traces:
            trace.close()

    def __iter__(self) -> Iterator[Advertisement]:
        if len(self._paths) == 1:
            return iter(self._open(self._paths[0]))
        return merge(*map(self._waiting, self._paths), key=itemgetter(0))

    def _open(self, path: str) -> Trace:
        trace = open_trace(path, time_offset=self._offset, hashed=self._hashed and is_pipe(path))
        self.traces.append(trace)
        return trace

    def _waiting(self, path: str) -> Iterator[Advertisement]:
        """One trace; a file is closed until what follows its first advertisement is asked for."""
        if not _is_file(path):
            yield from self._open(path)
            return
        with open_trace(path, time_offset=self._offset) as trace:
            first = list(islice(trace, 1))
        yield from first
        yield from islice(self._open(path), 1, None)


def _is_file(path: str) -> bool:
    try:
        return path != STDIN and stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False  # opening it says why


def resolved(path: str) -> str:
    """The path itself; for standard input that was redirected from a file and not read yet, a name of that file.

    So `bzd replay - < FILE` is as good as `bzd replay FILE`: it can be read twice and has an end.
    """
    if path != STDIN:
        return path
    try:
        number = sys.stdin.fileno()
        at_start = stat.S_ISREG(os.fstat(number).st_mode) and os.lseek(number, 0, os.SEEK_CUR) == 0
    except (OSError, ValueError):
        return path
    return f"/dev/fd/{number}" if at_start else path


def distinct(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths without those that name a file which stands before them, by whatever name or link."""
    found: dict[object, str] = {}
    for path in paths:
        status = Path(path).stat() if _is_file(path) else None
        found.setdefault(path if status is None else (status.st_dev, status.st_ino), path)
    return tuple(found.values())


def is_pipe(path: str) -> bool:
    """Whether a trace comes from standard input or a pipe, and so can be read once and may go on for ever."""
    return not _is_file(path)


def peek(advertisements: Iterable[Advertisement], most: int) -> tuple[list[Advertisement], Iterator[Advertisement]]:
    """The first advertisements, and the whole stream again."""
    stream = iter(advertisements)
    first = list(islice(stream, most))
    return first, chain(first, stream)


def paced(
    advertisements: Iterable[Advertisement],
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = time.sleep,
) -> Iterator[Advertisement]:
    """Give advertisements out as they were received.

    Args:
        advertisements: in order of time; one from before an earlier one is given out at once.
        speed: 1 is real time, 60 a minute in a second.
        clock: seconds that never step back.
        sleep: waits so many seconds.
    """
    begun = clock()
    first: float | None = None
    for advertisement in advertisements:
        first = advertisement.time if first is None else first
        wait = begun + (advertisement.time - first) / speed - clock()
        if wait > 0:
            sleep(wait)
        yield advertisement


class UntilStopped:
    """Ends a stream on SIGINT, SIGTERM or SIGHUP, so that whoever consumes it is never cut off in its work.

    A signal that comes while the next advertisement is being waited for ends the stream at once; else after the one in
    hand. A second signal does what it did before. Outside of the main thread, where Python handles no signals,
    it only passes the stream through.

    Args:
        advertisements: the stream.
        meanwhile: what is to be done again and again, while the next advertisement is being waited for or between two.
        every_s: seconds of wall time from one `meanwhile` to the next.

    Attributes:
        signal: number of the signal that ended the stream; None if none did.
    """

    def __init__(
        self,
        advertisements: Iterable[Advertisement],
        meanwhile: Callable[[], None] | None = None,
        every_s: float = 0.0,
    ) -> None:
        self._advertisements = advertisements
        self._meanwhile, self._every_s = meanwhile, every_s
        self._waiting = self._due = False
        self._before: dict[int, Any] = {}
        self.signal: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._stop) for number in _STOPPING}
            if self._meanwhile is not None:
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._alarm)
                signal.setitimer(signal.ITIMER_REAL, self._every_s, self._every_s)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._restore()

    def __iter__(self) -> Iterator[Advertisement]:
        source = iter(self._advertisements)
        while self.signal is None:
            try:
                self._waiting = True
                if self._due:
                    self._do_meanwhile()
                advertisement = next(source, None)
                self._waiting = False
            except _StoppedError:
                return
            if advertisement is None:
                return
            yield advertisement

    def _alarm(self, _number: int, _frame: FrameType | None) -> None:
        self._due = True
        if self._waiting:
            self._do_meanwhile()

    def _do_meanwhile(self) -> None:
        """Do it, undisturbed: a signal that stops the stream meanwhile stops it afterwards."""
        self._due = self._waiting = False
        if self._meanwhile is not None:
            self._meanwhile()
        self._waiting = True
        if self.signal is not None:
            raise _StoppedError

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()
        if self._waiting:
            raise _StoppedError

    def _restore(self) -> None:
        before, self._before = self._before, {}
        if signal.SIGALRM in before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
