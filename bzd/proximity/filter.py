# SPDX-License-Identifier: Apache-2.0
"""Which runs become contacts, and the counts with their reasons."""

from __future__ import annotations

from dataclasses import dataclass

from bzd.config import ProximityConfig
from bzd.model import Contact
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
        if run.held is not None:
            self._drop(run.held.sightings, run.held.rssi_max)
        run.held = self._piece(run, extra)
        return []

    def end(self, run: Run, *, evicted: bool = False) -> list[Contact]:
        """The contacts of a run that ends."""
        sightings, peak = run.totals()
        self.counts.evicted += evicted
        if self._judge(run, sightings, peak):
            return self._accept(run, 0)
        if evicted:
            self.counts.evicted_sightings += sightings + (run.held.sightings if run.held else 0)
            return []
        if run.held is not None:
            self._drop(run.held.sightings, run.held.rssi_max)
        self._drop(sightings, peak)
        return []

    def preview(self, run: Run) -> list[Contact]:
        """What `end` would give now; counts nothing."""
        sightings, peak = run.totals()
        if not self._passes(run, sightings, peak):
            return []
        held = [] if run.held is None else [run.held]
        return [*held, self._piece(run, 0)]

    def _passes(self, run: Run, sightings: int, peak: int) -> bool:
        if run.held is not None:
            sightings += run.held.sightings
            peak = max(peak, run.held.rssi_max)
        return run.passed or (sightings >= self._min_sightings and peak >= self._min_rssi)

    def _judge(self, run: Run, sightings: int, peak: int) -> bool:
        run.passed = self._passes(run, sightings, peak)
        return run.passed

    def _accept(self, run: Run, extra: int) -> list[Contact]:
        contacts = [self._piece(run, extra)]
        if run.held is not None:
            contacts.insert(0, run.held)
            run.held = None
        self.counts.contacts += len(contacts)
        self.counts.contact_sightings += sum(contact.sightings for contact in contacts)
        return contacts

    def _piece(self, run: Run, extra: int) -> Contact:
        return run.piece(self._rules, self._ranging, extra, synced=self.synced)

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
