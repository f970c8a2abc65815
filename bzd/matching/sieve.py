# SPDX-License-Identifier: Apache-2.0
"""Telling the few rolling IDs that a store holds from the millions that are derived.

Derived IDs come as one buffer of 16 bytes each. Only the first bytes of each are looked at here, as one number; the
caller compares the whole ID, so that a collision costs a little time and never makes a match.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Collection
from functools import lru_cache
from typing import Any
from typing import Protocol as Interface

BATCH_BLOCKS = 8192
"""IDs looked at together, about: 128 kB, so that they stay in a core's second-level cache."""

_TABLE_PER_ID = 32
"""Places of the numpy table for each stored ID: 3 % of all derived IDs then need the slower second look."""
_TABLE_MIN_BITS, _TABLE_MAX_BITS = 16, 24


class Sieve(Interface):
    """Finds the derived IDs that a store may hold: all that it holds, and few others."""

    def candidates(self, derived: bytes | bytearray | memoryview, each: int) -> list[int]:
        """The places, from 0 and in order, of IDs that begin as a stored one does.

        Args:
            derived: IDs of 16 bytes, joined.
            each: how many of them each key has; their number is a multiple of it.
        """
        ...


@lru_cache(maxsize=64)
def _heads(each: int) -> struct.Struct:
    """The first 4 bytes of `each` IDs as numbers. Kept, since most keys of a file hold for the same hours.

    Eight would be a tenth slower; of four, 100,000 stored IDs make one key of 300 need the second look.
    """
    return struct.Struct("=" + "I12x" * each)


class SetSieve:
    """The first look in pure Python: one set operation for all IDs of a key, written in C."""

    def __init__(self, ids: Collection[bytes]) -> None:
        self._stored = {_heads(1).unpack(rolling_id)[0] for rolling_id in ids}

    def candidates(self, derived: bytes | bytearray | memoryview, each: int) -> list[int]:
        """See `Sieve`."""
        misses = list(map(self._stored.isdisjoint, _heads(each).iter_unpack(derived)))
        if all(misses):
            return []
        found: list[int] = []
        for key, heads in enumerate(_heads(each).iter_unpack(derived)):
            if not misses[key]:
                found += [key * each + place for place, head in enumerate(heads) if head in self._stored]
        return found


class NumpySieve:
    """The same with numpy: a table of one byte per place for the first look, a binary search for the second.

    Here 8 bytes of an ID cost no more than 4.

    Raises:
        ImportError: if numpy is not installed.
    """

    def __init__(self, ids: Collection[bytes]) -> None:
        self._numpy: Any = importlib.import_module("numpy")
        self._sorted = self._numpy.unique(self._numpy.frombuffer(b"".join(ids), dtype="<i8")[::2])
        bits = (len(ids) * _TABLE_PER_ID).bit_length()
        self._mask = (1 << min(max(bits, _TABLE_MIN_BITS), _TABLE_MAX_BITS)) - 1
        self._table = self._numpy.zeros(self._mask + 1, dtype="?")
        self._table[self._sorted & self._mask] = True

    def candidates(self, derived: bytes | bytearray | memoryview, each: int) -> list[int]:  # noqa: ARG002  the seam's
        """See `Sieve`."""
        numpy = self._numpy
        heads = numpy.frombuffer(derived, dtype="<i8")[::2]
        places = numpy.flatnonzero(self._table.take(heads & self._mask))
        if not len(self._sorted):
            return []
        wanted = heads[places]
        nearest = self._sorted.take(numpy.searchsorted(self._sorted, wanted), mode="clip")
        found: list[int] = places[nearest == wanted].tolist()
        return found


def sieve(ids: Collection[bytes], *, fast: bool = True) -> Sieve:
    """The fastest sieve that works here; `fast` allows numpy."""
    if fast:
        try:
            return NumpySieve(ids)
        except ImportError:
            pass
    return SetSieve(ids)
