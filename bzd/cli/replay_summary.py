# SPDX-License-Identifier: Apache-2.0
"""What a replay came to, on stderr: what was read, what was not used and why, and what was missing for a contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bzd.cli import output
from bzd.config import ProximityConfig
from bzd.pipeline import Pipeline
from bzd.proximity.filter import TrackerCounts
from bzd.proximity.quota import HourlyQuota
from bzd.traces import Trace
from bzd.traces.listening import ScanPeriod

_DAMAGED = {
    "bad_crc": "with a wrong checksum",
    "malformed": "malformed",
    "cut_short": "shortened by the recorder",
    "bad_time": "without a time that can be true",
    "lost_fragments": "fragments without their rest",
}
"""Counters of a trace that say something is wrong with it, and what they count."""
_FOREIGN = {"vendor": "vendor events", "foreign": "packets of interfaces without advertising"}
"""Counters of a trace that say what else is in it."""


@dataclass(slots=True)
class Replayed:
    """What a replay used, for its summary.

    Attributes:
        pipeline: what the advertisements went through.
        traces: what they came from.
        period: the scan period that was taken.
        seconds: how long it took.
        signal: number of the signal that ended it early; None if none did.
        pipe_hashes: SHA-256 of what came through pipes, where it goes into a store and was read to its end.
    """

    pipeline: Pipeline
    traces: list[Trace]
    period: ScanPeriod
    seconds: float
    signal: int | None = None
    pipe_hashes: Sequence[bytes] = ()

    def tell(self, config: ProximityConfig, quota: HourlyQuota, destination: str) -> None:
        """Write the summary, then what the user should be warned of.

        Args:
            config: the thresholds that were in force.
            quota: what bounded the contacts that are kept.
            destination: where the contacts went, as the end of a sentence.
        """
        for text in (self._read(), self._recognised(), self._listened(), self._contacts(config, quota, destination)):
            output.note(text)
        if not self.pipeline.tracker.counts.contacts:
            for text in why_none(self.pipeline, config):
                output.note(text)
        for text in self._warnings():
            output.warning(text)

    def _read(self) -> str:
        counts = self.pipeline.counts
        rate = f"{counts.reports / self.seconds:,.0f} a second" if self.seconds > 0 else "at once"
        span = ""
        if counts.first is not None and counts.last is not None:
            span = f", {output.local(counts.first)} to {output.local(counts.last)}"
        foreign = self._total(_FOREIGN)
        text = f"{counted(counts.reports, 'report')} in {self.seconds:.1f} s ({rate}){span}"
        return f"{text}; beside them {foreign}" if foreign else text

    def _recognised(self) -> str:
        counts, tracked = self.pipeline.counts, self.pipeline.tracker.counts
        dropped = _listed(
            (counts.unmeasured, "without an RSSI"),
            (counts.implausible, "with an RSSI that cannot be true"),
            (counts.own, "of this badge itself"),
            (tracked.implausible_times, "with a time that cannot be true"),
        )
        text = f"{counted(counts.sightings, 'sighting')} of proximity IDs"
        return f"{text}; dropped {dropped}" if dropped else text

    def _listened(self) -> str:
        period = f"one listening every {self.period.seconds:g} s" if self.period.seconds else "continuous listening"
        return f"scan period: {period} ({self.period.how})"

    def _contacts(self, config: ProximityConfig, quota: HourlyQuota, destination: str) -> str:
        tracked = self.pipeline.tracker.counts
        beyond = quota.refused + quota.pushed_out
        kept = tracked.contacts - beyond - quota.repeated
        dropped = _listed(
            (tracked.too_few, f"with fewer than {config.min_sightings} sightings"),
            (tracked.too_weak, f"weaker than {config.min_rssi_dbm} dBm"),
            (quota.repeated, "heard twice, from the same instant on"),
            (beyond, f"beyond the longest {config.max_contacts_per_hour:,} of their hour"),
        )
        text = f"{counted(kept, 'contact')} {destination}" if kept else "0 contacts"
        return f"{text}; dropped {dropped}" if dropped else text

    def _warnings(self) -> Iterator[str]:
        for trace in self.traces:
            if trace.problem:
                yield f"{trace.name}: {trace.problem}; what it holds was used"
        if damaged := self._total(_DAMAGED):
            yield f"records not used: {damaged}"
        tracked = self.pipeline.tracker.counts
        if tracked.evicted:
            yield f"{counted(tracked.evicted, 'ID')} could not be followed to the end: too many at once"
        if tracked.clock_steps_back:
            yield f"the clock stepped back {counted(tracked.clock_steps_back, 'time')}; contacts ended there"

    def _total(self, names: Mapping[str, str]) -> str:
        """The counters of these names over all traces, as a list in a sentence."""
        counts = [trace.counts.as_dict() for trace in self.traces]
        return _listed(*((sum(int(each[name]) for each in counts), text) for name, text in names.items()))


def why_none(pipeline: Pipeline, config: ProximityConfig) -> Iterator[str]:
    """Why there is no contact: how many IDs fell to each filter, and which came nearest to passing."""
    counts, tracked = pipeline.counts, pipeline.tracker.counts
    if not counts.reports:
        yield "no contact: there is no advertising report"
    elif not counts.recognised:
        yield "no contact: no report carries a proximity ID"
    elif not tracked.sightings:
        yield "no contact: no sighting has an RSSI that can be true"
    else:
        yield from _nearest_misses(tracked, config)


def _nearest_misses(tracked: TrackerCounts, config: ProximityConfig) -> Iterator[str]:
    if tracked.too_few:
        most = counted(tracked.too_few_most, "sighting")
        yield (
            f"no contact: {counted(tracked.too_few, 'ID')} had too few sightings, {most} at most; "
            f"--set proximity.min_sightings={max(tracked.too_few_most, 1)} would keep it (now {config.min_sightings})"
        )
    if tracked.too_weak:
        strongest = tracked.too_weak_strongest
        yield (
            f"no contact: {counted(tracked.too_weak, 'ID')} never came close enough, {strongest} dBm at best; "
            f"--set proximity.min_rssi_dbm={strongest} would keep it (now {config.min_rssi_dbm})"
        )
    if tracked.evicted_sightings:
        yield "no contact: too many IDs at once; --set proximity.max_tracked=N follows more of them"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 report`, `2,000 reports`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(*items: tuple[int, str]) -> str:
    return ", ".join(f"{number:,} {text}" for number, text in items if number)
