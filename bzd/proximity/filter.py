# SPDX-License-Identifier: Apache-2.0
"""Which runs become contacts, and the counts with their reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bzd.config import ProximityConfig
from bzd.model import Contact
from bzd.proximity.midnight import cut
from bzd.proximity.ranging import Ranging
from bzd.proximity.rules import Rules
from bzd.proximity.run import Run


@dataclass(slots=True)
class TrackerCounts:
    """What became of the sightings, with the nearest misses.

    `sightings` = `contact_sightings` + `too_few_sightings` + `too_weak_sightings` + `evicted_sightings` +
    `implausible_times` + those that are still tracked (none after `finish()`).

    Attributes:
        sightings: sightings that were fed.
        contacts: contacts handed out.
        contact_sightings: their sightings.
        too_few: contacts dropped for having fewer than `min_sightings`.
        too_few_sightings: their sightings.
        too_few_most: the most that one of them had.
        too_weak: contacts dropped for never reaching `min_rssi_dbm`.
        too_weak_sightings: their sightings.
        too_weak_strongest: the strongest RSSI of them in dBm, None without one.
        evicted: rolling IDs that went early because too many were tracked.
        evicted_sightings: sightings of those of them that had not passed the filter; the others became contacts.
        tracked_most: most rolling IDs that were tracked at once.
        late: sightings out of order by at most a second, put in order.
        clock_steps_back: times the clock stepped back by more than a second, which ended all runs.
        implausible_times: sightings dropped for a time before 1970 or after 9999.
    """

    sightings: int = 0
    contacts: int = 0
    contact_sightings: int = 0
    too_few: int = 0
    too_few_sightings: int = 0
    too_few_most: int = 0
    too_weak: int = 0
    too_weak_sightings: int = 0
    too_weak_strongest: int | None = None
    evicted: int = 0
    evicted_sightings: int = 0
    tracked_most: int = 0
    late: int = 0
    clock_steps_back: int = 0
    implausible_times: int = 0


class Filter:
    """Turns the pieces of runs into contacts, or counts why not.

    Args:
        config: the thresholds.
        rules: what instances stand for.
        ranging: estimates closeness of what passes.
        synced: whether the wall clock is known to be right.
    """

    def __init__(self, config: ProximityConfig, rules: Rules, ranging: Ranging, *, synced: bool) -> None:
        self._min_sightings = config.min_sightings
        self._min_rssi = config.min_rssi_dbm
        self._rules = rules
        self._ranging = ranging
        self.synced = synced
        self.counts = TrackerCounts()

    def cut(self, run: Run, extra: int) -> list[Contact]:
        """The contacts that are certain at a cut `extra` milliseconds after the run's last sighting.

        A piece that does not pass by then is held, at most one at a time.
        """
        sightings, peak = run.totals()
        if self._judge(run, sightings, peak):
            return self._accept(run, extra)
        self._drop_held(run)
        run.held = [self._piece(run, extra)]
        return []

    def cut_moved(self, run: Run) -> list[Contact]:
        """The contacts that are certain once a run was moved in time, cut at the midnights that it then runs over."""
        *early, rest = cut(self._piece(run, 0), self._rules.beside)
        run.held = [self._estimated(piece) for held in run.held for piece in cut(held, self._rules.beside)]
        if not early:
            return []
        self._judge(run, *run.totals())
        run.held += map(self._estimated, early)
        run.keep_from(rest, self._rules)
        return self._hand_out(run, []) if run.passed else []

    def end(self, run: Run, *, evicted: bool = False) -> list[Contact]:
        """The contacts of a run that ends."""
        sightings, peak = run.totals()
        self.counts.evicted += evicted
        if self._judge(run, sightings, peak):
            return self._accept(run, 0)
        if evicted:
            self.counts.evicted_sightings += sightings + sum(piece.sightings for piece in run.held)
            return []
        self._drop_held(run)
        self._drop(sightings, peak)
        return []

    def preview(self, run: Run) -> list[Contact]:
        """What `end` would give now; counts nothing."""
        sightings, peak = run.totals()
        if not self._passes(run, sightings, peak):
            return []
        return [*run.held, self._piece(run, 0)]

    def _passes(self, run: Run, sightings: int, peak: int) -> bool:
        for piece in run.held:
            sightings += piece.sightings
            peak = max(peak, piece.rssi_max)
        return run.passed or (sightings >= self._min_sightings and peak >= self._min_rssi)

    def _judge(self, run: Run, sightings: int, peak: int) -> bool:
        run.passed = self._passes(run, sightings, peak)
        return run.passed

    def _accept(self, run: Run, extra: int) -> list[Contact]:
        return self._hand_out(run, [self._piece(run, extra)])

    def _hand_out(self, run: Run, last: list[Contact]) -> list[Contact]:
        contacts = [*run.held, *last]
        run.held = []
        self.counts.contacts += len(contacts)
        self.counts.contact_sightings += sum(contact.sightings for contact in contacts)
        return contacts

    def _piece(self, run: Run, extra: int) -> Contact:
        return run.piece(self._rules, self._ranging, extra, synced=self.synced)

    def _estimated(self, piece: Contact) -> Contact:
        estimate = self._ranging.estimate(piece.scans)
        return replace(piece, near_s=estimate.near_s, distance_m=estimate.distance_m)

    def _drop_held(self, run: Run) -> None:
        for piece in run.held:
            self._drop(piece.sightings, piece.rssi_max)
        run.held = []

    def _drop(self, sightings: int, peak: int) -> None:
        counts = self.counts
        if sightings < self._min_sightings:
            counts.too_few += 1
            counts.too_few_sightings += sightings
            counts.too_few_most = max(counts.too_few_most, sightings)
            return
        counts.too_weak += 1
        counts.too_weak_sightings += sightings
        strongest = counts.too_weak_strongest
        counts.too_weak_strongest = peak if strongest is None else max(strongest, peak)
