# SPDX-License-Identifier: Apache-2.0
"""Sightings to contacts, incrementally. The exact rules are in the package docstring."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator, Sequence
from operator import itemgetter

from bzd.config import ProximityConfig
from bzd.model import Contact, ContactKey, Sighting
from bzd.proximity.filter import Filter, TrackerCounts
from bzd.proximity.places import Places
from bzd.proximity.ranging import Ranging
from bzd.proximity.rules import APART, midnight_after, milliseconds, rules
from bzd.proximity.run import Run

_TOLERANCE_S = 1.0
"""Sightings may come out of order within this."""
_WAITING_MAX = 4096
"""Most sightings that wait for their order. A legacy advertisement takes at least 0.3 ms of air, and a controller
listens on one channel at a time, so a recorder hears no more than some 3000 a second."""
_END_S = 253402300800.0
"""The year 10000, which RFC 3339 cannot write."""
_FOREVER_MS = 2**63
"""Later than any time."""
_order = itemgetter(0, 1, 2, 3, 4)
"""What decides the order of sightings: time, protocol, rolling ID, metadata, RSSI, but not the address, which may be
unknown."""


class Tracker:
    """Follows rolling IDs and hands out contacts as they close.

    Args:
        config: the rules and thresholds.
        ranging: estimates closeness.
        scan_period_s: seconds from one listening to the next, 0 when listening without a break.
        synced: whether the wall clock is known to be right; stated by every contact.
    """

    def __init__(
        self, config: ProximityConfig, ranging: Ranging, *, scan_period_s: float = 0.0, synced: bool = True
    ) -> None:
        self._rules = rules(config, scan_period_s)
        self._gap = self._rules.gap
        self._filter = Filter(config, self._rules, ranging, synced=synced)
        self._counts = self._filter.counts
        self._places = Places(config.max_tracked, self._rules.beside)
        self._runs = self._places.runs
        self._waiting: deque[Sighting] = deque()
        self._newest = 0.0
        self._floor = 0.0
        self._next_expiry = _FOREVER_MS
        self._closed: list[Contact] = []

    @property
    def counts(self) -> TrackerCounts:
        """What became of the sightings so far."""
        return self._counts

    @property
    def pending(self) -> int:
        """Sightings that are neither in a contact that was handed out nor dropped."""
        held = sum(piece.sightings for run in self._runs.values() for piece in run.held)
        return len(self._waiting) + held + sum(run.totals()[0] for run in self._runs.values())

    def feed(self, sighting: Sighting) -> Sequence[Contact]:
        """Take a sighting in; its RSSI must be plausible.

        Returns:
            The contacts that closed by its time; usually none.
        """
        time = sighting[0]
        self._counts.sightings += 1
        waiting = self._waiting
        if self._newest < time < _END_S:
            waiting.append(sighting)
            self._newest = time
        else:
            self._disordered(sighting)
        if waiting and waiting[0][0] < self._newest - _TOLERANCE_S:
            self._settle()
        return self._hand_out() if self._closed else ()

    def advance(self, time: float) -> Sequence[Contact]:
        """Data time has passed without a sighting: none older than `time` less one second will follow.

        Returns:
            The contacts that closed by then. Their content is what it would have been without this call.
        """
        if self._newest < time < _END_S:
            self._newest = time
            self._settle()
            self._expire(milliseconds(max(time - _TOLERANCE_S, 0.0)))
        return self._hand_out()

    def redate(self, shift_ms: int, *, synced: bool) -> list[Contact]:
        """The clock that dated the sightings was wrong: move all that is not closed yet, durations unchanged.

        Keys of open contacts move with their start.

        Args:
            shift_ms: milliseconds to add to every time.
            synced: whether the clock is known to be right now; a run that then runs over a UTC midnight is cut there.

        Returns:
            The contacts that closed by it.
        """
        self._filter.synced = synced
        seconds = shift_ms / 1000
        self._waiting = deque(sighting._replace(time=sighting.time + seconds) for sighting in self._waiting)
        self._newest, self._floor = (time + seconds if time else time for time in (self._newest, self._floor))
        if self._next_expiry != _FOREVER_MS:
            self._next_expiry += shift_ms
        for run in self._runs.values():
            run.move(shift_ms, self._rules)
            if synced:
                self._closed += self._filter.cut_moved(run)
        return self._hand_out()

    def finish(self) -> list[Contact]:
        """Close everything, in order of start; a sighting after this begins anew."""
        self._end_all()
        self._newest = self._floor = 0.0
        return sorted(self._hand_out(), key=lambda contact: (contact.start, contact.key))

    def open_contacts(self) -> Iterator[tuple[ContactKey, Contact]]:
        """Contacts in progress that pass the filter, as they would be closed now, each with its key.

        The key stays the same while the contact grows and is `Contact.key` when it is handed out, so that what was
        flushed can be replaced. Sightings of the last second that still wait for their order are not in it.
        """
        for run in self._runs.values():
            for contact in self._filter.preview(run):
                yield contact.key, contact

    def _hand_out(self) -> list[Contact]:
        closed, self._closed = self._closed, []
        return closed

    def _disordered(self, sighting: Sighting) -> None:
        """A sighting that is not newer than all before it, or whose time cannot be true."""
        time = sighting.time
        if not 0.0 <= time < _END_S:
            self._counts.implausible_times += 1
            return
        if time < self._newest - _TOLERANCE_S:
            self._counts.clock_steps_back += 1
            self._end_all()
            self._newest = self._floor = time
        elif self._waiting and time < self._waiting[-1].time:
            self._counts.late += 1
        self._newest = max(self._newest, time)
        self._put_in_order(sighting if time >= self._floor else sighting._replace(time=self._floor))

    def _put_in_order(self, sighting: Sighting) -> None:
        waiting = self._waiting
        if not waiting or _order(sighting) >= _order(waiting[-1]):
            waiting.append(sighting)
        else:
            insort(waiting, sighting, key=_order)
        if len(waiting) > _WAITING_MAX:
            self._floor = waiting[0].time
            self._take(waiting.popleft())

    def _settle(self) -> None:
        """Take the sightings in that nothing can come before any more."""
        waiting = self._waiting
        horizon = self._newest - _TOLERANCE_S
        while waiting and waiting[0][0] < horizon:
            self._take(waiting.popleft())

    def _take(self, sighting: Sighting) -> None:
        """Take in the next sighting in order of time."""
        key = sighting[1:3]
        now = int(sighting[0] * 1000.0 + 0.5)
        if now >= self._next_expiry:
            self._expire(now)
        run = self._runs.get(key)
        if run is None:
            self._begin(sighting, now)
        elif now < run.limit and now - run.last <= self._gap:
            rssi = sighting[4]
            run.last = now
            run.count += 1
            run.rssi_sum += rssi
            if rssi > run.peak:  # noqa: PLR1730  a call of max() for every sighting is measurably slower
                run.peak = rssi
            run.queue.move_to_end(key)
        else:
            self._turn(run, now, sighting)

    def _begin(self, sighting: Sighting, now: int) -> None:
        victim = self._places.victim()
        if victim is not None:
            self._end(victim, evicted=True)
        self._places.add(Run(sighting[1:3], sighting, now, self._places.once))
        self._next_expiry = min(self._next_expiry, now + self._rules.max_gap + 1)
        self._counts.tracked_most = max(self._counts.tracked_most, len(self._runs))

    def _turn(self, run: Run, now: int, sighting: Sighting) -> None:
        """A sighting that the open instance of its run does not take as it stands."""
        if now - run.last > self._rules.max_gap:
            self._end(run)
            self._begin(sighting, now)
            return
        if run.limit == run.first:
            run.settle(self._rules)
        if now < run.limit and now - run.last <= self._gap:
            run.add(now, sighting.rssi)
        else:
            self._next_instance(run, now, sighting.rssi)
        silent = self._places.promote(run, now)
        if silent is not None:
            self._end(silent, evicted=True)

    def _next_instance(self, run: Run, now: int, rssi: int) -> None:
        """Open another instance in a run, cutting the run where that is due."""
        last, beside = run.last, now - run.last <= self._rules.beside
        midnight = midnight_after(last)
        if now >= midnight or run.full:
            cut = midnight if now >= midnight else last
            self._closed += self._filter.cut(run, cut - last if beside else 0)
            run.restart(cut if beside else now)
            run.open(now, rssi, cut if beside else APART)
        else:
            run.close(self._rules)
            run.open(now, rssi, last if beside else APART)
        run.settle(self._rules)

    def _expire(self, now: int) -> None:
        """End the runs that have been silent for too long, and note when the next may be."""
        for run in self._places.last_heard_before(now - self._rules.max_gap):
            self._end(run)
        silent = self._places.longest_silent()
        self._next_expiry = _FOREVER_MS if silent is None else silent + self._rules.max_gap + 1

    def _end(self, run: Run, *, evicted: bool = False) -> None:
        self._places.remove(run)
        self._closed += self._filter.end(run, evicted=evicted)

    def _end_all(self) -> None:
        while self._waiting:
            self._take(self._waiting.popleft())
        for run in list(self._runs.values()):
            self._end(run)
