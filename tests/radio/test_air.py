# SPDX-License-Identifier: Apache-2.0
"""The virtual air: distance, walls, bodies, seeds."""

import math
from itertools import pairwise
from statistics import mean

import pytest

from bzd.model import plausible_rssi
from bzd.radio.air import Propagation, Station, Transmission, VirtualAir, Wall
from bzd.radio.path import Path, Point, Pose, stay

HOUR = 3600.0
CALM = Propagation(rssi_1m_dbm=-50, exponent=2, shadowing_db=0, fading_db=0)


def _station(name: str, place: Point, facing: Point, until: float = HOUR) -> Station:
    sent = Transmission(0.0, until, f"00:00:00:00:00:{ord(name[0]):02X}", name.encode())
    return Station(name, Path([stay(0, HOUR, place, facing)]), (sent,))


def _pair(distance: float) -> tuple[Station, Station]:
    one, other = Point(0, 0), Point(distance, 0)
    return _station("a", one, other), _station("b", other, one)


def test_rssi_falls_by_the_path_loss_law() -> None:
    """Face to face, ten times the distance costs 20 dB at exponent 2."""
    air = VirtualAir(propagation=CALM)
    here = Pose(0, 0, 0)
    assert air.mean_rssi(here, Pose(1, 0, math.pi)) == pytest.approx(-50)
    assert air.mean_rssi(here, Pose(10, 0, math.pi)) == pytest.approx(-70)


def test_a_back_costs_the_body_loss_each() -> None:
    """One turned away loses it once, both twice; sideways half of it."""
    air = VirtualAir(propagation=CALM)
    towards, away, sideways = 0.0, math.pi, math.pi / 2
    there = Pose(1, 0, math.pi)
    assert air.mean_rssi(Pose(0, 0, towards), there) == pytest.approx(-50)
    assert air.mean_rssi(Pose(0, 0, away), there) == pytest.approx(-62)
    assert air.mean_rssi(Pose(0, 0, sideways), there) == pytest.approx(-56)
    assert air.mean_rssi(Pose(0, 0, away), Pose(1, 0, 0)) == pytest.approx(-74)


@pytest.mark.parametrize(("wall", "lost"), [((0.5, -1, 0.5, 1), 7), ((0.5, 1, 0.5, 2), 0), ((2, -1, 2, 1), 0)])
def test_only_a_wall_between_them_costs(wall: tuple[float, float, float, float], lost: float) -> None:
    """A wall beside the line or behind somebody costs nothing."""
    air = VirtualAir([Wall(*wall, 7.0)], CALM)
    assert air.mean_rssi(Pose(0, 0, 0), Pose(1, 0, math.pi)) == pytest.approx(-50 - lost)


def test_the_heard_share_sets_the_rate() -> None:
    """A quarter of one frame in 260 ms is 0.96 reports a second; measured within 5 % over an hour."""
    one, other = _pair(1.0)
    heard = list(VirtualAir(propagation=CALM, seed=1).hear(one, other))
    assert len(heard) / HOUR == pytest.approx(0.25 / 0.26, rel=0.05)
    assert all(later.time - earlier.time >= 0.25 - 1e-6 for earlier, later in pairwise(heard))


def test_reports_are_ordered_plausible_and_in_microseconds() -> None:
    """Several senders are merged in order of time; every RSSI can be true; every time survives a btsnoop file."""
    senders = [_station(name, Point(x, 0), Point(0, 0)) for name, x in (("b", 1), ("c", 3), ("d", 9))]
    heard = list(VirtualAir(seed=3).listen(_station("a", Point(0, 0), Point(1, 0)), senders))
    assert {report.data for report in heard} == {b"b", b"c", b"d"}
    assert [report.time for report in heard] == sorted(report.time for report in heard)
    assert all(plausible_rssi(report.rssi) and report.time == round(report.time, 6) for report in heard)


def test_a_station_does_not_hear_itself() -> None:
    """Only others are heard, though the station stands in the list of senders."""
    one, other = _pair(2.0)
    assert {report.data for report in VirtualAir().listen(one, [one, other])} == {b"b"}


def test_a_pair_depends_on_the_seed_alone() -> None:
    """Whoever else is on the air, the same two hear the same; another seed gives another hour."""
    one, other = _pair(2.0)
    third = _station("c", Point(0, 5), Point(0, 0))
    alone = list(VirtualAir(seed=5).listen(one, [other]))
    crowded = [report for report in VirtualAir(seed=5).listen(one, [third, other]) if report.data == b"b"]
    assert alone == crowded
    assert alone != list(VirtualAir(seed=6).listen(one, [other]))


def test_nothing_is_heard_too_far_away_or_after_the_end() -> None:
    """Below the sensitivity nothing arrives, and a transmission ends when it ends."""
    one, far = _pair(1000.0)
    assert list(VirtualAir(propagation=CALM).hear(one, far)) == []
    short = _station("b", Point(1, 0), Point(0, 0), until=60.0)
    assert 59.0 < max(report.time for report in VirtualAir(propagation=CALM, seed=1).hear(one, short)) < 60.0


def test_fading_and_shadowing_have_the_stated_spread() -> None:
    """Over an hour the mean is that of the distance, and the variance is the sum of the two, within 15 %."""
    one, other = _pair(1.0)
    propagation = Propagation(rssi_1m_dbm=-50, exponent=2, shadowing_db=4, fading_db=5)
    levels = [report.rssi or 0 for report in VirtualAir(propagation=propagation, seed=2).hear(one, other)]
    assert mean(levels) == pytest.approx(-50, abs=1.5)
    assert math.sqrt(mean((level + 50) ** 2 for level in levels)) == pytest.approx(math.hypot(4, 5), rel=0.15)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0])
def test_an_impossible_share_is_refused(share: float) -> None:
    """The share of frames heard lies between 0 and 1."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Propagation(heard_share=share)
