# SPDX-License-Identifier: Apache-2.0
"""Ranging: the path-loss model, the smoothing, and what they give on real recordings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.config import RangingConfig
from bzd.model import ScanInstance
from bzd.proximity.ranging import Ranging, weighted_median

DEFAULT = Ranging(RangingConfig(rssi_1m_dbm=-50.0, exponent=2.0, near_m=2.0, smoothing_s=90.0))


def _scan(offset_s: float, mean: float, seconds: float = 60.0, sightings: int = 6) -> ScanInstance:
    return ScanInstance(offset_s, seconds, sightings, mean, int(mean) + 3)


@pytest.mark.parametrize(
    ("level", "metres"), [(-50.0, 1.0), (-70.0, 10.0), (-56.02, 2.0), (-30.0, 0.1), (-126.0, 100.0)]
)
def test_path_loss(level: float, metres: float) -> None:
    """Twenty decibels are a factor of ten in free space, within 0.1 to 100 m."""
    assert DEFAULT.distance(level) == pytest.approx(metres, abs=0.005)


def test_near_seconds_are_those_of_near_instances() -> None:
    """Three minutes near and four far give three minutes, however they are ordered."""
    far, near = [_scan(60.0 * n, -75.0) for n in range(4)], [_scan(240 + 60.0 * n, -48.0) for n in range(3)]
    assert DEFAULT.estimate(far + near).near_s == 180
    assert DEFAULT.estimate(far).near_s == 0


def test_single_outlier_is_forgotten() -> None:
    """One instance behind a body amid near ones is near; by itself it is not."""
    scans = [_scan(60.0 * n, -85.0 if n == 3 else -50.0) for n in range(7)]
    assert DEFAULT.estimate(scans).near_s == 420
    assert DEFAULT.estimate(scans) == DEFAULT.estimate([_scan(60.0 * n, -50.0) for n in range(7)])
    assert Ranging(RangingConfig(rssi_1m_dbm=-50.0, smoothing_s=0.0)).estimate(scans).near_s == 360


def test_sparse_instances_stand_for_themselves() -> None:
    """Instances five minutes apart, as phones hear them, are not mixed."""
    scans = [_scan(300.0 * n, level, 300.0) for n, level in enumerate((-50.0, -80.0, -50.0))]
    assert DEFAULT.levels(scans) == [-50.0, -80.0, -50.0]


def test_calibrated_moves_the_reference() -> None:
    """Against a reference 20 dB lower, the same RSSI is ten times nearer."""
    scans = [_scan(0.0, -70.0)]
    assert DEFAULT.estimate(scans) == (0.0, 10.0)
    assert DEFAULT.calibrated(-70.0).estimate(scans) == (60.0, 1.0)


def test_no_instance_has_no_distance() -> None:
    """Nothing heard is no estimate, not zero metres."""
    assert DEFAULT.estimate([]) == (0.0, None)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(-1000, 100), st.integers(0, 5)), min_size=1, max_size=30))
def test_weighted_median_equals_repetition(pairs: list[tuple[int, int]]) -> None:
    """A value of weight three counts like the same value three times."""
    repeated = sorted(value for value, weight in pairs for _ in range(weight))
    if not repeated:
        return
    middle = len(repeated) // 2
    expected = repeated[middle] if len(repeated) % 2 else (repeated[middle - 1] + repeated[middle]) / 2
    assert weighted_median([value for value, _ in pairs], [weight for _, weight in pairs]) == expected


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(-1008, 160), st.integers(0, 300_000), st.integers(1, 65535)),
        min_size=1,
        max_size=40,
    )
)
def test_estimates_are_quantised_and_bounded(rows: list[tuple[int, int, int, int]]) -> None:
    """Any instances give near seconds within their sum, in milliseconds, and a distance in centimetres."""
    offsets = sorted(row[0] for row in rows)
    scans = [
        ScanInstance(offset * 1.0, seconds / 1000, sightings, mean / 8, 0)
        for offset, (_, mean, seconds, sightings) in zip(offsets, rows, strict=True)
    ]
    estimate = DEFAULT.estimate(scans)
    assert 0 <= estimate.near_s <= round(sum(scan.seconds for scan in scans), 3)
    assert estimate.near_s == round(estimate.near_s * 1000) / 1000
    assert estimate.distance_m is not None
    assert 0.1 <= estimate.distance_m <= 100
    assert estimate.distance_m == round(estimate.distance_m * 100) / 100
