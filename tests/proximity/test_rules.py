# SPDX-License-Identifier: Apache-2.0
"""What a scan instance stands for, and times in milliseconds."""

from __future__ import annotations

import pytest

from bzd.config import ProximityConfig
from bzd.proximity.rules import APART, midnight_after, milliseconds, rules


@pytest.mark.parametrize(
    ("period", "since", "stands_for"),
    [
        (0, APART, 4_000),  # listening without a break: only what was heard
        (0, 80_000, 24_000),  # ... and the short gap before it
        (270, APART, 270_000),  # a phone: the time since it last listened
        (270, -160_000, 264_000),  # ... exactly, where that is known
        (2, APART, 4_000),  # a period shorter than the instance adds nothing
        (900, APART, 300_000),  # never more than GAEN's five minutes
    ],
)
def test_stands_for(period: float, since: int, stands_for: int) -> None:
    """An instance from 100 s to 104 s stands for the time that the package docstring says."""
    assert rules(ProximityConfig(), period).stands_for(100_000, 104_000, since) == stands_for


def test_neighbouring_listenings() -> None:
    """GAEN's longest period is beside its median, a missed one is not; in continuous listening the gap decides."""
    assert 300_000 <= rules(ProximityConfig(), 255).beside < 2 * 210_000
    assert rules(ProximityConfig(), 0).beside == rules(ProximityConfig(), 0).gap == 25_000


def test_midnight_after_is_later() -> None:
    """The midnight after a midnight is the next day's."""
    assert midnight_after(0) == 86_400_000
    assert midnight_after(86_399_999) == 86_400_000
    assert midnight_after(86_400_000) == 2 * 86_400_000


def test_milliseconds_rounds_to_the_nearest() -> None:
    """A recorder's microseconds are rounded, halves up, at the magnitude of today's times."""
    assert milliseconds(1_600_000_000.0004) == 1_600_000_000_000
    assert milliseconds(1_600_000_000.0006) == 1_600_000_000_001
    assert milliseconds(0.0005) == 1
