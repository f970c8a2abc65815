# SPDX-License-Identifier: Apache-2.0
"""Which intervals can match at all: those near which a store has any contact.

A badge worn nine hours a day was within reach of others in 54 of 144 intervals; nothing else needs to be derived.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class Wanted:
    """A set of intervals, kept as ranges that neither touch nor overlap.

    Args:
        ranges: pairs of first and last interval, both included, in any order.
        everything: all intervals are wanted: some contact has no date.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = (), *, everything: bool = False) -> None:
        self.everything = everything
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __len__(self) -> int:
        """How many intervals there are, undated contacts not considered."""
        return sum(last - first + 1 for first, last in zip(self._firsts, self._lasts, strict=True))

    def within(self, first: int, count: int) -> tuple[int, ...]:
        """The wanted ones among `count` intervals from `first`, in order."""
        end = first + count
        if self.everything:
            return tuple(range(first, end))
        found: list[int] = []
        position = max(bisect_right(self._firsts, first) - 1, 0)
        while position < len(self._firsts) and self._firsts[position] < end:
            found.extend(range(max(first, self._firsts[position]), min(end, self._lasts[position] + 1)))
            position += 1
        return tuple(found)


def around(start: float, end: float, interval_s: int, tolerance_s: float) -> tuple[int, int]:
    """First and last interval whose rolling ID may be heard at some time from `start` to `end`.

    An interval's ID is accepted from `tolerance_s` before the interval to just before `tolerance_s` after it, so that
    with two hours the ID of interval j is accepted in intervals j - 12 to j + 12, as GAEN does.
    """
    return max(int((start - tolerance_s) // interval_s), 0), int((end + tolerance_s) // interval_s)
