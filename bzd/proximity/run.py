# SPDX-License-Identifier: Apache-2.0
"""One rolling ID while it is followed: its open instance, and the closed ones in 20 bytes each."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import replace

from bzd.model import Contact, ScanInstance, Sighting
from bzd.proximity.ranging import Ranging
from bzd.proximity.rules import APART, Rules, midnight_after

RunKey = tuple[str, bytes]
"""Protocol and rolling ID."""

_FIELDS = 5
"""Numbers per packed instance: offset (ms), stands for (ms), sightings, mean (1/8 dB), strongest (dBm)."""
_SIGHTINGS_MAX = 65535
"""Most sightings that a `ScanInstance` states."""
MAX_INSTANCES = 180
"""A run is cut when it has as many; see the package."""


class Run:
    """Sightings of one rolling ID without a long gap, times in milliseconds.

    Attributes:
        key: protocol and rolling ID.
        metadata: the first metadata heard.
        began: first sighting of the run.
        start: where the present piece begins: `began`, or the last cut.
        packed: the closed instances of the present piece.
        first: first sighting of the open instance.
        last: last sighting.
        count: sightings of the open instance.
        rssi_sum: their RSSI added up, dBm.
        peak: their strongest RSSI, dBm.
        since: end of what is accounted for before the open instance, or APART.
        limit: the open instance takes sightings before this.
        passed: whether the run is known to pass the filter.
        held: pieces that were cut off before that was known.
        queue: where `places` keeps it.
    """

    __slots__ = (
        "began",
        "count",
        "first",
        "held",
        "key",
        "last",
        "limit",
        "metadata",
        "packed",
        "passed",
        "peak",
        "queue",
        "rssi_sum",
        "since",
        "start",
    )

    def __init__(self, key: RunKey, sighting: Sighting, now: int, queue: OrderedDict[RunKey, Run]) -> None:
        self.key = key
        self.metadata = sighting.metadata
        self.began = self.start = now
        self.packed = array("i")
        self.passed = False
        self.held: list[Contact] = []
        self.queue = queue
        self.open(now, sighting.rssi, APART)

    def open(self, now: int, rssi: int, since: int) -> None:
        """Open an instance with its first sighting; `settle` gives it its limit."""
        self.first = self.last = self.limit = now
        self.count = 1
        self.rssi_sum = self.peak = rssi
        self.since = since

    def settle(self, rules: Rules) -> None:
        """Set until when the open instance takes sightings: its greatest length, or the end of the day."""
        self.limit = min(self.first + rules.longest, midnight_after(self.first))

    def add(self, now: int, rssi: int) -> None:
        """A further sighting of the open instance."""
        self.last = now
        self.count += 1
        self.rssi_sum += rssi
        self.peak = max(self.peak, rssi)

    def close(self, rules: Rules) -> None:
        """Close the open instance."""
        self.packed.extend(self._open_fields(rules, 0))

    def restart(self, start: int) -> None:
        """Begin another piece."""
        self.start = start
        self.packed = array("i")

    def move(self, shift: int, rules: Rules) -> None:
        """Move it in time by so many milliseconds; what is held of it as well."""
        settled = self.limit != self.first
        self.began += shift
        self.start += shift
        self.first += shift
        self.last += shift
        self.limit += shift
        if self.since != APART:
            self.since += shift
        if settled:
            self.settle(rules)
        for index, piece in enumerate(self.held):
            start, end = ((round(time * 1000) + shift) / 1000 for time in (piece.start, piece.end))
            self.held[index] = replace(piece, start=start, end=end)

    def keep_from(self, rest: Contact, rules: Rules) -> None:
        """Go on as the last piece of itself, of which earlier ones were cut off; see `bzd.proximity.midnight`."""
        settled = self.limit != self.first
        *closed, still = rest.scans
        seconds, stood_for = round(still.seconds * 1000), rules.stands_for(self.first, self.last, self.since)
        self.start = round(rest.start * 1000)
        self.first = self.start + round(still.offset_s * 1000)
        if seconds != stood_for:
            self.since = self.last - seconds
        if still.sightings != min(self.count, _SIGHTINGS_MAX):
            self.count, self.rssi_sum = still.sightings, round(self.rssi_sum * still.sightings / self.count)
        self.packed = array("i", (number for scan in closed for number in _packed(scan)))
        self.limit = self.first
        if settled:
            self.settle(rules)

    def piece(self, rules: Rules, ranging: Ranging, extra: int = 0, *, synced: bool = True) -> Contact:
        """The present piece as a contact, as if its open instance were closed and stood for `extra` ms more."""
        scans = _unpack(self.packed + array("i", self._open_fields(rules, extra)))
        estimate = ranging.estimate(scans)
        return Contact(
            protocol=self.key[0],
            rolling_id=self.key[1],
            metadata=self.metadata,
            start=self.start / 1000,
            end=(self.last + extra) / 1000,
            near_s=estimate.near_s,
            distance_m=estimate.distance_m,
            synced=synced,
            scans=scans,
        )

    def totals(self) -> tuple[int, int]:
        """Sightings and strongest RSSI of the present piece."""
        packed = self.packed
        if not packed:
            return self.count, self.peak
        return self.count + sum(packed[2::_FIELDS]), max(self.peak, *packed[4::_FIELDS])

    @property
    def full(self) -> bool:
        """Whether the present piece has as many instances as one may have, the open one included."""
        return len(self.packed) >= (MAX_INSTANCES - 1) * _FIELDS

    def _open_fields(self, rules: Rules, extra: int) -> tuple[int, int, int, int, int]:
        mean = (16 * self.rssi_sum + self.count) // (2 * self.count)
        seconds = rules.stands_for(self.first, self.last, self.since) + extra
        return self.first - self.start, seconds, self.count, mean, self.peak


def _packed(scan: ScanInstance) -> tuple[int, int, int, int, int]:
    mean = round(scan.rssi_mean * 8)
    return round(scan.offset_s * 1000), round(scan.seconds * 1000), scan.sightings, mean, scan.rssi_max


def _unpack(packed: array[int]) -> tuple[ScanInstance, ...]:
    numbers = iter(packed)
    return tuple(
        ScanInstance(offset / 1000, seconds / 1000, min(count, _SIGHTINGS_MAX), mean / 8, peak)
        for offset, seconds, count, mean, peak in zip(numbers, numbers, numbers, numbers, numbers, strict=True)
    )
