# SPDX-License-Identifier: Apache-2.0
"""Own daily keys, as a badge's store holds them, on their way to become diagnosis keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from bzd.matching.keys import MAX_TIME, DiagnosisKey, diagnosis_key
from bzd.model import DailyKey
from bzd.protocols import protocols
from bzd.protocols.schedule import DAY_S


def cut(stored: Sequence[DailyKey]) -> list[DailyKey]:
    """Keys that do not overlap: after a restart a new key takes over at its start, whatever the old one's end says."""
    starts = sorted({key.start for key in stored})
    following = dict(pairwise(starts))
    return [replace(key, end=min(key.end, following.get(key.start, key.end))) for key in stored]


def plausible(key: DailyKey) -> bool:
    """Whether a badge can have had such a key; what another machine sent may say anything."""
    protocol = protocols().get(key.protocol)
    known = protocol is not None and len(key.key) == protocol.key_bytes
    return known and key.start < key.end <= min(key.start + DAY_S, MAX_TIME)


def own_diagnosis_keys(stored: Iterable[DailyKey]) -> list[DiagnosisKey]:
    """The keys of one badge as if they were published; those that no badge can have had are left out."""
    return [diagnosis_key(key) for key in cut([key for key in stored if plausible(key)])]
