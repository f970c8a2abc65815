# SPDX-License-Identifier: Apache-2.0
"""What is published tells nothing about one case, holds back what is still on air, and says each key once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.matching.keyfile import KeyFile, parse_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.matcher import Matcher
from bzd.matching.publishing import EMBARGO_S, Published, Publishing, publish

if TYPE_CHECKING:
    from bzd.matching.signing import SigningKey
    from tests.matching.conftest import Cases

BARE = Publishing(padded_to=0)


def read(published: Published) -> list[KeyFile]:
    """The files of a batch."""
    return [parse_key_file(data, allow_unsigned=True) for data in published.files]


def later(cases: type[Cases]) -> float:
    """When all keys of the tests are out of the embargo."""
    return cases.midnight + 20 * 86400


def test_the_loop_from_case_to_match(cases: type[Cases], signing_key: SigningKey) -> None:
    """Two cases' exports are merged, signed, verified, and the one who was met is found."""
    exports = [KeyFile((cases.key(1), cases.key(2, day=1))), KeyFile((cases.key(3),))]
    done = publish(exports, now=later(cases), how=BARE, signing_key=signing_key)
    file = parse_key_file(done.files[0], [signing_key.public])
    matcher = Matcher({"B": [cases.contact(cases.key(3), cases.day + 50)]})
    assert [hit.key.key for hit in matcher.match(file.keys, file.revised)] == [cases.key(3).key]


def test_order_says_nothing(cases: type[Cases]) -> None:
    """Keys are sorted by their bytes, whoever's they are; the same input gives the same bytes in any order."""
    exports = [KeyFile((cases.key(9), cases.key(1))), KeyFile((cases.key(5),))]
    one, other = (publish(inputs, now=later(cases), how=BARE) for inputs in (exports, exports[::-1]))
    assert one.files == other.files
    assert [key.key[-1] for key in read(one)[0].keys] == [1, 5, 9]


def test_duplicates_are_left_out(cases: type[Cases]) -> None:
    """A key in two files is one; of two lengths the shorter stands, and both are counted."""
    exports = [KeyFile((cases.key(1), cases.key(2))), KeyFile((cases.key(1), cases.key(2, intervals=80)))]
    done = publish(exports, now=later(cases), how=BARE)
    assert [key.intervals for key in read(done)[0].keys] == [144, 80]
    assert (done.keys, done.duplicates, done.conflicts) == (2, 2, 1)


@pytest.mark.parametrize(("seconds", "free"), [(-1, 0), (0, 1)])
def test_a_key_is_held_back_until_two_hours_after_its_end(cases: type[Cases], seconds: int, free: int) -> None:
    """Not a second earlier; without the embargo it goes out at once."""
    export, now = KeyFile((cases.key(1),)), cases.key(1).end + EMBARGO_S + seconds
    done = publish([export], now=now, how=BARE)
    assert (done.keys, len(done.held_back), len(done.files)) == (free, 1 - free, free)
    assert publish([export], now=now, how=Publishing(padded_to=0, embargo=False)).keys == 1


def test_news_of_a_key_on_air_is_held_back_too(cases: type[Cases]) -> None:
    """A revision would give away the key that the embargo keeps."""
    revised = cases.key(1, report_type=ReportType.CONFIRMED_TEST)
    done = publish([KeyFile((), (revised,))], now=cases.key(1).end, how=BARE)
    assert (done.files, done.held_back) == ((), (revised,))


def test_padding_looks_like_real_keys(cases: type[Cases]) -> None:
    """A batch of one case has the minimum of keys, and what is said of the added ones is what is said of real ones."""
    real = [
        cases.key(day, day=day, report_type=ReportType.CONFIRMED_TEST, days_since_onset=day - 3) for day in range(5)
    ]
    how = Publishing(padded_to=200, random=random.Random(1))
    done = publish([KeyFile(tuple(real))], now=later(cases), how=how)
    keys = read(done)[0].keys
    assert (len(keys), done.keys, done.padding) == (200, 5, 195)
    assert len({key.key for key in keys}) == 200
    assert {key[1:] for key in keys} == {key[1:] for key in real}
    assert set(real) <= set(keys)


def test_what_is_new_is_padded_too(cases: type[Cases], signing_key: SigningKey) -> None:
    """Who compares two batches finds as many new keys with one case as with fifty, alike in what is said of them."""
    how = Publishing(padded_to=60, random=random.Random(1))
    first = publish([KeyFile((cases.key(1),))], now=later(cases), how=how, signing_key=signing_key)
    (earlier,) = (parse_key_file(data, [signing_key.public]) for data in first.files)
    case = cases.key(2, day=3, report_type=ReportType.CONFIRMED_TEST)
    second = publish([earlier, KeyFile((case,))], now=later(cases), how=how)
    new = set(read(second)[0].keys) - set(earlier.keys)
    assert case in new
    assert (len(new), {key[1:] for key in new}) == (60, {case[1:]})
    assert set(read(publish([earlier], now=later(cases), how=how))[0].keys) == set(earlier.keys)


