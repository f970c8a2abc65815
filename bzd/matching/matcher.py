# SPDX-License-Identifier: Apache-2.0
"""The matcher: which contacts of which stores are explained by which diagnosis keys.

A contact matches a key if its rolling ID is one that the key gives for an interval near the time at which it was heard.
How near is the tolerance: two hours for GAEN (as Google's `RollingProximityIdValidator` has it: 12 intervals), one slot
for Bluezone, less where a fleet's clocks agree. Whoever records an ID and broadcasts it elsewhere within that time
makes a false contact; that is why `Hit.offset_s` is shown. A relay without delay cannot be seen at all.

What cannot be is left out and counted: metadata that decrypts to no plausible tx power, and sightings out of time.
A contact of a badge that did not know the time is tried against every interval, and its hits say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bzd.matching.intervals import Wanted, around
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.parallel import Progress, search_all
from bzd.matching.search import Found, Haystack
from bzd.model import Contact, ContactKey, ScanInstance
from bzd.protocols import bluezone, gaen, protocols
from bzd.protocols.schedule import DAY_S

TOLERANCE_S = 7200.0
"""Two hours: 12 intervals (`tkMatchingClockDriftRollingPeriods` of Google's exposure-notifications-internals)."""
TX_POWER_MIN_DBM, TX_POWER_MAX_DBM = -50, 20
"""What Google's matcher accepts (exposure-notifications-internals, ContactTracingFeature)."""

_PROTOCOL_TOLERANCE_S = {bluezone.NAME: float(bluezone.SLOT_S)}
"""Where a protocol is stricter than GAEN. The app itself allows no clock error; one slot forgives a slow restart."""


class Hit(NamedTuple):
    """A contact that a diagnosis key explains.

    Attributes:
        store: label of the store that the contact is from.
        key: the key, with what is now known of its case.
        interval: the interval that the rolling ID is derived for.
        contact: the contact, without scan instances that were out of time.
        offset_s: seconds by which its first sighting lies before (negative) or after the interval, 0 within. GAEN's
            IDs stay on air up to 600 s longer; what goes beyond is a wrong clock or a replay. 0 for an undated contact.
        tx_power: dBm that the metadata states, None where the protocol states none.
        confidence: calibration confidence 0 to 3 that the metadata states, or None.
    """

    store: str
    key: DiagnosisKey
    interval: int
    contact: Contact
    offset_s: float
    tx_power: int | None
    confidence: int | None


@dataclass(slots=True)
class MatchCounts:
    """What a matcher did, growing as it does it.

    Attributes:
        contacts: contacts in the stores.
        undated: of them, contacts of a clock that was never right.
        keys: keys tried, revised ones included.
        suspicious: contacts left out because their metadata decrypts to no plausible tx power.
        out_of_time: contacts left out because they were heard too far from their ID's interval.
    """

    contacts: int = 0
    undated: int = 0
    keys: int = 0
    suspicious: int = 0
    out_of_time: int = 0


@dataclass(slots=True)
class Case:
    """What is known of a key that matched.

    Attributes:
        key: the key, with the last news of it.
        rank: how far that is to be believed: 0 first published, 1 revised, 2 revoked.
        hits: its hits, each with the key as it was when it was found, by store and contact.
    """

    key: DiagnosisKey
    rank: int
    hits: dict[tuple[str, ContactKey], Hit] = field(default_factory=dict)

    def hear(self, key: DiagnosisKey, rank: int) -> None:
        """Take in what a file says of the key."""
        if rank > self.rank or rank == self.rank == _REVISED:
            self.key, self.rank = key, rank


_PRIMARY, _REVISED, _REVOKED = range(3)
"""Later news of a key: a revision replaces what was first said, a revocation stands whatever is read after it."""


class Matcher:
    """Matches keys against stores. Keys may come in any number of batches; each is derived once for all stores.

    Memory is that of the contacts, one batch of keys, and what was found; keys that hit nothing are forgotten.

    Args:
        stores: contacts by label of their store.
        tolerance_s: seconds by which an ID may be heard too early or too late; a stricter protocol keeps its own.
        processes: see `bzd.matching.parallel.search_all`.

    Attributes:
        counts: what was done so far.
    """

    def __init__(
        self,
        stores: Mapping[str, Iterable[Contact]],
        *,
        tolerance_s: float = TOLERANCE_S,
        processes: int | None = None,
    ) -> None:
        self.counts = MatchCounts()
        self._tolerance_s = tolerance_s
        self._processes = processes
        self._heard: dict[tuple[str, bytes], list[tuple[str, Contact]]] = {}
        for label, contacts in stores.items():
            for contact in contacts:
                self._heard.setdefault((contact.protocol, contact.rolling_id), []).append((label, contact))
                self.counts.contacts += 1
                self.counts.undated += not contact.synced
        self._haystacks = self._haystacks_of()
        self._cases: dict[tuple[str, bytes], Case] = {}

    def match(
        self, keys: Sequence[DiagnosisKey], revised: Sequence[DiagnosisKey] = (), *, progress: Progress | None = None
    ) -> list[Hit]:
        """Try a batch of keys, as the readers of `bzd.matching` give them.

        Args:
            keys: keys that are published for the first time.
            revised: keys of which news is published: another report type, or that they are revoked. News of a key
                that matched before counts whatever intervals it states; before that, only if it matches itself.
            progress: told the number of keys done since it was last told.

        Returns:
            what these keys found that no earlier batch had; `hits` gives all that is known.
        """
        together = [*keys, *revised]
        self.counts.keys += len(together)
        new: list[Hit] = []
        for found in search_all(self._haystacks, together, processes=self._processes, progress=progress):
            key = together[found.place]
            hits = list(self._hits(key, found))
            if hits:
                new += self._remember(key, found.place >= len(keys), hits)
        # News names a key by its bytes; whoever withdraws one need not repeat for when it held.
        for key in (*(key for key in keys if key.report_type == ReportType.REVOKED), *revised):
            if (key.protocol, key.key) in self._cases:
                self._case(key).hear(key, _rank(key, revised=True))
        return [hit for hit in new if self._case(hit.key).rank != _REVOKED]

    def cases(self) -> list[Case]:
        """All keys that explain a contact, revoked ones included, in the order in which they were found."""
        return list(self._cases.values())

    def hits(self) -> list[Hit]:
        """All hits whose keys are not revoked, by store, then time."""
        return self._of(revoked=False)

    def withdrawn(self) -> list[Hit]:
        """The hits of keys that were revoked: warnings to take back."""
        return self._of(revoked=True)

    def _of(self, *, revoked: bool) -> list[Hit]:
        cases = [case for case in self._cases.values() if (case.rank == _REVOKED) is revoked]
        hits = [hit._replace(key=case.key) for case in cases for hit in case.hits.values()]
        return sorted(hits, key=lambda hit: (hit.store, hit.contact.start, hit.contact.rolling_id, hit.key.key))

    def _case(self, key: DiagnosisKey) -> Case:
        return self._cases[key.protocol, key.key]

    def _remember(self, key: DiagnosisKey, revised: bool, hits: Sequence[Hit]) -> list[Hit]:  # noqa: FBT001  one caller
        rank = _rank(key, revised=revised)
        case = self._cases.setdefault((key.protocol, key.key), Case(key, rank))
        case.hear(key, rank)
        new = [hit for hit in hits if (hit.store, hit.contact.key) not in case.hits]
        case.hits.update(((hit.store, hit.contact.key), hit) for hit in new)
        return new

    def _hits(self, key: DiagnosisKey, found: Found) -> Iterable[Hit]:
        earliest, latest = self._span(key, found.interval)
        for store, contact in self._heard[key.protocol, found.rolling_id]:
            kept = within(contact, earliest, latest) if contact.synced else contact
            if kept is None:
                self.counts.out_of_time += 1
                continue
            plausible, tx_power, confidence = opened(key, contact)
            if not plausible:
                self.counts.suspicious += 1
                continue
            offset_s = self._offset(key, found.interval, contact) if contact.synced else 0.0
            yield Hit(store, key, found.interval, kept, offset_s, tx_power, confidence)

    def _span(self, key: DiagnosisKey, interval: int) -> tuple[float, float]:
        """From when to when an interval's ID is accepted."""
        first, last = _on_air(key, interval)
        tolerance_s = self._tolerance_of(key.protocol)
        return first - tolerance_s, last + tolerance_s

    @staticmethod
    def _offset(key: DiagnosisKey, interval: int, contact: Contact) -> float:
        first, last = _on_air(key, interval)
        return round(contact.start - min(max(contact.start, first), last), 3)

    def _tolerance_of(self, protocol: str) -> float:
        return min(self._tolerance_s, _PROTOCOL_TOLERANCE_S.get(protocol, self._tolerance_s))

    def _haystacks_of(self) -> dict[str, Haystack]:
        ids: dict[str, set[bytes]] = {}
        ranges: dict[str, list[tuple[int, int]]] = {}
        undated: set[str] = set()
        for (protocol, rolling_id), heard in self._heard.items():
            # A store may come from anybody; what no protocol has as an ID is derived from no key.
            if protocol not in protocols() or len(rolling_id) != protocols()[protocol].id_bytes:
                continue
            ids.setdefault(protocol, set()).add(rolling_id)
            interval_s, tolerance_s = protocols()[protocol].interval_s, self._tolerance_of(protocol)
            for _, contact in heard:
                undated |= set() if contact.synced else {protocol}
                ranges.setdefault(protocol, []).append(around(contact.start, contact.end, interval_s, tolerance_s))
        return {
            protocol: Haystack(frozenset(of), Wanted(ranges[protocol], everything=protocol in undated))
            for protocol, of in ids.items()
        }


def _rank(key: DiagnosisKey, *, revised: bool) -> int:
    return _REVOKED if key.report_type == ReportType.REVOKED else _REVISED if revised else _PRIMARY


def _on_air(key: DiagnosisKey, interval: int) -> tuple[float, float]:
    """When an ID is to be expected, UTC unix seconds: in its interval, or all day where the order is random."""
    protocol = protocols()[key.protocol]
    if protocol.shuffled:
        midnight = interval * protocol.interval_s // DAY_S * DAY_S
        return float(midnight), float(midnight + DAY_S)
    return float(interval * protocol.interval_s), float((interval + 1) * protocol.interval_s)


def within(contact: Contact, earliest: float, latest: float) -> Contact | None:
    """A contact without the scan instances that begin before `earliest`, or at `latest` or later; None if none is left.

    Times are UTC unix seconds. What is cut off may be a replay of what was heard before.
    """
    if earliest <= contact.start and contact.start + contact.scans[-1].offset_s < latest:
        return contact
    kept = [scan for scan in contact.scans if earliest <= contact.start + scan.offset_s < latest]
    if not kept:
        return None
    base = kept[0].offset_s
    scans = tuple(replace(scan, offset_s=round(scan.offset_s - base, 3)) for scan in kept)
    start = round(contact.start + base, 3)
    end = contact.end if kept[-1] is contact.scans[-1] else start + scans[-1].offset_s + scans[-1].seconds
    end = round(min(max(end, start), contact.end), 3)
    return replace(contact, start=start, end=end, near_s=min(contact.near_s, _seconds(scans)), scans=scans)


def _seconds(scans: Iterable[ScanInstance]) -> float:
    return round(sum(scan.seconds for scan in scans), 3)


def opened(key: DiagnosisKey, contact: Contact) -> tuple[bool, int | None, int | None]:
    """Whether a contact's metadata can be true under a key, and the tx power and confidence that it states.

    A protocol without metadata states nothing, which can always be true.
    """
    if key.protocol != gaen.NAME:
        return True, protocols()[key.protocol].open_tx_power(key.key, contact.rolling_id, contact.metadata), None
    tx_power = gaen.PROTOCOL.open_tx_power(key.key, contact.rolling_id, contact.metadata)
    if tx_power is None or not TX_POWER_MIN_DBM <= tx_power <= TX_POWER_MAX_DBM:
        return False, None, None
    return True, tx_power, gaen.unseal(key.key, contact.rolling_id, contact.metadata).confidence
