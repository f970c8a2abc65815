# SPDX-License-Identifier: Apache-2.0
"""Who is near now."""

from __future__ import annotations

from bzd.daemon.neighbours import NEIGHBOURS_MAX, Neighbours
from bzd.model import Advertisement, Identifier
from bzd.protocols import protocols


def _advertisement(number: int, rssi: int | None = -60) -> Advertisement:
    data = protocols()["gaen"].encode(Identifier("gaen", number.to_bytes(16, "big"), b"meta"))
    return Advertisement(0.0, "", None, rssi, data)


def test_the_strongest_first_and_the_silent_gone() -> None:
    """A minute of silence is absence; of those near, the strongest is named first."""
    neighbours = Neighbours()
    neighbours.hear([_advertisement(1, -80), _advertisement(2, -50)], 0.0)
    neighbours.hear([_advertisement(3, -70)], 30.0)
    assert [one.rssi for one in neighbours.near(30.0)] == [-50, -70, -80]
    assert [(one.rssi, one.heard) for one in neighbours.near(61.0)] == [(-70, 30.0)]


def test_what_cannot_be_true_is_nobody() -> None:
    """No RSSI, one that means "unknown", the badge itself, or no proximity ID at all."""
    neighbours = Neighbours()
    other = Advertisement(0.0, "", None, -60, b"\x02\x01\x06")
    neighbours.hear(
        [_advertisement(1, None), _advertisement(2, 127), _advertisement(3), other], 0.0, {bytes(15) + b"\3"}
    )
    assert neighbours.near(0.0) == []
    assert neighbours.per_minute(0.0) == 0


def test_sightings_of_the_last_minute() -> None:
    """Older ones are not counted."""
    neighbours = Neighbours()
    for second in range(120):
        neighbours.hear([_advertisement(1), _advertisement(2)], float(second))
    assert neighbours.per_minute(119.0) == 2 * 61


def test_a_flood_takes_no_memory() -> None:
    """Thousands of IDs leave the latest few hundred."""
    neighbours = Neighbours()
    neighbours.hear([_advertisement(number) for number in range(5000)], 0.0)
    assert len(neighbours.near(0.0)) == NEIGHBOURS_MAX
