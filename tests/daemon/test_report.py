# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells of itself: the status, and the metrics with and without what shows who sits with whom."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from bzd.cli.status import described
from bzd.config import Config, ProximityConfig
from bzd.daemon import badge as daemon_badge
from bzd.daemon import report
from bzd.model import Advertisement

SAMPLE = re.compile(r'^(bzd_[a-z_]+)(\{reason="[a-z_]+"\})? -?\d+(\.\d+)?$')
FILES = ("store.sqlite", "store.sqlite-wal", "store.sqlite-recent")
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


def test_when_it_was_written_is_a_metric(bench: Any) -> None:
    """A badge that died leaves its metrics behind, and nothing else tells that they are old."""
    lines = report.metrics(_status(bench), social=False).splitlines()
    assert "bzd_written_timestamp_seconds 1606046520.0" in lines


def test_what_is_dropped_is_counted_by_reason(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each kind; and the clock and the store as the status has them."""
    found: dict[str, Any] = {}

    async def scenario() -> None:
        made = bench(Config(proximity=replace(ProximityConfig(), max_tracked=4, max_contacts_per_hour=1)))
        made.badge.start()
        await asyncio.sleep(0)
        await _drop(made)
        monkeypatch.setattr(daemon_badge, "HEARD_MAX", 0)
        made.radio.hear()
        found.update(report.status(made.badge, made.time, made.state, 1000.0, None))
        found["files"] = sum((made.state / name).stat().st_size for name in FILES)
        await made.badge.stop()

    asyncio.run(scenario())
    assert found["dropped"] == {
        "phantom_reports": 1,
        "cached_reports": 2,
        "malformed_reports": 3,
        "overrun_reports": 1,
        "implausible_rssi": 2,
        "own_ids": 1,
        "too_few_sightings": 1,
        "too_weak": 1,
        "evicted_ids": 1,
        "over_hourly_quota": 1,
        "unstored_contacts": 4,
    }
    assert found["clock"] == {"synced": True, "now": "2020-11-22T12:07:58.000Z", "boottime": 1478.0}
    assert found["uptime_s"] == 478.0
    assert found["store"]["bytes"] == found["files"] > 4096


async def _drop(made: Any) -> None:
    """Have something dropped for every reason but lateness."""
    scan = made.radio.state.scan
    scan.phantom, scan.cached, scan.malformed = 1, 2, 3
    made.keeper.counts.unstored = 4
    own = made.radio.on_air[0].data
    for data, rssi in ((own, -60), (own, 127), (own, None)):
        made.radio.sink(Advertisement(made.clock.now(), "", "random", rssi, data))
    await made.go(20, near=True)
    for number, rssi, times in ((2, -60, 1), (3, -100, 2)):
        for _ in range(times):
            made.radio.hear(rssi, number)
            await made.go(1, step=1.0)
    await made.go(400, near=True)
    for number in (4, 4, 5, 6, 7):
        made.radio.hear(-60, number)
        await made.go(1, step=1.0)
    await made.go(50, near=True)


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
