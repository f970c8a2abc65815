# SPDX-License-Identifier: Apache-2.0
"""Data time, whatever the wall clock does. The fixture of clocks is `HandClock`."""

from __future__ import annotations

from typing import Any

import pytest

from bzd.daemon.timekeeping import TimeKeeper


def test_time_passes_without_any_change(clock: Any) -> None:
    """A right clock gives UTC; nothing is said while both clocks go alike, also by what a time server slews."""
    time = TimeKeeper(clock, synchronised=True)
    for _ in range(50):
        clock.pass_by(60.0)
        clock.wall += 0.01
        assert time.check(synchronised=True) is None
    assert time.now() == pytest.approx(clock.wall, abs=0.6)


def test_suspend_is_time_that_passed(clock: Any) -> None:
    """A night in suspend moves both clocks, so that nothing was set."""
    time = TimeKeeper(clock, synchronised=True)
    clock.pass_by(8 * 3600.0)
    assert time.check(synchronised=True) is None


def test_before_the_clock_is_right_time_is_boottime(clock: Any) -> None:
    """However the wall clock jumps then, data time does not; becoming right moves it to UTC in whole milliseconds."""
    clock.wall, clock.boot = 5.0, 5.0004
    time = TimeKeeper(clock, synchronised=False)
    clock.wall = 1_500_000_000.0
    change = time.check(synchronised=False)
    assert change is not None
    assert (change.shift_ms, change.synced, time.now()) == (0, False, clock.boot)
    clock.pass_by(3600.0)
    clock.wall = 1_606_000_000.0
    change = time.check(synchronised=True)
    assert change is not None
    assert change.began
    assert time.now() == pytest.approx(1_606_000_000.0, abs=0.001)
    assert change.shift_ms == round((clock.wall - clock.boot) * 1000)


@pytest.mark.parametrize("days", [3, -3])
def test_a_step_while_right_moves_time_with_it(clock: Any, days: int) -> None:
    """A time server that sets the clock by days is believed at once."""
    time = TimeKeeper(clock, synchronised=True)
    clock.wall += days * 86400
    assert time.stepped()
    change = time.check(synchronised=True)
    assert change is not None
    assert (change.shift_ms, change.began, change.stepped_s) == (days * 86_400_000, False, days * 86400.0)
    assert time.now() == clock.wall


def test_a_hand_that_sets_the_clock_is_not_believed(clock: Any) -> None:
    """The kernel then calls the clock unsynchronised: time is boottime again until a server has been asked."""
    time = TimeKeeper(clock, synchronised=True)
    clock.wall += 86400
    change = time.check(synchronised=False)
    assert change is not None
    assert not time.synced
    assert time.now() == clock.boot
    clock.wall -= 86400
    again = time.check(synchronised=True)
    assert again is not None
    assert again.shift_ms == -change.shift_ms
    assert time.now() == clock.wall


def test_a_server_out_of_reach_changes_nothing(clock: Any) -> None:
    """A clock that was right drifts by seconds a day: it is believed until it is set."""
    time = TimeKeeper(clock, synchronised=True)
    clock.pass_by(86400.0)
    assert time.check(synchronised=False) is None
    assert time.synced


def test_an_anchor_can_be_stored_at_any_time(clock: Any) -> None:
    """Also one of a wall clock before 1970, which records cannot hold."""
    clock.wall = -5000.0
    anchor = TimeKeeper(clock, synchronised=False).anchor()
    assert (anchor.wall, anchor.boottime, anchor.synced) == (0.0, clock.boot, False)
