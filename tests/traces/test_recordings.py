# SPDX-License-Identifier: Apache-2.0
"""The recording of two real badges that comes with the project is replayed to what is known of their walk."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bzd.config import Config
from bzd.traces import open_trace

FOLDER = Path(__file__).resolve().parent / "recordings"
TRACE = FOLDER / "meeting.btsnoop.gz"
BEFORE_S, AFTER_S = 0.1, 2.0
"""A contact lies within its meeting, and lacks at most a few of its first or last adverts, which come every 0.25 s."""


@pytest.fixture(scope="module")
def known() -> list[dict[str, Any]]:
    """The meetings, as `tests/e2e/scenarios/recorded.py` made them: their bounds, and the IDs on air in each."""
    meetings: list[dict[str, Any]] = json.loads((FOLDER / "meeting.json").read_text())["meetings"]
    return meetings


def _replay(*words: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bzd", "replay", "--jsonl", *words, str(TRACE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"LANG": "C.UTF-8"})
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_walk_is_known(known: list[dict[str, Any]]) -> None:
    """Two badges met twice, further apart than one contact may be; one of them had another ID the second time."""
    first, second = known
    assert second["start"] - first["end"] > Config().proximity.max_gap_s
    assert [len(set(meeting["rolling_ids"])) for meeting in known] == [2, 2]
    assert len({*first["rolling_ids"], *second["rolling_ids"]}) == 3


def test_replay_gives_the_contacts_of_the_walk(known: list[dict[str, Any]]) -> None:
    """Each ID of each meeting is one contact within it, and there is no other."""
    contacts = _replay()
    met = [(meeting, rolling_id) for meeting in known for rolling_id in meeting["rolling_ids"]]
    assert len(contacts) == len(met)
    for meeting, rolling_id in met:
        [contact] = [each for each in contacts if each["rolling_id"] == rolling_id and _within(each, meeting)]
        assert _seconds(contact["start"]) <= meeting["start"] + AFTER_S
        assert _seconds(contact["end"]) >= meeting["end"] - AFTER_S
        assert contact["protocol"] == "gaen"


def test_a_longer_gap_joins_what_has_one_id(known: list[dict[str, Any]]) -> None:
    """The badge that kept its ID has one contact then; time apart is not counted as presence."""
    contacts = _replay("--set", "proximity.max_gap_s=600")
    assert len(contacts) == 3
    longest = max(contacts, key=lambda each: _seconds(each["end"]) - _seconds(each["start"]))
    together = sum(meeting["end"] - meeting["start"] for meeting in known)
    assert longest["duration_s"] == pytest.approx(together, abs=2 * AFTER_S)


def test_it_holds_nobody_else() -> None:
    """No address in it is of a real device: all are non-resolvable, and there is nothing but rolling IDs."""
    reports = list(open_trace(str(TRACE)))
    assert len(reports) > 500
    assert {report.address_type for report in reports} == {"random"}
    assert all(int(report.address[:2], 16) >> 6 == 0 for report in reports)


def _within(contact: dict[str, Any], meeting: dict[str, Any]) -> bool:
    start, end = _seconds(contact["start"]), _seconds(contact["end"])
    return bool(meeting["start"] - BEFORE_S <= start and end <= meeting["end"] + BEFORE_S)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
