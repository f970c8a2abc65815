# SPDX-License-Identifier: Apache-2.0
"""What is kept of matching, and when a key file must be matched again."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.matching import findings
from bzd.matching.keys import ReportType
from bzd.matching.matcher import Matcher
from bzd.store.matched import MatchedKey, ReadFile
from tests.store.test_matched import matched_keys

if TYPE_CHECKING:
    from tests.matching.conftest import Cases

NOON = 1_593_648_000.0 + 43200
HOUR = 3600.0
DAYS = range(18_445, 18_460)
"""From 2 July 2020 on: all days that the store has contacts of."""


def file(read: float, until: float, segment: int = 5) -> ReadFile:
    """What is kept of a file."""
    return ReadFile(bytes(32), read, until, segment)


@pytest.mark.parametrize(
    ("read", "until", "again"),
    [
        (NOON, NOON - 8 * HOUR, inf),  # all contacts were there
        (NOON, NOON - 7 * HOUR, inf),
        (NOON, NOON - 1 * HOUR, NOON + 6 * HOUR),  # once more, when contacts in progress must be there
        (NOON, NOON + 1 * HOUR, NOON + 2 * HOUR),  # a contact may still begin
        (NOON, NOON + 90 * HOUR, NOON + 2 * HOUR),
        (NOON, 0.0, inf),  # no keys
    ],
)
def test_a_file_is_matched_until_its_last_contact_must_be_there(read: float, until: float, again: float) -> None:
    """Judged by when it was read and until when a contact with one of its keys can begin."""
    assert findings.next_look(file(read, until), read + 1, [(5, int(read // 86400))]) == again


def test_a_clock_that_went_back_makes_it_due() -> None:
    """What was judged by a time that has not come yet was judged by a wrong clock."""
    settled = file(NOON, NOON - 90 * HOUR)
    assert findings.next_look(settled, NOON - 10, []) == inf
    assert findings.next_look(settled, NOON - 61, []) == NOON - 61


def test_older_contacts_that_came_later_make_it_due() -> None:
    """Those of a replay into the store; not those of the days since, nor those that had begun before."""
    day = int(NOON // 86400)
    settled = file(NOON, NOON - 40 * HOUR)
    for contacts in ([(5, day - 2)], [(6, day), (7, None), (8, day + 1)], []):
        assert findings.next_look(settled, NOON + HOUR, contacts) == inf
    assert findings.next_look(settled, NOON + HOUR, [(6, day - 2)]) == NOON + 2 * HOUR


def test_kept_by_day_and_found_again(cases: type[Cases]) -> None:
    """A key is kept for each day of a contact that it explains, and a matcher that begins with them finds the same."""
    met, twice, never = cases.key(1, days_since_onset=2), cases.key(2), cases.key(3)
    contacts = [
        cases.contact(met, cases.day + 60),
        cases.contact(twice, cases.day + 143, at=cases.midnight + 86400 - 60),
        cases.contact(twice, cases.day + 143, at=cases.midnight + 86400 + 60),
        cases.contact(twice, cases.day + 5, at=1234.0, synced=False),
    ]
    matcher = Matcher({"badge": contacts})
    matcher.match([met, twice, never])
    day = int(cases.midnight // 86400)
    kept = findings.grown({}, matcher.cases(), NOON, 0.0, DAYS)
    assert {key: [found.key for found in of] for key, of in kept.items()} == {
        day: [met.key, twice.key],
        day + 1: [twice.key],
        None: [twice.key],
    }
    again = Matcher({"badge": contacts})
    again.match(*findings.known(kept))
    assert again.hits() == matcher.hits()
    assert findings.grown(kept, again.cases(), NOON + 9999, 0.0, DAYS) == kept
    assert {found.found for of in kept.values() for found in of} == {NOON}


def test_what_was_dated_later_shows_no_day(cases: type[Cases]) -> None:
    """A day that only contacts of unknown time turned out to be of is not given away by what was found of it."""
    key = cases.key(1)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 60)]})
    matcher.match([key])
    kept = findings.grown({}, matcher.cases(), NOON, 0.0, {None, 18_446})
    assert [(day, [found.key for found in of]) for day, of in kept.items()] == [(None, [key.key])]


def test_news_is_kept(cases: type[Cases]) -> None:
    """A revision replaces what was said first, a revocation stands whatever is read after it, on all days."""
    key = cases.key(1, report_type=ReportType.SELF_REPORT)
    contacts = [cases.contact(key, cases.day + 60)]
    kept: dict[int | None, list[MatchedKey]] = {}
    said = []
    for first, revised in (
        ([key], []),
        ([], [key._replace(report_type=ReportType.CONFIRMED_TEST)]),
        ([key], []),
        ([], [key._replace(report_type=ReportType.REVOKED, first=7, intervals=1)]),
        ([], [key]),
    ):
        matcher = Matcher({"badge": contacts})
        matcher.match(*findings.known(kept))
        matcher.match(first, revised)
        kept = findings.grown(kept, matcher.cases(), NOON, 0.0, DAYS)
        ((found,),) = kept.values()
        said.append((found.report_type, found.revised, len(matcher.hits()), len(matcher.withdrawn())))
        assert (found.first, found.intervals) == (key.first, key.intervals)
    assert said == [(3, False, 1, 0), (1, True, 1, 0), (1, True, 1, 0), (5, True, 0, 1), (5, True, 0, 1)]


def test_one_key_of_two_days_is_kept_twice(cases: type[Cases]) -> None:
    """Two files may say that a key held at other times; what both explain stays."""
    early, late = cases.key(1, intervals=50), cases.key(1)._replace(first=cases.day + 60, intervals=50)
    contacts = [cases.contact(early, cases.day + 10), cases.contact(late, cases.day + 70)]
    matcher = Matcher({"badge": contacts})
    matcher.match([early])
    matcher.match([late])
    kept = findings.grown({}, matcher.cases(), NOON, 0.0, DAYS)
    again = Matcher({"badge": contacts})
    again.match(*findings.known(kept))
    assert len(again.hits()) == 2


def test_what_belongs_to_no_day_ages_by_its_key(cases: type[Cases]) -> None:
    """Of contacts whose time is not known it is kept as long as their day could be."""
    key = cases.key(1)
    matcher = Matcher({"badge": [cases.contact(key, cases.day, at=5.0, synced=False)]})
    matcher.match([key])
    kept = findings.grown({}, matcher.cases(), NOON, 0.0, DAYS)
    assert findings.grown(kept, [], NOON, key.end, DAYS) == kept
    assert findings.grown(kept, [], NOON, key.end + 1, DAYS) == {None: []}


def test_more_than_can_be_true_is_refused(cases: type[Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever publishes a file that explains everything lies."""
    monkeypatch.setattr(findings, "FOUND_MAX", 13)
    keys = [cases.key(number) for number in range(14)]
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 60) for key in keys]})
    matcher.match(keys)
    with pytest.raises(ValueError, match="more than 13 keys"):
        findings.grown({}, matcher.cases(), NOON, 0.0, DAYS)


@given(st.lists(matched_keys, max_size=20), st.data())
@settings(deadline=None, max_examples=60)
def test_any_kept_keys_begin_a_matcher(kept: list[MatchedKey], data: Any) -> None:
    """Whatever a store claims, keys of it are ones that can be, and nothing fails."""
    kept = [data.draw(st.sampled_from([key, key._replace(protocol="gaen", key=bytes(16))])) for key in kept]
    first, revised = findings.known({None: kept, 5: kept[:3]})
    matcher = Matcher({})
    matcher.match(first, revised)
    assert all(key.end > key.start for key in (*first, *revised))
    findings.grown({None: kept}, matcher.cases(), NOON, NOON, DAYS)
