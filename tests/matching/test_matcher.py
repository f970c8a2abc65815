# SPDX-License-Identifier: Apache-2.0
"""The matcher: what matches, what is left out and counted, and what later news changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.matcher import Matcher
from bzd.model import Contact, ScanInstance
from bzd.protocols import bluezone

if TYPE_CHECKING:
    from tests.matching.conftest import Cases


def test_a_contact_of_a_case_is_found_among_others(cases: type[Cases]) -> None:
    """Of three contacts the one of the published key matches, with interval, tx power and no offset."""
    key, others = cases.key(1), [cases.key(2), cases.key(3)]
    heard = [cases.contact(of, cases.day + 50) for of in (key, *others)]
    (hit,) = Matcher({"badge": heard}).match([key, cases.key(4)])
    assert (hit.store, hit.contact, hit.interval) == ("badge", heard[0], cases.day + 50)
    assert (hit.tx_power, hit.offset_s) == (8, 0.0)


@pytest.mark.parametrize(
    ("seconds", "matches"),
    [(-7200.0, True), (-7200.001, False), (7799.999, True), (7800.0, False), (600.0, True)],
)
def test_two_hours_either_way(cases: type[Cases], seconds: float, matches: bool) -> None:  # noqa: FBT001  a parameter
    """An ID is accepted from 12 intervals before its own to 12 after it, and not a millisecond beyond."""
    key = cases.key(1)
    at = (cases.day + 50) * 600 + seconds
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 50, at=at)]})
    hits = matcher.match([key])
    assert [hit.offset_s for hit in hits] == ([round(min(seconds, max(seconds - 600, 0)), 3)] if matches else [])


def test_a_fleet_may_be_stricter(cases: type[Cases]) -> None:
    """With ten minutes of tolerance a replay after half an hour is none; it is counted if its interval is tried."""
    key = cases.key(1)
    late = cases.contact(key, cases.day + 50, at=(cases.day + 53) * 600.0)
    near = cases.contact(key, cases.day + 53)
    matcher = Matcher({"badge": [late, near]}, tolerance_s=600)
    assert [hit.contact for hit in matcher.match([key])] == [near]
    assert Matcher({"badge": [late]}).match([key])[0].offset_s == 1200


def test_a_key_counts_only_for_the_intervals_that_it_covers(cases: type[Cases]) -> None:
    """An ID of the key's secret for an interval after its rolling period is nobody's who published."""
    key = cases.key(1, intervals=40)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 39), cases.contact(key, cases.day + 40)]})
    assert [hit.interval - cases.day for hit in matcher.match([key])] == [39]


@pytest.mark.parametrize(("tx_power", "plausible"), [(-50, True), (-51, False), (20, True), (21, False)])
def test_implausible_metadata_is_suspicious(cases: type[Cases], tx_power: int, plausible: bool) -> None:  # noqa: FBT001
    """A tx power outside -50 to 20 dBm is left out and counted: somebody flipped bits on air."""
    matcher = Matcher({"badge": [cases.contact(cases.key(1), cases.day, tx_power=tx_power)]})
    assert (len(matcher.match([cases.key(1)])), matcher.counts.suspicious) == (plausible, not plausible)


def test_sightings_out_of_time_are_cut_from_a_contact(cases: type[Cases]) -> None:
    """A static ID heard for hours counts only while its key allows."""
    key = cases.key(1)
    whole = cases.contact(key, cases.day + 50)
    scans = tuple(ScanInstance(offset, 60.0, 6, -60.0, -58) for offset in (0.0, 3600.0, 10800.0))
    long = Contact(
        **{field: getattr(whole, field) for field in Contact.__slots__} | {"scans": scans, "end": whole.start + 10860}
    )
    (hit,) = Matcher({"badge": [long]}).match([key])
    assert [scan.offset_s for scan in hit.contact.scans] == [0.0, 3600.0]
    assert hit.contact.end == whole.start + 3660


def test_undated_contacts_are_tried_against_every_interval(cases: type[Cases]) -> None:
    """A badge that thought it was 1970 still finds its case, and the hit says that its time is a guess."""
    key = cases.key(1)
    undated = cases.contact(key, cases.day + 50, at=1000.0, synced=False)
    (hit,) = Matcher({"badge": [undated]}).match([key])
    assert (hit.interval, hit.contact.synced, hit.offset_s) == (cases.day + 50, False, 0.0)
    assert Matcher({"badge": [cases.contact(key, cases.day + 50, at=1000.0)]}).match([key]) == []


def test_each_store_gets_its_own_hits(cases: type[Cases]) -> None:
    """Two badges that heard the same case at the same time are told apart."""
    key = cases.key(1)
    stores = {name: [cases.contact(key, cases.day + 50)] for name in ("B", "C")}
    assert [hit.store for hit in Matcher(stores).match([key])] == ["B", "C"]


def test_the_same_key_again_changes_nothing(cases: type[Cases]) -> None:
    """Two files with one key, also with another day, count a contact once."""
    key = cases.key(1)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 50)]})
    assert len(matcher.match([key, key])) == 1
    assert matcher.match([key._replace(first=key.first - 10), cases.key(1, day=5)]) == []
    assert len(matcher.hits()) == 1


def test_fourteen_keys_that_all_hit(cases: type[Cases]) -> None:
    """A case of two weeks, met every day."""
    keys = [cases.key(day, day=day) for day in range(14)]
    heard = [cases.contact(key, key.first + 60) for key in keys]
    assert [hit.key for hit in Matcher({"badge": heard}).match(keys)] == keys


@pytest.mark.parametrize("revoked_first", [False, True])
def test_a_revoked_key_withdraws_its_hits(cases: type[Cases], revoked_first: bool) -> None:  # noqa: FBT001
    """Whichever file is read first, no warning stays, and what was withdrawn can be said."""
    key = cases.key(1)
    revoked = key._replace(report_type=ReportType.REVOKED)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 50)]})
    batches: list[tuple[list[DiagnosisKey], list[DiagnosisKey]]] = [([key], []), ([], [revoked])]
    first, second = reversed(batches) if revoked_first else batches
    assert len(matcher.match(*first)) == (not revoked_first)
    assert matcher.match(*second) == []
    assert matcher.hits() == []
    assert [hit.contact.rolling_id for hit in matcher.withdrawn()] == [cases.contact(key, cases.day + 50).rolling_id]


def test_a_revised_key_replaces_what_was_said(cases: type[Cases]) -> None:
    """A test confirms what was first a self-report; the primary entry read again does not undo it."""
    key = cases.key(1, report_type=ReportType.SELF_REPORT)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 50)]})
    matcher.match([key])
    matcher.match([], [key._replace(report_type=ReportType.CONFIRMED_TEST)])
    matcher.match([key])
    assert [hit.key.report_type for hit in matcher.hits()] == [ReportType.CONFIRMED_TEST]


def test_the_last_revision_stands(cases: type[Cases]) -> None:
    """News of news: what was read last, unless the key is revoked, which nothing undoes."""
    key = cases.key(1, report_type=ReportType.SELF_REPORT)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 50)]})
    for kind in (ReportType.CONFIRMED_CLINICAL_DIAGNOSIS, ReportType.CONFIRMED_TEST):
        matcher.match([], [key._replace(report_type=kind)])
        assert [hit.key.report_type for hit in matcher.hits()] == [kind]
    matcher.match([key._replace(report_type=ReportType.REVOKED)])
    matcher.match([key], [key])
    assert matcher.hits() == []


@pytest.mark.parametrize("other", [{"intervals": 10}, {"first": 0}])
def test_a_revocation_counts_whatever_intervals_it_states(cases: type[Cases], other: dict[str, int]) -> None:
    """It is the key that is withdrawn, also by an entry that would not match itself; in the same file, too."""
    key = cases.key(1)
    revoked = key._replace(report_type=ReportType.REVOKED, **other)  # type: ignore[arg-type]  # only numbers
    cut: list[list[tuple[list[DiagnosisKey], list[DiagnosisKey]]]] = [
        [([key], []), ([], [revoked])],
        [([key], []), ([revoked], [])],
        [([key], [revoked])],
    ]
    for batches in cut:
        matcher = Matcher({"badge": [cases.contact(key, cases.day + 50)]})
        for keys, revised in batches:
            matcher.match(keys, revised)
        assert (matcher.hits(), len(matcher.withdrawn())) == ([], 1)


def test_bluezone_has_one_slot_of_tolerance(cases: type[Cases]) -> None:
    """An ID of slot 40 is accepted in slots 39 to 41, and its contact states no tx power."""
    key = DiagnosisKey(b"b" * 32, cases.day * 600 // 900, 96, "bluezone")
    (rolling_id,) = bluezone.PROTOCOL.rolling_ids(key.key, key.first + 40, 1)

    def at(slot: int) -> Contact:
        scans = (ScanInstance(0.0, 60.0, 6, -60.0, -58),)
        start = (key.first + slot) * 900.0
        return Contact("bluezone", rolling_id, b"", start, start + 60, 0.0, None, True, scans)

    hits = Matcher({"badge": [at(slot) for slot in (38, 39, 40, 41, 42)]}).match([key])
    assert [hit.contact.start // 900 - key.first for hit in hits] == [39, 40, 41]
    assert {hit.tx_power for hit in hits} == {None}


def test_contacts_of_an_unknown_protocol_are_no_trouble(cases: type[Cases]) -> None:
    """A store of a newer bzd may hold what this one does not know."""
    known = cases.contact(cases.key(1), cases.day)
    strange = Contact("later", b"x" * 20, b"", known.start, known.end, 0.0, None, True, known.scans)
    matcher = Matcher({"badge": [strange, known]})
    assert [hit.contact for hit in matcher.match([cases.key(1)])] == [known]


def test_an_empty_store_derives_nothing(cases: type[Cases]) -> None:
    """No contact, no hit, no error."""
    matcher = Matcher({"badge": []})
    assert matcher.match([cases.key(1)]) == []
    assert (matcher.counts.contacts, matcher.counts.keys) == (0, 1)
