# SPDX-License-Identifier: Apache-2.0
"""One replay from the first report to the last: source, scan period, pace, pipeline, sink."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bzd.cli import replay_source
from bzd.cli.replay_progress import shown
from bzd.cli.replay_sink import Sink
from bzd.cli.replay_source import Recording, UntilStopped
from bzd.cli.replay_summary import Replayed
from bzd.config import LoadedConfig
from bzd.model import Advertisement
from bzd.pipeline import Pipeline
from bzd.traces.listening import ScanPeriod, bursts_of, estimate

_LOOKED_AT = 8192
"""Advertisements from which the scan period is taken: hours of a phone's recording, without reading it twice."""


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


def play(request: Request, loaded: LoadedConfig, sink: Sink, digest: Any = None) -> Replayed:
    """Replay into a sink, which is not finished yet.

    Args:
        request: what to replay and how.
        loaded: the configuration.
        sink: takes the contacts as they close.
        digest: a hash that is fed all advertisements, None where nobody needs it.

    Raises:
        InputError: if a trace cannot be read or is none.
    """
    begun = time.monotonic()
    recording = Recording(request.traces, request.time_offset)
    period, advertisements = _scan_period(request, loaded, recording)
    if digest is not None:
        advertisements = replay_source.digested(advertisements, digest)
    if request.speed is not None:
        advertisements = replay_source.paced(advertisements, request.speed)
    advertisements = shown(advertisements, lines=request.lines or request.live)
    pipeline = Pipeline(loaded.config, scan_period_s=period.seconds)
    with UntilStopped(advertisements) as stream:
        for contact in pipeline.feed(stream):
            sink.take(contact)
    for contact in pipeline.finish():
        sink.take(contact)
    return Replayed(pipeline, recording.traces, period, time.monotonic() - begun, stream.signal)


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
