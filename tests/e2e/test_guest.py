# SPDX-License-Identifier: Apache-2.0
"""What runs the scenarios in the guest lets none pass that died, and no measurement that measured nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.guest import __main__ as runner
from tests.e2e.guest import measuring, one, played, walk
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.cpu import Usage
from tests.e2e.guest.days import Day
from tests.e2e.guest.measuring import Row, Way, check_full
from tests.e2e.guest.memory import Holding
from tests.e2e.plan import CHECKS_FAILED, Scenario
from tests.e2e.scenarios import load, playback_stored, week


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 0", ""),
        (f"exit {CHECKS_FAILED}", ""),  # it told them itself
        ("exit 1", "FAIL a/legacy: its process ended with exit status 1\n"),
        ("kill -KILL $$", "FAIL a/legacy: its process ended with exit status -9\n"),
        ("exec sleep 60", "FAIL a/legacy: not finished after 0.5 s\n"),
    ],
)
def test_a_process_that_dies_has_failed(
    script: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a scenario's checks were so far: an end that is not its own is a failure, and is told."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    limit_s = 0.5 if "sleep" in script else 30.0
    failed = runner._run(Scenario("a", "legacy", "It holds.", quick=True, limit_s=limit_s), "run")
    assert failed is (script != "exit 0")
    assert capsys.readouterr().out == told


def test_its_own_status_says_what_became_of_a_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception in it is a check that failed."""
    assert asyncio.run(one.main("nonsense/legacy")) == CHECKS_FAILED
    assert capsys.readouterr().out.startswith("FAIL nonsense/legacy: runs to its end (ModuleNotFoundError")


class _Spent(Usage):
    """So many percent of a processor."""

    def __init__(self, percent: float) -> None:
        self._percent = percent

    def percent(self, name: str) -> float:
        """As if it had been measured."""
        return self._percent if name == "program" else 0.0


def _row(sent: int, heard: int, callbacks: int, percent: float = 20.0, rss_mb: float = 40.0) -> Row:
    way = Way("full", "data", lambda: pytest.fail("nothing is measured here"))
    holding = Holding(rss_mb, rss_mb, rss_mb, 0, 0, 0)
    return Row(way, 10, sent, heard, heard, callbacks, 0.0, "", _Spent(percent), holding)


def test_the_full_mode_must_have_heard_something() -> None:
    """All of nothing, or of next to nothing, is no proof; nor is a report more than there were."""
    bed = Bed("a/legacy")
    check_full(bed, _row(920, 900, 890))
    assert bed.failed == 0
    for row in (_row(920, 0, 0), _row(920, 400, 400), _row(920, 900, 800), _row(920, 900, 901)):
        before = bed.failed
        check_full(bed, row)
        assert bed.failed == before + 1, row


@pytest.mark.parametrize(
    ("row", "failed"),
    [
        (_row(920, 900, 900, 25.0), 0),
        (_row(920, 900, 900, 25.1), 1),
        (_row(920, 900, 860, 24.5), 1),  # 1.225 times as much, but of fewer reports
        (_row(920, 900, 900, rss_mb=45.0), 1),
    ],
)
def test_what_a_report_costs_is_compared(row: Row, failed: int) -> None:
    """More than 1.25 times the bare scanner's processor time for each report, or 45 MB, is too much."""
    bed = Bed("load/legacy")
    load._judge(bed, [row, _row(920, 900, 900, 30.0)], [_row(920, 900, 900, 21.0), _row(920, 900, 900)])
    assert bed.failed == failed


class _Late:
    """Its reports come late."""

    pid = 0

    def __init__(self, *counts: int) -> None:
        self._counts = list(counts)

    @property
    def callbacks(self) -> int:
        """The next count."""
        return self._counts.pop(0)


def test_reports_that_come_late_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as more come, but not for ever."""
    monkeypatch.setattr(measuring, "_SETTLE_S", 0.0)
    assert asyncio.run(measuring._settled(_Late(5, 8, 9, 9, 99))) == 9
    assert asyncio.run(measuring._settled(_Late(*range(6)))) == 5


def test_a_week_without_work_proves_nothing() -> None:
    """A day on which nobody was heard, and one on which the ID stayed, are each a failure."""
    work = Day(40.0, 30.0, 5.0, 14, 2, 900, 1.0, ids=90, reports=3000)
    for days, failed in (
        ([work] * 8, 0),
        ([*[work] * 7, work._replace(reports=10)], 1),
        ([*[work] * 7, work._replace(ids=1)], 1),
    ):
        bed = Bed("week/legacy")
        week._check_work(bed, days)
        assert bed.failed == failed


@pytest.mark.parametrize(
    ("number", "unheard", "failed"), [(1000, [], 0), (1000, [*range(29)], 0), (1000, [*range(30)], 1), (0, [], 1)]
)
def test_a_trace_must_have_been_played(number: int, unheard: list[int], failed: int) -> None:
    """One of no reports is not heard, nor is one of which more was lost than a scan that begins anew explains."""
    bed = Bed("a/legacy")
    answer = {"played": number, "unheard": unheard, "too_long": 0, "late_s": 0.0}
    assert played.check_heard(bed, "it is heard", answer) == set(unheard)
    assert bed.failed == failed


def _logged(sightings: int = 200, **other: Any) -> playback_stored.Logged:
    return playback_stored.Logged(0.0, 30.0, 30.0, sightings, -50)._replace(**other)


@pytest.mark.parametrize(
    ("stored", "passed"),
    [
        ({}, True),
        ({"0": _logged(199)}, True),  # BlueZ loses one of 2400
        ({"0": _logged(201)}, False),
        ({str(number): _logged(190) for number in range(walk.BADGES)}, False),
        ({str(number): _logged(199) for number in range(walk.BADGES)}, False),  # nothing is left to compare times by
        ({"0": _logged(rssi_max=-49)}, False),
        ({"0": _logged(end=31.0)}, False),
        ({"more": _logged()}, False),
    ],
)
def test_what_is_stored_is_compared(stored: dict[str, playback_stored.Logged], passed: bool) -> None:  # noqa: FBT001  a parameter of a test
    """Another contact, sighting, strength or time than `bzd replay` has is a failure, and so is nothing to compare."""
    replayed, bed = {str(number): _logged() for number in range(walk.BADGES)}, Bed("a/legacy")
    playback_stored._judge(bed, replayed | stored, replayed, 0.5, "nothing")
    assert (bed.failed == 0) is passed


@pytest.mark.parametrize("number", [0, walk.BADGES - 1])
def test_contacts_that_both_lack_are_no_proof(number: int) -> None:
    """Of each badge of the walk there must be one, in store and replay."""
    few, bed = {str(each): _logged() for each in range(number)}, Bed("a/legacy")
    playback_stored._judge(bed, few, few, 0.5, "nothing")
    assert bed.failed == 1
