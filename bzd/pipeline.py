# SPDX-License-Identifier: Apache-2.0
"""From advertisements to contacts: the one way that live radio, replay and simulation share.

Pure like the parts that it joins: time comes in with the data, so that the same advertisements give the same contacts
wherever they come from and however they are cut into pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf

from bzd.config import Config
from bzd.model import Advertisement, Contact, Sighting, plausible_rssi
from bzd.protocols import recognise
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker

_IDLE_S = 1.0
"""Seconds of data time after which an advertisement without a proximity ID tells the tracker the time. It decides only
when a closed contact is handed out, and a second is soon enough for whoever watches them appear. The time told is one
that two reports of different times have reached: a single wild time stamp ends nobody's contact."""


_Fields = tuple[float, str, bytes, bytes, int, str, str | None]
_sighting: Callable[[_Fields], Sighting] = partial(tuple.__new__, Sighting)
"""Makes a Sighting of a tuple of all its fields, in half the time that its own constructor takes."""


@dataclass(slots=True)
class PipelineCounts:
    """What became of the advertisements; the counters grow while they are fed.

    Attributes:
        reports: advertisements fed.
        recognised: proximity IDs found in them; nearly always none or one in each.
        unmeasured: of these, not used because the source gives no RSSI.
        implausible: of these, not used because their RSSI cannot be true (0, 127, -127, out of range).
        own: of these, not used because the badge itself broadcast them.
        first: time of the first advertisement, UTC unix seconds; None before it.
        last: latest time of any, UTC unix seconds; None before the first.
    """

    reports: int = 0
    recognised: int = 0
    unmeasured: int = 0
    implausible: int = 0
    own: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def sightings(self) -> int:
        """What went into the tracker."""
        return self.recognised - self.unmeasured - self.implausible - self.own


class Pipeline:
    """Advertisements in, contacts out.

    Args:
        config: thresholds and constants.
        scan_period_s: seconds from one listening to the next, 0 for continuous; None takes `scan.period_s`.
        own_ids: rolling IDs that the badge itself broadcasts.
        synced: whether the clock that dates the advertisements is known to be right.
    """

    def __init__(
        self,
        config: Config,
        *,
        scan_period_s: float | None = None,
        own_ids: Container[bytes] = frozenset(),
        synced: bool = True,
    ) -> None:
        period = config.scan.period_s if scan_period_s is None else scan_period_s
        self.tracker = Tracker(config.proximity, Ranging(config.ranging), scan_period_s=period, synced=synced)
        self.counts = PipelineCounts()
        self._own_ids = own_ids
        self._times = -inf, -inf, -inf

    def feed(self, advertisements: Iterable[Advertisement]) -> Iterator[Contact]:
        """Yield each contact as it closes; the advertisements are taken one by one, as the contacts are asked for."""
        # One flat loop on local names: it runs for every report, and most carry an ID whose payload is known already.
        counts, own_ids = self.counts, self._own_ids
        feed, advance = self.tracker.feed, self.tracker.advance
        told, before, now = self._times
        latest = -inf if counts.last is None else counts.last
        try:
            for time, address, address_type, rssi, data, _ in advertisements:
                counts.reports += 1
                if time > latest:
                    counts.last = latest = time
                    if counts.first is None:
                        counts.first = time
                if time != now:
                    before, now = now, time
                identifiers = recognise(data)
                if not identifiers:
                    if time - told > _IDLE_S and (sure := min(before, time)) - told > _IDLE_S:
                        told = sure
                        yield from advance(sure)
                    continue
                for protocol, rolling_id, metadata in identifiers:
                    counts.recognised += 1
                    if rssi is None or rolling_id in own_ids or not plausible_rssi(rssi):
                        self._refuse(rssi)
                    elif closed := feed(_sighting((time, protocol, rolling_id, metadata, rssi, address, address_type))):
                        yield from closed
        finally:
            self._times = told, before, now

    def _refuse(self, rssi: int | None) -> None:
        """Count an identifier that is not used, by the reason that comes first in the counters."""
        if rssi is None:
            self.counts.unmeasured += 1
        elif not plausible_rssi(rssi):
            self.counts.implausible += 1
        else:
            self.counts.own += 1

    def redate(self, shift_ms: int, *, synced: bool) -> list[Contact]:
        """The clock that dated the advertisements so far was wrong by so many milliseconds; see `Tracker.redate`."""
        closed = self.tracker.redate(shift_ms, synced=synced)
        counts = self.counts
        counts.first, counts.last = (
            None if time is None else time + shift_ms / 1000 for time in (counts.first, counts.last)
        )
        return closed

    def finish(self) -> list[Contact]:
        """Close whatever is still open; nothing may be fed afterwards."""
        return self.tracker.finish()
