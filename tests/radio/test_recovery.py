# SPDX-License-Identifier: Apache-2.0
"""Back-off, duty cycle, and troubles that are told once."""

from __future__ import annotations

import logging
from itertools import pairwise
from random import Random

import pytest

from bzd.radio.recovery import PATIENT_AFTER_S, QUICK_RETRY_S, SLOW_RETRY_S, Backoff, DutyCycle, Troubles


def test_retries_come_within_5_seconds_at_first_and_rarely_later() -> None:
    """For two minutes no wait is longer than 3 s; a day later they are a minute apart; success begins anew."""
    backoff, now, waits = Backoff(), 0.0, []
    while now < 3600:
        backoff.failed(now)
        waits.append((now, backoff.wait_s(now)))
        now += backoff.wait_s(now)
    assert waits[0][1] == 0.5
    assert all(wait <= QUICK_RETRY_S for at, wait in waits if at < PATIENT_AFTER_S)
    assert waits[-1][1] == SLOW_RETRY_S
    backoff.reset()
    assert backoff.wait_s(now) == 0


def test_continuous_listening_never_pauses() -> None:
    """A period of 0, or one that its window fills, is listening all the time."""
    for period in (0.0, 4.0):
        duty = DutyCycle(period, 4.0, Random(1))
        assert duty.continuous
        assert duty.wait_s(12345.0) == (True, float("inf"))


def test_duty_cycle_listens_for_its_window_at_random_distances() -> None:
    """Each listening lasts 4 s; from one to the next it is 210 to 300 s, never twice the same."""
    duty, now, starts = DutyCycle(300.0, 4.0, Random(1)), 1000.0, []
    for _ in range(100):
        listening, wait = duty.wait_s(now)
        assert listening
        assert wait == pytest.approx(4.0)
        starts.append(now)
        now += wait
        listening, wait = duty.wait_s(now)
        assert not listening
        now += wait
    periods = [after - before for before, after in pairwise(starts)]
    assert all(210 <= period <= 300.001 for period in periods)
    assert len(set(periods)) == len(periods)


def test_each_trouble_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A cause is logged when it comes and when it goes, and not again when it flaps."""
    log = logging.getLogger("test")
    troubles = Troubles(log)
    with caplog.at_level(logging.INFO):
        for second in range(10):
            troubles.report("radio", "adapter hci0 is off", float(second))
        assert troubles.present == {"radio": "adapter hci0 is off"}
        troubles.clear("radio", 10.0, "adapter hci0 is ready")
        troubles.clear("radio", 11.0, "adapter hci0 is ready")
        for second in range(20, 40, 2):
            troubles.report("radio", "adapter hci0 is off", float(second))
            troubles.clear("radio", second + 1.0, "adapter hci0 is ready")
    assert troubles.present == {}
    assert [record.getMessage() for record in caplog.records] == [
        "adapter hci0 is off",
        "adapter hci0 is ready again after 10 s",
    ]


def test_a_trouble_is_told_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """What comes back after an hour is news, and so is its end."""
    troubles = Troubles(logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        for start in (0.0, 3600.0):
            troubles.report("scan", "scanning cannot start", start)
            troubles.clear("scan", start + 5, "scanning")
    assert len(caplog.records) == 4


def test_a_trouble_that_comes_back_soon_and_stays_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Ten minutes after it was last told, even if nobody reports it again; so is its end, and then nothing more."""
    troubles = Troubles(logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        troubles.report("radio", "adapter hci0 is off", 0.0)
        troubles.clear("radio", 10.0, "adapter hci0 is ready")
        troubles.report("radio", "adapter hci0 is off", 70.0)
        told = len(caplog.records)
        for second in range(70, 599):
            troubles.remind(float(second))
        assert len(caplog.records) == told == 2
        for second in range(601, 10_000, 5):
            troubles.remind(float(second))
            troubles.report("radio", "adapter hci0 is off", second + 1.0)
        troubles.clear("radio", 604_870.0, "adapter hci0 is ready")
    assert [record.getMessage() for record in caplog.records[2:]] == [
        "adapter hci0 is off",
        "adapter hci0 is ready again after 604800 s",
    ]


def test_a_cause_that_changes_to_and_fro_leaves_the_present_one_last(caplog: pytest.LogCaptureFixture) -> None:
    """The log's last word of an area is what is wrong now, once it lasts."""
    troubles = Troubles(logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        for second, text in enumerate(["one", "other", "one", "other", "one"]):
            troubles.report("scan", text, float(second))
        assert [record.getMessage() for record in caplog.records] == ["one", "other"]
        troubles.remind(700.0)
    assert [record.getMessage() for record in caplog.records] == ["one", "other", "one"]


def test_another_cause_in_the_same_area_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The end names how long all of it lasted."""
    troubles = Troubles(logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        troubles.report("radio", "bluetoothd is not running", 0.0)
        troubles.report("radio", "there is no adapter hci0", 5.0)
        troubles.clear("radio", 8.0, "adapter hci0 is ready")
    assert [record.getMessage() for record in caplog.records][-1] == "adapter hci0 is ready again after 8 s"
