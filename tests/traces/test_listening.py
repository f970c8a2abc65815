# SPDX-License-Identifier: Apache-2.0
"""How often a recorder listened."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bzd.traces import Trace, open_trace
from bzd.traces.listening import ScanLog, ScanPeriod, bursts_of, estimate


def _commands(*windows: tuple[float, float], duty: float = 1.0) -> ScanLog:
    log = ScanLog()
    log.parameters(duty)
    for first, last in windows:
        log.switched(first, on=True)
        log.switched(last, on=False)
    return log


def _measured(trace: Trace) -> ScanPeriod:
    """The scan period of a trace, which is read to its end for it."""
    bursts = bursts_of(advertisement.time for advertisement in trace)
    return estimate(trace.scans, bursts)


def test_bursts_end_after_25_seconds_of_silence() -> None:
    """Reports less than 25 s apart are one burst; a time that goes back does not end one."""
    assert bursts_of([]) == []
    assert bursts_of([0, 25, 50, 49, 50]) == [(0, 50)]
    assert bursts_of([0, 25.5, 60]) == [(0, 0), (25.5, 25.5), (60, 60)]


def test_scan_commands_tell_the_period() -> None:
    """Four seconds every 300: the period is 300 s, also where each listening is several scans."""
    windows = [(start + part, start + part + 2) for start in range(0, 3000, 300) for part in (0, 2)]
    period = estimate(_commands(*windows), [])
    assert period.seconds == 300
    assert period.how == "scan commands: 10 listenings"


def test_a_scan_that_is_restarted_is_continuous() -> None:
    """BlueZ restarts its scan every 10 s: that is no duty cycle."""
    period = estimate(_commands(*((start, start + 10.0) for start in range(0, 3000, 11))), [])
    assert period.seconds == 0
    assert "continuous" in period.how


def test_idle_scans_are_no_listening() -> None:
    """A scan whose window is 2 % of its interval leaves the estimate to the bursts."""
    idle = _commands((0, 3000), duty=0.02)
    assert idle.starts == []
    bursts = bursts_of(start + part for start in range(0, 3000, 270) for part in range(4))
    period = estimate(idle, bursts)
    assert period.seconds == 270
    assert period.how == "gaps between 12 bursts of reports"


def test_a_scan_that_never_ends_counts_from_its_start() -> None:
    """A trace that ends while the scan is on has an open last window."""
    log = _commands((0, 4), (300, 304))
    log.switched(600, on=True)
    assert log.windows() == [(0, 4), (300, 304), (600, 600)]


def test_people_who_come_and_go_are_no_duty_cycle() -> None:
    """Irregular silences of a recorder without scan commands are taken as nobody near."""
    chance, times, time = random.Random(3), [0.0], 0.0
    for _ in range(40):
        time += chance.choice([30, 100, 250, 600, 800])
        times += [time, time + 10]
    assert estimate(ScanLog(), bursts_of(times)).seconds == 0


def test_reports_all_the_time_overrule_the_commands() -> None:
    """Where reports come without a pause the recorder listened, whatever its commands looked like."""
    windows = [(start, start + 4.0) for start in range(0, 3000, 300)]
    assert estimate(_commands(*windows), bursts_of(range(3000))).seconds == 0


def test_the_log_is_bounded() -> None:
    """A million commands keep the last few thousand."""
    log = ScanLog()
    for time in range(1_000_000):
        log.switched(time, on=time % 2 == 0)
    assert len(log.starts) < 10_000
    assert log.starts[-1] == 999_998


@pytest.mark.parametrize("name", ["dp3t-exp25/02", "dp3t-exp25/08", "dp3t-exp28/10", "dp3t-exp28/23", "dp3t-exp28/24"])
def test_phones_listen_every_four_minutes(shared: Path, name: str) -> None:
    """Android phones with Exposure Notification are found to listen every 200 to 310 s, from their commands."""
    with open_trace(str(shared / f"data/captures/{name}.btsnoop")) as trace:
        period = _measured(trace)
    assert 200 <= period.seconds <= 310
    assert period.how.startswith("scan commands")


@pytest.mark.parametrize("name", ["dp3t-exp25/110", "dp3t-exp27/02", "dp3t-exp27/10"])
def test_iphones_listen_every_five_minutes(shared: Path, name: str) -> None:
    """iPhones, whose scan commands are vendor-specific, are found to listen every 304 s from the bursts alone."""
    with open_trace(str(shared / f"data/captures/{name}.pklg")) as trace:
        period = _measured(trace)
    assert period.seconds == pytest.approx(304, abs=1)
