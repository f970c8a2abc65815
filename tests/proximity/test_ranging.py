# SPDX-License-Identifier: Apache-2.0
"""Ranging: the path-loss model, the smoothing, and what they give on real recordings."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from pathlib import Path
from types import ModuleType

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


def test_instance_of_one_sighting_is_outweighed() -> None:
    """A lone weak sighting beside an instance of many does not move its level, and is moved by it."""
    assert DEFAULT.levels([_scan(0.0, -50.0, sightings=9), _scan(60.0, -80.0, sightings=1)]) == [-50.0, -50.0]


def test_moments_have_a_distance_too() -> None:
    """Instances that stand for no time are weighed by their sightings."""
    scans = [_scan(100.0 * n, level, 0.0) for n, level in enumerate((-60.0, -80.0))]
    assert DEFAULT.estimate(scans) == (0.0, 10.0)


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


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark, which reads NIST's recordings."""
    path = Path(__file__).parents[1] / "bench" / "bench_ranging.py"
    spec = importlib.util.spec_from_file_location("bench_ranging", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_ranging"] = module
    spec.loader.exec_module(module)
    return module


def test_garbage_of_a_real_recording_is_dropped_and_counted(shared: Path, bench: ModuleType) -> None:
    """NIST's files hold 175 rows that cannot be true, 109 of them by their RSSI; all others are used."""
    recordings = bench.read_nist(shared / "data" / "nist-pi")
    assert sum(recording.bad_rssi for recording in recordings) == 109
    assert sum(recording.wrong_id for recording in recordings) == 66
    rows = sum(len(path.read_text().splitlines()) - 1 for path in (shared / "data" / "nist-pi").glob("*.csv"))
    assert sum(len(recording.sightings) for recording in recordings) == rows - 175


def test_defaults_are_what_device_a_shows(shared: Path, bench: ModuleType) -> None:
    """The default constants are the fit to Device A's medians, to the decibel and the tenth."""
    recordings = [r for r in bench.read_nist(shared / "data" / "nist-pi") if r.device == "A"]
    level, exponent = bench.fit(recordings)
    assert level == pytest.approx(RangingConfig().rssi_1m_dbm, abs=1)
    assert exponent == pytest.approx(RangingConfig().exponent, abs=0.1)


def test_device_b_is_told_near_from_far(shared: Path, bench: ModuleType) -> None:
    """On the recordings that nothing was fitted to: typically within a factor of 1.5, near to 1.5 m, far from 3.5."""
    recordings = [r for r in bench.read_nist(shared / "data" / "nist-pi") if r.device == "B"]
    found = {recording.true_m: bench.nist_estimates(recording, Ranging(RangingConfig())) for recording in recordings}
    assert bench.factor((true, metres) for true, each in found.items() for metres in each.metres) < 1.5
    assert all(1 / 2 < statistics.median(each.metres) / true < 2 for true, each in found.items())
    assert all(each.near_s > 0.9 * each.total_s for true, each in found.items() if true <= 1.5)
    assert all(each.near_s < 0.1 * each.total_s for true, each in found.items() if true >= 3.5)
