# SPDX-License-Identifier: Apache-2.0
"""What `bzd trace info` shows of a trace: lines and a histogram for people, one object for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from bzd.cli import output
from bzd.clock import rfc3339
from bzd.traces import Trace
from bzd.traces.statistics import Distinct, Statistics

SCHEMA = "bzd.trace-info/1"
"""`schema` of the object that `--json` prints."""

_BIN_DB = 5
"""Width of a bar of the histogram, dB: signal strength of one pair of devices at rest scatters by about that much."""
_BAR = 40
"""Characters of the longest bar."""
_NOT_AVAILABLE = 127
"""RSSI of a report that has none (Core specification Vol 4 Part E 7.7.65.2)."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LABELS = {
    "other": "other records",
    "vendor": "vendor events",
    "foreign": "records of other link types",
    "cut_short": "records cut short by the recorder",
    "malformed": "malformed",
    "bad_crc": "wrong checksum",
    "bad_time": "impossible time",
    "lost_fragments": "incomplete data",
    "truncated_data": "reports with data cut short by the controller",
}


def as_json(trace: Trace, statistics: Statistics) -> dict[str, Any]:
    """Everything about a trace; times are unix seconds."""
    return {
        "trace": trace.name,
        "format": trace.format,
        "problem": trace.problem,
        "counts": trace.counts.as_dict(),
        "first": None if statistics.first is None else round(statistics.first, 6),
        "last": None if statistics.last is None else round(statistics.last, 6),
        "addresses": len(statistics.addresses),
        "addresses_exact": statistics.addresses.exact,
        "scan_period": {"seconds": statistics.scan_period.seconds, "how": statistics.scan_period.how},
        "protocols": {
            name: {"sightings": found.sightings, "ids": len(found.ids), "ids_exact": found.ids.exact}
            for name, found in sorted(statistics.protocols.items())
        },
        "rssi": _by_strength(statistics.rssi),
    }


def lines(trace: Trace, statistics: Statistics) -> Iterator[str]:
    """The same for people, times also as local time."""
    yield f"trace      {output.printable(trace.name)}"
    yield f"format     {trace.format}"
    yield f"records    {trace.counts.records:,} ({_shares(trace)})"
    if statistics.first is None or statistics.last is None:
        return
    yield f"first      {_instant(statistics.first)}"
    yield f"last       {_instant(statistics.last)}"
    yield f"span       {_span(statistics.last - statistics.first)}"
    yield f"listening  {_listening(statistics)}"
    yield f"addresses  {_number(statistics.addresses)}"
    if not statistics.protocols:
        yield "IDs        none: no report carries a proximity ID that bzd knows"
    for name, found in sorted(statistics.protocols.items()):
        yield f"{name:<10} sightings: {found.sightings:,}, rolling IDs: {_number(found.ids)}"
    yield ""
    yield from _histogram(statistics.rssi)


def _shares(trace: Trace) -> str:
    """What became of the records, without what did not happen."""
    counts = trace.counts.as_dict()
    others = [f"{label}: {counts[name]:,}" for name, label in _LABELS.items() if counts[name]]
    return ", ".join([f"advertising reports: {trace.counts.reports:,}", *others])


def _instant(seconds: float) -> str:
    return f"{rfc3339(seconds)}   {output.local(seconds)}"


def _span(seconds: float) -> str:
    """A duration in its two largest units."""
    units = (("d", 86400), ("h", 3600), ("min", 60))
    for number, (unit, size) in enumerate(units):
        if seconds >= size:
            smaller, smaller_size = (*units, ("s", 1))[number + 1]
            return f"{int(seconds // size)} {unit} {int(seconds % size // smaller_size)} {smaller}"
    return f"{seconds:.1f} s"


def _listening(statistics: Statistics) -> str:
    period = statistics.scan_period
    return f"every {period.seconds:.0f} s ({period.how})" if period.seconds else f"all the time ({period.how})"


def _number(distinct: Distinct) -> str:
    return f"{'' if distinct.exact else 'at least '}{len(distinct):,}"


def _by_strength(rssi: Mapping[int | None, int]) -> dict[str, int]:
    """Counts from the weakest RSSI to the strongest, then those without one."""
    levels = sorted(level for level in rssi if level is not None)
    unknown = {"null": rssi[None]} if None in rssi else {}
    return {str(level): rssi[level] for level in levels} | unknown


def _histogram(rssi: Mapping[int | None, int]) -> Iterator[str]:
    """One bar for each 5 dB, from the weakest to the strongest; what is no signal strength stands apart."""
    bins: dict[int, int] = {}
    for level, count in rssi.items():
        if level is not None and level != _NOT_AVAILABLE:
            bins[level // _BIN_DB] = bins.get(level // _BIN_DB, 0) + count
    yield "RSSI, dBm     reports"
    most = max(bins.values(), default=0)
    for number in range(min(bins, default=0), max(bins, default=-1) + 1):
        count, low = bins.get(number, 0), number * _BIN_DB
        yield f"{low:>4} to {low + _BIN_DB - 1:>4}  {count:>8,} {_bar(count / most)}".rstrip()
    if missing := sum(count for level, count in rssi.items() if level in (None, _NOT_AVAILABLE)):
        yield f"none          {missing:>8,}"


def _bar(share: float) -> str:
    """A bar of block characters, in steps of an eighth of one; of `#` where the output cannot show those."""
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "#" * round(share * _BAR)
    eighths = round(share * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
