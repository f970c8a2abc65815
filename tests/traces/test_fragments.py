# SPDX-License-Identifier: Apache-2.0
"""Advertising data in pieces."""

from __future__ import annotations

from bzd.traces.counts import TraceCounts
from bzd.traces.fragments import COMPLETE, INCOMPLETE, MAX_DATA, Fragments


def test_pieces_of_different_advertisers_are_kept_apart() -> None:
    """Interleaved pieces are joined by their key."""
    fragments = Fragments(TraceCounts())
    assert fragments.join("a", 1.0, b"1", INCOMPLETE) is None
    assert fragments.join("b", 1.0, b"2", INCOMPLETE) is None
    assert fragments.join("a", 1.0, b"3", COMPLETE) == b"13"
    assert fragments.join("b", 1.0, b"4", COMPLETE) == b"24"


def test_an_old_piece_is_not_joined() -> None:
    """After five seconds the rest of a chain was lost: what comes then begins anew."""
    counts = TraceCounts()
    fragments = Fragments(counts)
    fragments.join("a", 1.0, b"old", INCOMPLETE)
    assert fragments.join("a", 7.0, b"new", COMPLETE) == b"new"
    assert counts.lost_fragments == 1


def test_data_beyond_any_advertisement_is_dropped() -> None:
    """Pieces that add up to more than 1650 bytes are no advertising data."""
    counts = TraceCounts()
    fragments = Fragments(counts)
    for _ in range(MAX_DATA // 229):
        assert fragments.join("a", 1.0, bytes(229), INCOMPLETE) is None
    assert fragments.join("a", 1.0, bytes(229), COMPLETE) is None
    assert counts.lost_fragments == 1
    assert fragments.join("a", 1.0, b"x", COMPLETE) == b"x"


def test_a_flood_of_beginnings_is_bounded() -> None:
    """Of 10,000 advertisers that never end, a few are kept and all are counted."""
    counts = TraceCounts()
    fragments = Fragments(counts)
    for number in range(10_000):
        fragments.join(number, 1.0, b"x", INCOMPLETE)
    assert len(fragments.pending) <= 64
    fragments.finish()
    assert counts.lost_fragments == 10_000
