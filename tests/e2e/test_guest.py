# SPDX-License-Identifier: Apache-2.0
"""What runs the scenarios in the guest lets none pass that died, and no measurement that measured nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.e2e.guest import __main__ as runner
from tests.e2e.guest import one
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.cpu import Usage
from tests.e2e.guest.days import Day
from tests.e2e.guest.measuring import Row, Way, check_full
from tests.e2e.guest.memory import Holding
from tests.e2e.plan import CHECKS_FAILED, Scenario
from tests.e2e.scenarios import week


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


def _row(sent: int, heard: int, callbacks: int) -> Row:
    way = Way("full", "data", lambda: pytest.fail("nothing is measured here"))
    return Row(way, 10, sent, heard, heard, callbacks, 0.0, "", Usage(), Holding(0.0, 0.0, 0.0, 0, 0, 0))


def test_the_full_mode_must_have_heard_something() -> None:
    """All of nothing, or of next to nothing, is no proof; nor is a report more than there were."""
    bed = Bed("a/legacy")
    check_full(bed, _row(920, 900, 890))
    assert bed.failed == 0
    for row in (_row(920, 0, 0), _row(920, 400, 400), _row(920, 900, 800), _row(920, 900, 901)):
        before = bed.failed
        check_full(bed, row)
        assert bed.failed == before + 1, row


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
