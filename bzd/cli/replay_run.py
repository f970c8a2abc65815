# SPDX-License-Identifier: Apache-2.0
"""One replay from the first report to the last: source, scan period, pace, pipeline, sink."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from bzd.cli import replay_source
from bzd.cli.replay_progress import shown
from bzd.cli.replay_sink import Sink
from bzd.cli.replay_source import Recording, UntilStopped
from bzd.cli.replay_summary import Replayed
from bzd.config import LoadedConfig
from bzd.model import Advertisement, Contact, ContactKey
from bzd.pipeline import Pipeline
from bzd.traces.listening import ScanPeriod, bursts_of, estimate

_LOOKED_AT = 8192
"""Advertisements from which the scan period is taken: hours of a phone's recording, without reading it twice."""
FLUSH_S = 50.0
"""Seconds from one sealing to the next of a pipe or in real time, so that a power cut loses 60 s at most."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How contacts are kept in a store.

    Attributes:
        flush: seals what there is, given the contacts in progress.
        own_ids: rolling IDs of the badge itself.
    """

    flush: Callable[[Iterable[tuple[ContactKey, Contact]]], None]
    own_ids: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        traces: paths, at least one.
        time_offset: seconds added to every time.
        scan_period: seconds, None for automatic.
        speed: times real time, None for as fast as it can.
        lines: JSON Lines instead of a table.
        force: replay into a live badge's own store, and what was replayed already.
    """

    traces: tuple[str, ...]
    time_offset: float = 0.0
    scan_period: float | None = None
    speed: float | None = None
    lines: bool = False
    force: bool = False

    @property
    def piped(self) -> bool:
        """Whether a trace is standard input or a pipe: it can be read once, and nobody knows when it ends."""
        return any(map(replay_source.is_pipe, self.traces))

    @property
    def live(self) -> bool:
        """Whether somebody may be watching the contacts as they close."""
        return self.speed is not None or self.piped


def play(request: Request, loaded: LoadedConfig, sink: Sink, keeping: Keeping | None = None) -> Replayed:
    """Replay into a sink, which is not finished yet.

    Args:
        request: what to replay and how.
        loaded: the configuration.
        sink: takes the contacts as they close.
        keeping: how contacts are kept in a store, None where they are only shown.

    Raises:
        InputError: if a trace cannot be read or is none.
    """
    begun = time.monotonic()
    with ExitStack() as stack:
        recording = Recording(request.traces, request.time_offset, hashed=keeping is not None)
        stack.callback(recording.close)
        period, advertisements = _scan_period(request, loaded, recording)
        hashes: list[bytes] = []
        if request.speed is not None:
            advertisements = replay_source.paced(advertisements, request.speed)
        if keeping is not None:
            advertisements = _then_hashed(advertisements, recording, hashes)
        advertisements = shown(advertisements, recording.progress, lines=request.lines or request.live)
        own_ids = frozenset[bytes]() if keeping is None else keeping.own_ids
        pipeline = Pipeline(loaded.config, scan_period_s=period.seconds, own_ids=own_ids)
        stream = stack.enter_context(UntilStopped(advertisements, *_regularly(request, keeping, pipeline)))
        for contact in pipeline.feed(stream):
            sink.take(contact)
        for contact in pipeline.finish():
            sink.take(contact)
    return Replayed(pipeline, recording.traces, period, time.monotonic() - begun, stream.signal, hashes)


def _then_hashed(
    advertisements: Iterable[Advertisement], recording: Recording, hashes: list[bytes]
) -> Iterator[Advertisement]:
    """The same; behind the last one, the hashes of the pipes are noted, for which a damaged one is read to its end."""
    yield from advertisements
    hashes += recording.pipe_hashes()


def _regularly(
    request: Request, keeping: Keeping | None, pipeline: Pipeline
) -> tuple[Callable[[], None] | None, float]:
    """What is to be done while a live replay runs, and how often: sealing what there is, in-progress contacts too."""
    if keeping is None or not request.live:
        return None, 0.0
    return lambda: keeping.flush(pipeline.tracker.open_contacts()), FLUSH_S


def _scan_period(
    request: Request, loaded: LoadedConfig, recording: Recording
) -> tuple[ScanPeriod, Iterable[Advertisement]]:
    """The scan period that the user gave, else what the trace shows; and the advertisements, none of them lost."""
    if request.scan_period is not None:
        return ScanPeriod(request.scan_period, "--scan-period"), recording
    if origin := loaded.origins.get("scan.period_s"):
        return ScanPeriod(loaded.config.scan.period_s, origin), recording
    if request.piped:
        return ScanPeriod(0.0, "taken for a pipe; --scan-period says otherwise"), recording
    first, advertisements = replay_source.peek(recording, _LOOKED_AT)
    scans = max((trace.scans for trace in recording.traces), key=lambda log: len(log.starts))
    return estimate(scans, bursts_of(advertisement.time for advertisement in first)), advertisements