def test_padding_is_never_predictable(cases: type[Cases]) -> None:
    """By default it comes from the system's source of secrets, also in another process: two batches differ."""
    assert isinstance(Publishing().random, random.SystemRandom)
    one, other = (publish([KeyFile((cases.key(1),))], now=later(cases)) for _ in range(2))
    assert one.padding == 999
    assert one.files != other.files


def test_nothing_to_say_makes_no_file(cases: type[Cases]) -> None:
    """Without a case there is no file of padding either."""
    assert publish([], now=later(cases)).files == ()


def test_a_revocation_alone_is_padded(cases: type[Cases]) -> None:
    """What is withdrawn goes out as revised; padding then looks like whole days that are over."""
    now = later(cases)
    done = publish([], now=now, revoke=[cases.key(1)], how=Publishing(padded_to=50, random=random.Random(1)))
    (file,) = read(done)
    assert [key.report_type for key in file.revised] == [ReportType.REVOKED]
    assert len(file.keys) == 49
    assert all(key.intervals == 144 and key.end + EMBARGO_S <= now for key in file.keys)


def test_a_revoked_key_is_no_key_any_more(cases: type[Cases]) -> None:
    """It leaves the keys, also when an earlier batch has it, and a later revision does not bring it back."""
    revoked = cases.key(1, report_type=ReportType.REVOKED)
    confirmed = cases.key(1, report_type=ReportType.CONFIRMED_TEST)
    inputs = [KeyFile((cases.key(1), cases.key(2)), (revoked,)), KeyFile((), (confirmed,))]
    among_keys = [KeyFile((cases.key(1), cases.key(2), revoked))]
    for done in (publish(of, now=later(cases), how=BARE) for of in (inputs, inputs[:1], among_keys)):
        (file,) = read(done)
        assert (file.keys, file.revised) == ((cases.key(2),), (revoked,))


def test_a_batch_is_split_at_the_maximum(cases: type[Cases]) -> None:
    """Seven keys in files of three: numbered 1 to 3 of 3, together all keys in order."""
    export = KeyFile(tuple(cases.key(number) for number in range(7)))
    files = read(publish([export], now=later(cases), how=Publishing("VN", padded_to=0, max_keys=3)))
    assert [(file.batch_num, file.batch_size, len(file.keys), file.region) for file in files] == [
        (1, 3, 3, "VN"),
        (2, 3, 3, "VN"),
        (3, 3, 1, "VN"),
    ]
    assert tuple(key for file in files for key in file.keys) == export.keys
    assert len({(file.start, file.end) for file in files}) == 1


def test_times_are_whole_hours(cases: type[Cases]) -> None:
    """The file says the hour in which it was made, and no more."""
    (file,) = read(publish([KeyFile((cases.key(1),))], now=later(cases) + 1234.5, how=BARE))
    assert (file.start, file.end) == (cases.midnight, later(cases))


@pytest.mark.parametrize(
    "how",
    [Publishing(max_keys=0), Publishing(max_keys=500_001), Publishing(padded_to=-1), Publishing(region="x" * 300)],
)
def test_impossible_options_are_refused(cases: type[Cases], how: Publishing) -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match="at most"):
        publish([KeyFile((cases.key(1),))], now=later(cases), how=how)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), st.booleans()), max_size=6), max_size=4))
def test_every_key_goes_out_once_or_is_held_back(cases: type[Cases], inputs: list[list[tuple[int, int, bool]]]) -> None:
    """Whatever is merged: keys published and held back are together all keys given, each once."""

    def file(entries: list[tuple[int, int, bool]]) -> KeyFile:
        keys = [(cases.key(number, day=day), revised) for number, day, revised in entries]
        return KeyFile(tuple(key for key, of in keys if not of), tuple(key for key, of in keys if of))

    done = publish([file(entries) for entries in inputs], now=cases.midnight + 3 * 86400, how=BARE)
    out = [key.key for one in read(done) for key in (*one.keys, *one.revised)] + [key.key for key in done.held_back]
    assert sorted(out) == sorted({cases.key(number).key for entries in inputs for number, _, _ in entries})
    free: list[DiagnosisKey] = [key for one in read(done) for key in (*one.keys, *one.revised)]
    assert all(key.end + EMBARGO_S <= cases.midnight + 3 * 86400 for key in free)
