# SPDX-License-Identifier: Apache-2.0
"""`bzd purge`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bzd as bzd_package
from bzd.model import Contact

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

DAY = 86400.0
NOW = 1_800_000_000.0
"""The clock of these tests, 2027-01-15 08:00:00 UTC."""


@pytest.fixture
def state(fill: Fill, contact: Callable[..., Contact]) -> Path:
    """A store with contacts of 20, 10 and 1 days ago; now is 2027-01-15 08:00 UTC."""
    return fill(*(contact(days * DAY, number=days) for days in (20, 10, 1)))


def left(bzd: Bzd, state: Path) -> list[int]:
    """How many days ago the contacts are that are still there."""
    return [int(item["rolling_id"][:2], 16) for item in bzd("contacts", "--state", state, "--jsonl").jsonl]


@pytest.mark.parametrize(
    ("words", "kept", "said"),
    [
        (["--before", "14d"], [10, 1], "deleted 2026-12-26: "),
        (["--before", "2027-01-05"], [10, 1], "deleted 2026-12-26: "),
        (["--before", "2027-01-06"], [1], "deleted 2 days, 2026-12-26 to 2027-01-05: "),
        (["--day", "2027-01-05"], [20, 1], "deleted 2027-01-05: "),
        (["--day", "2027-01-05", "--day", "2027-01-14"], [20], "deleted 2 days, "),
        (["--day", "2025-01-01"], [20, 10, 1], "nothing to delete there"),
        (["--all"], [], "deleted 3 days, 2026-12-26 to 2027-01-14: "),
    ],
)
def test_what_goes_and_what_stays(bzd: Bzd, state: Path, words: list[str], kept: list[int], said: str) -> None:
    """Days are those of UTC; a bound takes the days that ended before it."""
    result = bzd("purge", "--state", state, "--yes", *words)
    assert (result.code, result.out) == (0, "")
    assert said in result.err
    assert left(bzd, state) == kept


@pytest.mark.parametrize("words", [[], ["--before", "14d", "--all"], ["--day", "2027-01-05", "--before", "1d"]])
def test_what_to_delete_is_said_once(bzd: Bzd, state: Path, words: list[str]) -> None:
    """Neither nothing nor two things at once."""
    assert bzd("purge", "--state", state, "--yes", *words).code == 2
    assert left(bzd, state) == [20, 10, 1]


@pytest.mark.parametrize(
    "words", [["--before", "soon"], ["--day", "14d"], ["--day", "2027-02-30"], ["--before", "2027"]]
)
def test_what_is_no_day(bzd: Bzd, state: Path, words: list[str]) -> None:
    """The error shows what to write."""
    result = bzd("purge", "--state", state, "--yes", *words)
    assert result.code == 2
    assert "2020-06-11" in result.err
    assert left(bzd, state) == [20, 10, 1]


def test_a_script_must_say_yes(bzd: Bzd, state: Path) -> None:
    """Without a terminal and without --yes nothing is deleted, whatever stdin holds."""
    result = bzd("purge", "--state", state, "--all", stdin=b"y\n")
    assert result.code == 2
    assert "--yes" in result.err
    assert left(bzd, state) == [20, 10, 1]


@pytest.mark.parametrize(
    "now", [0.0, datetime(2026, 6, 1, tzinfo=UTC).timestamp(), datetime(2027, 1, 10, tzinfo=UTC).timestamp()]
)
def test_a_wrong_clock_deletes_nothing(bzd: Bzd, state: Path, now: float) -> None:
    """A clock before this version, or before what the store holds, is not counted back from; days can be named."""
    refused = bzd("purge", "--state", state, "--before", "1d", "--yes", now=now)
    assert refused.code == 1
    assert "bzd: error: the clock says" in refused.err
    assert left(bzd, state) == [20, 10, 1]
    assert bzd("purge", "--state", state, "--day", "2026-12-26", "--yes", now=now).code == 0


def test_a_clock_that_leapt_ahead_deletes_nothing(bzd: Bzd, state: Path) -> None:
    """A script does not count back from a clock far after the newest day; days can be named, or it is vouched for."""
    words = ["purge", "--state", state, "--yes", "--before"]
    refused = bzd(*words, "14d", now=NOW + 30 * DAY)
    assert refused.code == 1
    assert "but the newest day in the store is 2027-01-14\n" in refused.err
    assert "bzd: hint: set the clock, or name a day" in refused.err
    assert "--force" in refused.err
    assert left(bzd, state) == [20, 10, 1]
    assert bzd(*words, "2026-12-27", now=NOW + 30 * DAY).code == 0
    assert left(bzd, state) == [10, 1]
    assert bzd(*words, "14d", "--force", now=NOW + 30 * DAY).code == 0
    assert left(bzd, state) == []


@pytest.mark.parametrize(("idle_days", "code"), [(6.99, 0), (7.0, 1)])
def test_a_week_unused_is_no_wrong_clock(bzd: Bzd, state: Path, idle_days: float, code: int) -> None:
    """Seven days after the end of the newest day, which was eight hours ago, the clock is still believed."""
    assert bzd("purge", "--state", state, "--yes", "--before", "14d", now=NOW - DAY / 3 + idle_days * DAY).code == code


def test_a_bound_counted_back_is_shown(bzd: Bzd, state: Path) -> None:
    """Whoever reads the log sees from when on days were kept."""
    result = bzd("purge", "--state", state, "--yes", "--before", "14d")
    clock, bound = "2027-01-15T08:00:00.000Z", "2027-01-01T08:00:00.000Z"
    assert f"bzd: counting back from {clock}: all days that ended before {bound}\n" in result.err


def test_an_empty_store_has_no_newest_day(bzd: Bzd, fill: Fill) -> None:
    """A store that was never written to needs no --force."""
    result = bzd("purge", "--state", fill(name="new"), "--yes", "--before", "14d")
    assert (result.code, "nothing to delete there" in result.err) == (0, True)


def test_the_day_of_this_version_is_told_in_the_changelog() -> None:
    """A release moves `__date__`: it is the day of this version's section, and never before that of another."""
    changelog = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    released = dict(re.findall(r"^## \[([0-9.]+)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE))
    written = released.get(bzd_package.__version__, bzd_package.__date__)
    assert bzd_package.__date__ == written >= max(released.values(), default="")
    assert date.fromisoformat(bzd_package.__date__) <= datetime.now(UTC).date()


def test_the_future_is_not_purged(bzd: Bzd, state: Path) -> None:
    """A bound after now is a mistake in one of the two."""
    assert bzd("purge", "--state", state, "--before", "2030-01-01", "--yes").code == 4
    assert left(bzd, state) == [20, 10, 1]
