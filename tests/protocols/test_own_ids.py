# SPDX-License-Identifier: Apache-2.0
"""The rolling IDs that a badge broadcasts under its own daily keys."""

from __future__ import annotations

import pytest

from bzd.model import DailyKey
from bzd.protocols import protocols, rolling_ids_of

DAY = 1_591_747_200.0
"""2020-06-10T00:00:00Z."""


@pytest.mark.parametrize("name", sorted(protocols()))
def test_a_whole_day_has_every_id(name: str) -> None:
    """A key of a UTC day gives the ID of each of its intervals."""
    protocol = protocols()[name]
    key = bytes(range(protocol.key_bytes))
    per_day = 86400 // protocol.interval_s
    expected = protocol.rolling_ids(key, int(DAY) // protocol.interval_s, per_day)
    assert rolling_ids_of(DailyKey(name, key, DAY, DAY + 86400)) == expected
    assert len(set(expected)) == per_day


def test_a_part_of_a_day() -> None:
    """GAEN's IDs follow the clock, so that a key in use for an hour has six; a shuffled protocol may send any."""
    gaen, shuffled = protocols()["gaen"], next(each for each in protocols().values() if each.shuffled)
    start = DAY + 36000
    assert rolling_ids_of(DailyKey("gaen", bytes(16), start, start + 3600)) == gaen.rolling_ids(
        bytes(16), int(start) // 600, 6
    )
    few = rolling_ids_of(DailyKey(shuffled.name, bytes(shuffled.key_bytes), start, start + 3600))
    assert len(few) == 86400 // shuffled.interval_s


def test_an_unknown_protocol_has_none() -> None:
    """A key that another version of bzd wrote is passed over."""
    assert rolling_ids_of(DailyKey("later", bytes(8), DAY, DAY + 86400)) == []
