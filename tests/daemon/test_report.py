# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells of itself: the status, and the metrics with and without what shows who sits with whom."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest

from bzd.cli.status import described
from bzd.daemon import report

SAMPLE = re.compile(r'^(bzd_[a-z_]+)(\{reason="[a-z_]+"\})? -?\d+(\.\d+)?$')
SOCIAL = {"bzd_neighbours 1", "bzd_contacts_today 1"}


def _status(bench: Any, **radio: Any) -> dict[str, Any]:
    """The status of a badge that has met another for two minutes, with so much different in its radio's state."""
    found: dict[str, Any] = {}

    async def scenario() -> None:
        made = bench()
        made.badge.start()
        await asyncio.sleep(0)
        await made.go(120, near=True)
        for name, value in radio.items():
            setattr(made.badge.radio.state, name, value)
        found.update(report.status(made.badge, made.time, made.state, 0.0, None))
        await made.badge.stop()

    asyncio.run(scenario())
    return found


def test_the_status_is_json_and_names_nobody(bench: Any) -> None:
    """A number of neighbours and their strength, no ID; times as RFC 3339 in UTC."""
    found = _status(bench)
    assert found["neighbours"] == [{"rssi": -60, "ago_s": 0.0}]
    assert (found["contacts_today"], found["radio"]["last_heard"]) == (1, "2020-11-22T12:02:00.000Z")
    text = json.dumps(found)
    assert bytes([1] * 16).hex() not in text
    assert "AA:BB" not in text


def test_who_sits_with_whom_is_told_only_when_asked_for(bench: Any) -> None:
    """Without `social` there is no count of neighbours, contacts or sightings; each metric says what it is."""
    found = _status(bench)
    plain, social = (report.metrics(found, social=asked).splitlines() for asked in (False, True))
    assert not [line for line in plain if re.search("neighbour|contacts_today|per_minute", line)]
    assert set(social) >= SOCIAL
    for lines in (plain, social):
        samples = [SAMPLE.match(line) for line in lines if not line.startswith("#")]
        assert all(samples)
        assert {match[1] for match in samples if match} == {line.split()[2] for line in lines if line[:7] == "# TYPE "}


ADVICE = "advice     nobody has looked whether this radio gives the badge away: `sudo bzd doctor --radio`"
UNTRIED = ", this radio not yet tried for leaks"


@pytest.mark.parametrize(
    ("radio", "words", "mode", "advised"),
    [
        (
            {"mode": "full", "verdict": "clean", "advertising": True},
            "listening (full), advertising",
            "mode full",
            False,
        ),
        (
            {"mode": "active", "verdict": None, "advertising": True},
            f"listening (active), advertising{UNTRIED}",
            "mode active",
            True,
        ),
        (
            {"mode": "passive", "verdict": None, "scanning": False},
            "not listening now, advertising",
            "mode passive",
            True,
        ),
        (
            {"mode": "", "verdict": None, "scanning": False, "advertising": False},
            "starting, silent",
            "no mode yet",
            False,
        ),
    ],
)
def test_the_mode_and_an_untried_radio_are_told(
    bench: Any,
    radio: dict[str, Any],
    words: str,
    mode: str,
    advised: bool,  # noqa: FBT001  parametrized
) -> None:
    """From the radio's state to what the admin reads: which mode, and whether anybody has looked at this radio."""
    found = _status(bench, **radio)
    lines = list(described(found | {"updated_boottime": time.clock_gettime(time.CLOCK_BOOTTIME)}))
    assert found["words"] == words
    assert lines[0] == f"badge      {words}"
    assert lines[1].startswith(f"radio      hci9, gaen, {mode}, ")
    assert (ADVICE in lines) == advised


def test_a_stranger_among_the_recipients_is_a_metric(bench: Any) -> None:
    """So that one badge of forty is seen without asking it."""
    found = _status(bench)
    assert "bzd_recipients_changed 0" in report.metrics(found, social=False)
    told = {"sealed_to": {"contacts": [], "own_keys": [], "changed": ["it is sealed to 3 public keys"]}}
    assert "bzd_recipients_changed 1" in report.metrics(found | told, social=False)
