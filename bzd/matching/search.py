# SPDX-License-Identifier: Apache-2.0
"""The search: which keys have a rolling ID that the stores hold. Pure arithmetic, one process.

Keys that hold for the same intervals are done together, since the same blocks are encrypted for all of them, and only
wanted intervals are derived (`bzd.matching.intervals`); a key without any is not even hashed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bzd.matching.derivation import BLOCK, encryptor, padded, rpi_keys
from bzd.matching.intervals import Wanted
from bzd.matching.keys import DiagnosisKey
from bzd.matching.sieve import BATCH_BLOCKS, sieve
from bzd.protocols import gaen, protocols
from bzd.protocols.schedule import DAY_S


class Group(NamedTuple):
    """Keys of one protocol that hold for the same intervals.

    Attributes:
        protocol: name of the protocol.
        first: their first interval.
        intervals: their number of intervals.
        keys: the keys.
        places: for each key, its place in what the caller has, handed back in `Found`.
    """

    protocol: str
    first: int
    intervals: int
    keys: Sequence[bytes]
    places: Sequence[int]


class Found(NamedTuple):
    """A rolling ID of a key that a store holds.

    Attributes:
        place: the key's place in what was given.
        interval: the interval that it is derived for.
        rolling_id: the ID.
    """

    place: int
    interval: int
    rolling_id: bytes


class Haystack(NamedTuple):
    """What the stores hold of one protocol: rolling IDs, and the intervals in which they can be derived."""

    ids: frozenset[bytes]
    wanted: Wanted


class Search:
    """Searches keys in what the stores hold.

    Args:
        haystacks: by name of protocol.
        fast: whether numpy may be used where it is installed.
    """

    def __init__(self, haystacks: Mapping[str, Haystack], *, fast: bool = True) -> None:
        self._haystacks = haystacks
        gaen_ids = haystacks[gaen.NAME].ids if gaen.NAME in haystacks else frozenset()
        self._sieve = sieve(gaen_ids, fast=fast)
        self._encryptor = encryptor()

    def search(self, group: Group) -> Iterator[Found]:
        """The rolling IDs of a group's keys that are held, in no particular order."""
        haystack = self._haystacks.get(group.protocol)
        if haystack is None:
            return iter(())
        if group.protocol == gaen.NAME:
            return self._gaen(group, haystack)
        return _plain(group, haystack)

    def _gaen(self, group: Group, haystack: Haystack) -> Iterator[Found]:
        intervals = haystack.wanted.within(group.first, group.intervals)
        if not intervals:
            return
        blocks, each = padded(intervals), len(intervals)
        batch = max(BATCH_BLOCKS // each, 1)
        for at in range(0, len(group.keys), batch):
            derived = self._encryptor.encrypt(rpi_keys(group.keys[at : at + batch]), blocks)
            for candidate in self._sieve.candidates(derived, each):
                rolling_id = bytes(derived[candidate * BLOCK : (candidate + 1) * BLOCK])
                if rolling_id in haystack.ids:
                    yield Found(group.places[at + candidate // each], intervals[candidate % each], rolling_id)


def _plain(group: Group, haystack: Haystack) -> Iterator[Found]:
    """Any other protocol, by its own derivation: from its first wanted interval to its last."""
    protocol = protocols()[group.protocol]
    first, count = group.first, group.intervals
    if not protocol.shuffled:
        intervals = haystack.wanted.within(first, count)
        if not intervals:
            return
        first, count = intervals[0], intervals[-1] - intervals[0] + 1
    elif not haystack.wanted.within(first - first % _per_day(protocol.interval_s), _per_day(protocol.interval_s)):
        return
    for place, key in zip(group.places, group.keys, strict=True):
        for interval, rolling_id in enumerate(protocol.rolling_ids(key, first, count), first):
            if rolling_id in haystack.ids:
                yield Found(place, interval, rolling_id)


def _per_day(interval_s: int) -> int:
    return DAY_S // interval_s


def groups(keys: Sequence[DiagnosisKey]) -> Iterator[Group]:
    """Keys put together by the intervals that they hold for; places are places in `keys`."""
    places: dict[tuple[str, int, int], list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault((key.protocol, key.first, key.intervals), []).append(place)
    for (protocol, first, intervals), together in places.items():
        yield Group(protocol, first, intervals, [keys[place].key for place in together], together)
