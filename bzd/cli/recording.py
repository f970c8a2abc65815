# SPDX-License-Identifier: Apache-2.0
"""A recording in progress: the file that grows, what goes into it, and when it ends."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bzd.cli import files, output
from bzd.clock import Clock
from bzd.config import Config
from bzd.errors import OutputError, RadioError
from bzd.model import Advertisement
from bzd.protocols import recognise
from bzd.radio import verdict
from bzd.radio.radio import Radio
from bzd.store.state import output_error
from bzd.traces.writer import BtsnoopWriter, JsonlWriter, TraceWriter

WRITERS: dict[str, Callable[[BinaryIO], TraceWriter]] = {"jsonl": JsonlWriter, "btsnoop": BtsnoopWriter}
"""Format to what writes it."""
START_S = 5.0
"""A radio that cannot be had within this time, or that of the whole recording, is an error; one that is lost later is
waited for."""

_TICK_S = 1.0
"""How often what was heard goes into the file."""
_TOO_FEW = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Recording:
    """A trace that is being written. Whatever ends it, the file holds whole records.

    Args:
        descriptor: of the file, which is closed by its owner.
        kind: one of `WRITERS`.
        everything: whether all advertisements are kept, not only those of proximity protocols.
    """

    def __init__(self, descriptor: int, kind: str, *, everything: bool) -> None:
        self._descriptor = descriptor
        self._everything = everything
        self._pending = io.BytesIO()
        self._writer = WRITERS[kind](self._pending)
        self._ends = [self._pending.tell()]
        """Where in what is pending a whole record ends; the first is the head of the file, or nothing."""
        self.kept = 0
        """Advertisements in the file."""
        self.left_out = 0
        """Advertisements of other devices."""
        self.size = 0
        """Bytes in the file."""

    def take(self, advertisement: Advertisement) -> None:
        """Keep an advertisement, if it is of those that are wanted; it is in the file after the next `flush`."""
        if self._everything or recognise(advertisement.data):
            self._writer.write(advertisement)
            self._ends.append(self._pending.tell())
        else:
            self.left_out += 1

    def flush(self) -> None:
        """Write what is pending.

        Raises:
            OSError: if not all of it could be written; a regular file then holds those records that found room.
        """
        data, ends = memoryview(self._pending.getvalue()), self._ends
        self._pending.seek(0)
        self._pending.truncate()
        self._ends = [0]
        done = 0
        try:
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        except OSError:
            ends = [end for end in ends if end <= done]
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size + max(ends, default=0))
            raise
        finally:
            self.size += max(ends, default=0)
            self.kept += max(len(ends) - 1, 0)


def open_new(path: Path) -> int:
    """Open a file for a recording: new, and for its owner alone; `-` is standard output.

    Raises:
        OutputError: if it is there already or cannot be made.
    """
    if str(path) == files.STDIO:
        return os.dup(sys.stdout.fileno())
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, files.PRIVATE)
    except FileExistsError as error:
        raise OutputError(f"{path} exists", "name another file") from error
    except OSError as error:
        raise output_error(path, error) from error


class Voice(logging.Handler):
    """All that is said while a recording goes on: a line with counts on a terminal, and what the radio warns of.

    That is held back until the radio listens: if it never does, an error says why.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._held: list[str] | None = []
        self._in_line = False

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record, or hold it back."""
        if self._held is None:
            self._say(record.getMessage())
        else:
            self._held.append(record.getMessage())

    def speak(self, but: str = "") -> None:
        """Say what was held back, but for one text, and from now on everything at once."""
        held, self._held = self._held or [], None
        for text in held:
            if text != but:
                self._say(text)

    def count(self, recording: Recording, passed: float) -> None:
        """Show on a terminal how far it is, on the same line as before."""
        if sys.stderr.isatty():
            counts = f"{recording.kept:,} kept  {recording.left_out:,} left out  {recording.size:,} bytes"
            sys.stderr.write(f"\r{passed:5.0f} s  {counts}  ")
            sys.stderr.flush()
            self._in_line = True

    def end_line(self) -> None:
        """Leave the line with the counts as it is; before anything else is said."""
        if self._in_line:
            sys.stderr.write("\n")
            self._in_line = False

    def _say(self, text: str) -> None:
        self.end_line()
        output.warning(text)


async def record(  # noqa: PLR0913  each is given on the command line
    config: Config,
    state: Path,
    clock: Clock,
    recording: Recording,
    voice: Voice,
    *,
    seconds: float | None,
    everything: bool,
) -> None:
    """Record until the time is over or a signal (Ctrl-C, SIGTERM, SIGHUP) ends it.

    Args:
        config: which radio, and how it listens.
        state: the state directory, for what was found of this radio.
        clock: dates the advertisements.
        recording: where to.
        voice: says what happens meanwhile.
        seconds: how long, None until a signal.
        everything: whether all devices' advertisements are asked of the radio.

    Raises:
        RadioError: if the radio cannot be had at the beginning.
        OSError: if the file cannot be written on; it is whole up to there.
    """
    judge = partial(verdict.find, state)
    radio = Radio(config, None, recording.take, clock=clock, judge=judge, everything=everything)
    running = asyncio.create_task(radio.run())
    try:
        await _go_on(radio, running, recording, voice, seconds)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        voice.speak()
        if not isinstance(sys.exc_info()[1], OSError):
            recording.flush()


async def _go_on(
    radio: Radio, running: asyncio.Task[None], recording: Recording, voice: Voice, seconds: float | None
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    start = loop.time()
    heard = False
    while not stopped.is_set() and not running.done():
        passed = loop.time() - start
        over = seconds is not None and passed >= seconds
        if radio.state.scanning and not heard:
            heard = True
            voice.speak()
        if not heard and (over or passed >= START_S):
            # Troubles are sentences, an error and its hint with a semicolon between.
            trouble = next(iter(radio.state.troubles.values()), "the radio does not begin to listen")
            voice.speak(but=trouble)
            message, _, hint = trouble.partition("; ")
            raise RadioError(message, hint or None)
        if over:
            break
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK_S if seconds is None else min(_TICK_S, seconds - passed)):
                await stopped.wait()
        recording.flush()
        voice.count(recording, loop.time() - start)
    if running.done():
        running.result()


def is_full(error: OSError) -> bool:
    """Whether an error of writing means that there is no more room."""
    return error.errno in _TOO_FEW
