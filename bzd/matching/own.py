# SPDX-License-Identifier: Apache-2.0
"""Own daily keys, as a badge's store holds them, on their way to become diagnosis keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

from bzd.matching.keys import MAX_TIME, DiagnosisKey, diagnosis_key
from bzd.model import DailyKey
from bzd.protocols import protocols
from bzd.protocols.schedule import DAY_S

_AHEAD = 6
"""Intervals that an ID may be ahead of its time (`bzd.radio.rotation.AHEAD`, which is of a higher layer)."""


def cut(stored: Sequence[DailyKey]) -> list[DailyKey]:
    """Keys that end where the next one took their place on the air, whatever they said of their end.

    A key that was made in the same minutes as others may begin before the one that it follows, since IDs may be ahead
    of their time; the one before then ends as far ahead as it can have been.

    Args:
        stored: the keys of one badge in the order in which they were made.
    """
    return [
        replace(key, end=min(key.end, _taken_over(key, following)))
        for key, following in zip_longest(stored, stored[1:])
    ]


def _taken_over(key: DailyKey, following: DailyKey | None) -> float:
    """When the next key took a key's place; its end where there is none, or that is of an earlier day."""
    if following is None or following.start // DAY_S < key.start // DAY_S:
        return key.end
    if following.start > key.start:
        return following.start
    protocol = protocols().get(key.protocol)
    return key.end if protocol is None else key.start + (_AHEAD + 1) * protocol.interval_s


def plausible(key: DailyKey) -> bool:
    """Whether a badge can have had such a key; what another machine sent may say anything."""
    protocol = protocols().get(key.protocol)
    if protocol is None or len(key.key) != protocol.key_bytes:
        return False
    whole = key.start % protocol.interval_s == key.end % protocol.interval_s == 0
    return whole and key.start < key.end <= min(key.start + DAY_S, MAX_TIME)


def own_diagnosis_keys(stored: Iterable[DailyKey]) -> list[DiagnosisKey]:
    """The keys of one badge as if they were published; those that no badge can have had are left out."""
    return [diagnosis_key(key) for key in cut([key for key in stored if plausible(key)])]
