# SPDX-License-Identifier: Apache-2.0
"""The search finds exactly what plain derivation finds, with any sieve and any number of processes."""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Sequence
from concurrent.futures import as_completed
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.matching import parallel
from bzd.matching.derivation import LibraryEncryptor
from bzd.matching.intervals import Wanted, around
from bzd.matching.keys import DiagnosisKey
from bzd.matching.matcher import Matcher
from bzd.matching.parallel import JOB_KEYS, jobs, search_all
from bzd.matching.search import Found, Haystack, Search, groups
from bzd.matching.sieve import NumpySieve, SetSieve, sieve
from bzd.protocols import protocols

if TYPE_CHECKING:
    from tests.matching.conftest import Cases

RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)).map(lambda of: (of[0], of[0] + of[1])), max_size=6)


@given(RANGES, st.integers(0, 300), st.integers(1, 144))
def test_wanted_intervals_are_those_of_the_ranges(ranges: list[tuple[int, int]], first: int, count: int) -> None:
    """Merging ranges and cutting them to a key's intervals neither loses nor adds one."""
    every = {interval for low, high in ranges for interval in range(low, high + 1)}
    wanted = Wanted(ranges)
    assert wanted.within(first, count) == tuple(sorted(every & set(range(first, first + count))))
    assert len(wanted) == len(every)
    assert Wanted(ranges, everything=True).within(first, count) == tuple(range(first, first + count))


