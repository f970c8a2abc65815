# SPDX-License-Identifier: Apache-2.0
"""What is kept of matching: which keys explain contacts of which days, and when a key file must be matched again. Pure.

A file is matched when it comes. Contacts can still come for it after that: of IDs that are heard up to the tolerance
after their time, and of contacts in progress, which are stored once they are long enough. So it is matched again until
its last contact must be there, judged by a clock that is known to be right. From then on it is settled. It is matched
once more if what it was judged by no longer holds: the clock says that it was read in the future, or the store got
older contacts since, as from a replay.

Contacts of a badge that did not know the time are tried against every key as soon as a file comes, so that nothing is
missed when they are dated later. What they matched is kept until its day is as old as other days become: the date that
a first anchor gives may be corrected by a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from math import inf

from bzd.matching.keys import MAX_ONSET_DAYS, MAX_TIME, DiagnosisKey, ReportType
from bzd.matching.matcher import Case
from bzd.protocols import protocols
from bzd.protocols.schedule import DAY_S
from bzd.store.matched import MatchedKey, ReadFile

SETTLED_S = 7 * 3600.0
"""A contact is in the store so long after it began: the tracker cuts it after three hours of continuous presence, six
with a gap before each sighting, and the rest is for a card that could not be written."""
AGAIN_S = 7200.0
"""Until its last contact can have begun, a file is matched again after so long: as long as an ID may come too late."""
SLACK_S = 60.0
"""A clock that went back by less was corrected, not set."""
FOUND_MAX = 10_000
"""Most keys that are kept. A badge of which more cases' days were met than that is told lies by whoever publishes."""

Days = Mapping[int | None, Sequence[MatchedKey]]
"""Keys by UTC day of contacts that they explain, days since 1970-01-01; None for contacts that are kept without one."""


def until(keys: Iterable[DiagnosisKey], tolerance_s: float) -> float:
    """The time after which no contact can begin that is with one of the keys, UTC unix seconds; 0.0 without keys."""
    return max((key.end for key in keys), default=-tolerance_s) + tolerance_s


def next_look(file: ReadFile, now: float, contacts: Iterable[tuple[int, int | None]]) -> float:
    """When a file must be matched again, UTC unix seconds; infinite if never.

    Args:
        file: what is kept of it.
        now: UTC unix seconds of a clock known to be right.
        contacts: number and day of each segment of contacts there is.
    """
    if file.read > now + SLACK_S:
        return now
    older = (day for segment, day in contacts if segment > file.segment and day is not None)
    if any(day * DAY_S < file.until for day in older):
        return file.read + AGAIN_S
    if file.read < file.until:
        return min(file.read + AGAIN_S, file.until + SETTLED_S)
    return inf if file.read >= file.until + SETTLED_S else file.until + SETTLED_S


def known(days: Days) -> tuple[list[DiagnosisKey], list[DiagnosisKey]]:
    """The keys that were found, to begin a matcher with: those first published, and those that came as news."""
    first: dict[DiagnosisKey, None] = {}
    revised: dict[DiagnosisKey, None] = {}
    for found in (found for of in days.values() for found in of):
        key = _diagnosis_key(found)
        if key is not None:
            (revised if found.revised else first)[key] = None
    return list(first), list(revised)


def grown(
    days: Days, cases: Iterable[Case], now: float, oldest: float, dated: Container[int | None]
) -> dict[int | None, list[MatchedKey]]:
    """What is kept of the cases that were known and those that are found now.

    Args:
        days: what was kept.
        cases: what the matcher knows.
        now: when it is found, UTC unix seconds.
        oldest: keys that ended before, UTC unix seconds, are no longer kept for contacts of unknown time.
        dated: days that the store says in clear that it has contacts of. What was found of contacts that were dated
            later is kept without a day, or it would be seen that something was found.

    Raises:
        ValueError: if more keys are found than can be true.
    """
    kept: defaultdict[int | None, dict[tuple[object, ...], MatchedKey]] = defaultdict(dict)
    for day, of in days.items():
        kept[day] = {_name(found): found for found in of if day is not None or _end(found) >= oldest}
    by_name = {(case.key.protocol, case.key.key): case for case in cases}
    for by_key in kept.values():
        for name, found in by_key.items():
            # News of a key holds for all days on which it was met, also where it explains nothing any more.
            case = by_name.get((found.protocol, found.key))
            by_key[name] = found if case is None else _matched(case, found.first, found.intervals, found.found)
    for case in by_name.values():
        for hit in case.hits.values():
            of_contact = int(hit.contact.start // DAY_S)
            day = of_contact if hit.contact.synced and of_contact in dated else None
            found = _matched(case, hit.key.first, hit.key.intervals, now)
            kept[day].setdefault(_name(found), found)
    if sum(map(len, kept.values())) > FOUND_MAX:
        raise ValueError(f"more than {FOUND_MAX} keys of cases match")
    return {day: list(of.values()) for day, of in kept.items()}


def _name(found: MatchedKey) -> tuple[object, ...]:
    return found.protocol, found.key, found.first, found.intervals


def _end(found: MatchedKey) -> float:
    key = _diagnosis_key(found)
    return -inf if key is None else key.end


def _matched(case: Case, first: int, intervals: int, found: float) -> MatchedKey:
    """What is kept of a case for so many intervals from the first."""
    key = case.key
    return MatchedKey(
        key.protocol,
        key.key,
        first,
        intervals,
        int(key.report_type),
        key.days_since_onset,
        key.transmission_risk,
        revised=case.rank > 0,
        found=round(found * 1000) / 1000,
    )


def _diagnosis_key(found: MatchedKey) -> DiagnosisKey | None:
    """A key as it was published; None if no key is like that, since a store may come from anybody."""
    protocol = protocols().get(found.protocol)
    if protocol is None or len(found.key) != protocol.key_bytes:
        return None
    end = (found.first + found.intervals) * protocol.interval_s
    if not 1 <= found.intervals <= DAY_S // protocol.interval_s or end > MAX_TIME:
        return None
    report_type = ReportType(found.report_type) if found.report_type in set(ReportType) else ReportType.UNKNOWN
    onset = found.days_since_onset
    if onset is not None and abs(onset) > MAX_ONSET_DAYS:
        onset = None
    return DiagnosisKey(
        found.key, found.first, found.intervals, found.protocol, report_type, onset, found.transmission_risk
    )
