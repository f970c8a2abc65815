# SPDX-License-Identifier: Apache-2.0
"""What `bzd trace info` tells of a trace, gathered in one pass and in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from bzd.protocols import recognise
from bzd.traces.listening import PAUSE_S, Bursts, ScanPeriod, estimate
from bzd.traces.trace import Trace

MOST_DISTINCT = 50_000
"""Distinct values counted exactly, of IDs and of addresses each; beyond it the count is "at least". Some
6 MB each."""
_PAYLOADS = 8192
"""Distinct payloads counted before they are looked into, as many as `bzd.protocols` remembers."""


class Distinct:
    """Counts distinct values, up to a limit.

    Attributes:
        seen: the values, at most as many as the limit.
        exact: False once there was one more.
    """

    def __init__(self, limit: int = MOST_DISTINCT) -> None:
        self._limit = limit
        self.seen: set[str | bytes] = set()
        self.exact = True

    def add(self, value: str | bytes) -> None:
        """Count a value if it is new."""
        if value not in self.seen:
            if len(self.seen) < self._limit:
                self.seen.add(value)
            else:
                self.exact = False

    def __len__(self) -> int:
        return len(self.seen)


@dataclass(slots=True)
class ProtocolStatistics:
    """What one protocol broadcast: reports of any RSSI, and distinct rolling IDs."""

    sightings: int = 0
    ids: Distinct = field(default_factory=Distinct)


@dataclass(slots=True)
class Statistics:
    """A trace in numbers.

    Attributes:
        first: time of the earliest report, UTC unix seconds, None without any.
        last: time of the latest.
        rssi: number of reports by RSSI in dBm, or by None where the trace has none.
        protocols: by name, those that were seen.
        addresses: distinct device addresses.
        scan_period: how often the recorder listened.
    """

    first: float | None = None
    last: float | None = None
    rssi: dict[int | None, int] = field(default_factory=dict)
    protocols: dict[str, ProtocolStatistics] = field(default_factory=dict)
    addresses: Distinct = field(default_factory=Distinct)
    scan_period: ScanPeriod = field(default_factory=lambda: ScanPeriod(0.0, "no reports"))

    def add_payloads(self, payloads: dict[bytes, int]) -> None:
        """Count the identifiers in payloads, each heard so many times."""
        for data, times in payloads.items():
            for protocol, rolling_id, _ in recognise(data):
                found = self.protocols.setdefault(protocol, ProtocolStatistics())
                found.sightings += times
                found.ids.add(rolling_id)

    def add_stretch(self, first: float, last: float) -> None:
        """Widen the time that the trace spans."""
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)


def gather(trace: Trace) -> Statistics:
    """Read a trace to its end."""
    statistics, bursts = Statistics(), Bursts()
    rssi_counts, addresses, known = statistics.rssi, statistics.addresses, statistics.addresses.seen
    payloads: dict[bytes, int] = {}
    begun = last = float("-inf")
    # What is done for every report is kept to a few lookups: payloads are looked into once, however often heard.
    for time, address, _, rssi, data, _ in trace:
        rssi_counts[rssi] = rssi_counts.get(rssi, 0) + 1
        payloads[data] = payloads.get(data, 0) + 1
        if address not in known and address:
            addresses.add(address)
        if len(payloads) > _PAYLOADS:
            statistics.add_payloads(payloads)
            payloads.clear()
        if not 0.0 <= time - last <= PAUSE_S:
            _end_stretch(statistics, bursts, begun, last)
            begun = time
        last = time
    _end_stretch(statistics, bursts, begun, last)
    statistics.add_payloads(payloads)
    if rssi_counts:
        statistics.scan_period = estimate(trace.scans, bursts.finish())
    return statistics


def _end_stretch(statistics: Statistics, bursts: Bursts, begun: float, last: float) -> None:
    """Note a stretch of reports in order of time without a pause."""
    if begun > float("-inf"):
        statistics.add_stretch(begun, last)
        bursts.heard(begun)
        bursts.went_on(last)