@given(st.floats(0, 1e9), st.floats(0, 5000), st.sampled_from([0.0, 600.0, 7200.0]))
def test_around_is_googles_window(start: float, length: float, tolerance_s: float) -> None:
    """With a tolerance of n intervals, j is wanted for a sighting in i exactly if |i - j| is at most n."""
    first, last = around(start, start + length, 600, tolerance_s)
    reach = int(tolerance_s) // 600
    assert first == max(int(start // 600) - reach, 0)
    assert last == int((start + length) // 600) + reach


@pytest.mark.parametrize("fast", [False, True])
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_search_equals_plain_derivation(fast: bool, data: st.DataObject) -> None:  # noqa: FBT001  a parameter
    """Keys of all protocols, wanted intervals and planted IDs at random: found is what the protocols derive."""
    rng = random.Random(data.draw(st.integers(0, 1000)))
    keys = [_random_key(rng) for _ in range(8)]
    ids: dict[str, set[bytes]] = {
        name: {rng.randbytes(of.id_bytes) for _ in range(5)} for name, of in protocols().items()
    }
    for key in keys:
        derived = protocols()[key.protocol].rolling_ids(key.key, key.first, key.intervals)
        ids[key.protocol] |= set(rng.sample(derived, min(2, len(derived))))
        # One that begins alike is another ID.
        ids[key.protocol].add(derived[0][:8] + bytes(len(derived[0]) - 8))
    ranges = [(low, low + rng.randrange(60)) for low in (rng.randrange(1440) for _ in range(4))]
    wanted = Wanted(ranges)
    haystacks = {name: Haystack(frozenset(of), wanted) for name, of in ids.items()}
    found = {one for group in groups(keys) for one in Search(haystacks, fast=fast).search(group)}
    assert found >= {one for one in _plainly(keys, ids) if wanted.within(one.interval, 1)}
    assert found <= _plainly(keys, ids)


def _random_key(rng: random.Random) -> DiagnosisKey:
    protocol = protocols()[rng.choice(sorted(protocols()))]
    per_day = 86400 // protocol.interval_s
    day, first = rng.randrange(8), rng.randrange(per_day)
    return DiagnosisKey(
        rng.randbytes(protocol.key_bytes), day * per_day + first, rng.randint(1, per_day - first), protocol.name
    )


def _plainly(keys: list[DiagnosisKey], ids: dict[str, set[bytes]]) -> set[Found]:
    found = set()
    for place, key in enumerate(keys):
        derived = protocols()[key.protocol].rolling_ids(key.key, key.first, key.intervals)
        for interval, rolling_id in enumerate(derived, key.first):
            if rolling_id in ids[key.protocol]:
                found.add(Found(place, interval, rolling_id))
    return found


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy, which is optional, is not installed")
@given(st.sets(st.binary(min_size=16, max_size=16), max_size=20), st.lists(st.binary(min_size=16, max_size=16)))
def test_both_sieves_let_the_same_through(ids: set[bytes], others: list[bytes]) -> None:
    """The table of numpy and the set of Python let through every ID that begins as a stored one, and no random one."""
    alike = [rolling_id[:8] + b"x" * 8 for rolling_id in ids]
    derived = [*others, *ids, *alike]
    buffer = b"".join(derived)
    expected = [place for place, one in enumerate(derived) if one[:8] in {rolling_id[:8] for rolling_id in ids}]
    assert SetSieve(ids).candidates(buffer, 1) == expected
    assert NumpySieve(ids).candidates(buffer, 1) == expected


def test_numpy_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the pure sieve is taken."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("bzd.matching.sieve.importlib.import_module", missing)
    assert isinstance(sieve([b"0" * 16]), SetSieve)


def test_jobs_hold_every_key_once(cases: type[Cases]) -> None:
    """Cutting into jobs loses no key, doubles none, and makes none larger than it may be."""
    keys = [cases.key(number, day=number % 3) for number in range(2 * JOB_KEYS + 5)]
    work = list(jobs(keys))
    assert sorted(place for job in work for group in job for place in group.places) == list(range(len(keys)))
    assert max(sum(len(group.keys) for group in job) for job in work) == JOB_KEYS


def test_two_processes_find_what_one_finds(cases: type[Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same list in the same order, whichever job is done first, and every key reported as done."""
    monkeypatch.setattr(parallel, "as_completed", lambda jobs: sorted(as_completed(jobs), key=list(jobs).index)[::-1])
    keys = [cases.key(number) for number in range(2 * JOB_KEYS)]
    planted = [protocols()["gaen"].rolling_ids(keys[place].key, cases.day + 7, 1)[0] for place in (3, 9000, 16000)]
    haystacks = {"gaen": Haystack(frozenset(planted), Wanted([(cases.day, cases.day + 9)]))}
    told: list[int] = []
    two = search_all(haystacks, keys, processes=2, progress=told.append)
    assert two == search_all(haystacks, keys, processes=1)
    assert [found.place for found in two] == [3, 9000, 16000]
    assert sum(told) == len(keys)


def test_only_what_can_match_is_derived(cases: type[Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a key's 144 intervals those near a contact are encrypted; of a day without one not even the key is hashed."""
    asked: list[int] = []
    plain = LibraryEncryptor()

    class Counting:
        def encrypt(self, keys: Sequence[bytes], blocks: bytes) -> bytes:
            asked.append(len(keys) * len(blocks) // 16)
            return plain.encrypt(keys, blocks)

    monkeypatch.setattr("bzd.matching.search.encryptor", Counting)
    keys = [cases.key(number, day=number % 3) for number in range(30)]
    contacts = [cases.contact(keys[0], cases.day + 50), cases.contact(cases.key(99, day=1), cases.day + 144 + 143)]
    stores = {"a": contacts, "b": contacts[:1]}
    assert [hit.store for hit in Matcher(stores).match(keys)] == ["a", "b"]
    # 12 intervals on either side; the second day's last contact reaches into the third, and its own day's end.
    assert sorted(asked) == [10 * 12, 10 * 13, 10 * 25]


def test_a_worker_that_dies_costs_time_and_no_match(cases: type[Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no worker can be had, this process does all of it."""
    keys = [cases.key(number) for number in range(JOB_KEYS + 1)]
    planted = protocols()["gaen"].rolling_ids(keys[JOB_KEYS].key, cases.day + 7, 1)
    haystacks = {"gaen": Haystack(frozenset(planted), Wanted([(cases.day, cases.day + 9)]))}
    monkeypatch.setattr("bzd.matching.parallel._start_worker", os._exit)
    told: list[int] = []
    found = search_all(haystacks, keys, processes=2, progress=told.append)
    assert [one.place for one in found] == [JOB_KEYS]
    assert sum(told) <= len(keys)
