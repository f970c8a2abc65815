# SPDX-License-Identifier: Apache-2.0
"""A badge through its day: contacts, pauses, requests, and every way a clock can be wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bzd.config import Config, ProximityConfig
from bzd.daemon.pausing import PAUSE_MAX_S
from bzd.errors import DiskFullError
from bzd.model import Advertisement
from bzd.store.requests import RETIRED

NOON = 1_606_046_400.0


def test_started_in_1970_and_set_right_an_hour_later(play: Any, clock: Any) -> None:
    """What was before, what went on meanwhile and what came after all have their right times and durations."""
    clock.wall, clock.boot, clock.right = 10.0, 10.0, False

    async def scenario(bench: Any) -> None:
        await bench.go(300, near=True)
        await bench.go(1800)
        await bench.go(1500, near=True)
        assert [contact.synced for contact in bench.contacts()] == [False, False]
        clock.wall, clock.right = NOON, True
        await bench.go(600, near=True)

    bench = play(scenario)
    first, second = bench.contacts()
    assert (first.synced, second.synced) == (True, True)
    assert (first.start, first.duration_s) == (NOON - 3600 + 5, 295.0)
    assert (second.start, second.duration_s) == (NOON - 1500 + 5, 2095.0)
    assert bench.badge.pipeline.tracker.counts.clock_steps_back == 0


def test_set_right_after_midnight(play: Any, clock: Any) -> None:
    """A meeting of which nobody knew that midnight was in it is two contacts in the end, each of its own day."""
    clock.wall, clock.boot, clock.right = 10.0, 10.0, False
    midnight = NOON + 43200

    async def scenario(bench: Any) -> None:
        await bench.go(300, near=True)
        assert [contact.synced for contact in bench.contacts()] == [False]
        clock.wall, clock.right = midnight + 200, True
        await bench.go(100, near=True)

    before, after = play(scenario).contacts()
    assert (before.start, before.end, before.duration_s) == (midnight - 95, midnight, 95.0)
    assert (after.start, after.end, after.duration_s) == (midnight, midnight + 300, 300.0)
    assert before.sightings + after.sightings == 80


def test_the_key_of_1970_is_not_published_and_no_interval_is_used_twice(play: Any, clock: Any) -> None:
    """The badge advertised before the clock was right, under a key that is left out; then it took another."""
    clock.wall, clock.boot, clock.right = 10.0, 10.0, False

    async def scenario(bench: Any) -> None:
        await bench.go(60)
        clock.wall, clock.right = NOON, True
        await bench.go(60)
        early, late = bench.radio.on_air
        assert early.turn.key != late.turn.key
        assert early.data != late.data
        assert [key.key for key in bench.own_keys()] == [late.turn.key.key]

    play(scenario)


def test_a_key_used_a_little_early_is_published(play: Any, clock: Any) -> None:
    """A clock that was an hour late at boot gave IDs that matching still finds."""
    clock.right = False

    async def scenario(bench: Any) -> None:
        await bench.go(60)
        clock.wall, clock.right = clock.wall + 3600, True
        await bench.go(60)
        assert len(bench.own_keys()) == len(bench.radio.on_air) == 2

    play(scenario)


def test_never_set_right(play: Any, clock: Any) -> None:
    """A badge without a time server keeps its contacts with the best guess, and says that it is one."""
    clock.right = False

    async def scenario(bench: Any) -> None:
        await bench.go(300, near=True)

    (contact,) = play(scenario).contacts()
    assert (contact.start, contact.duration_s, contact.synced) == (NOON + 5, 295.0, False)


@pytest.mark.parametrize("days", [5, -5])
def test_jumped_by_days_in_the_middle_of_a_meeting(play: Any, clock: Any, days: int) -> None:
    """The meeting is one contact of unchanged duration, dated by the clock as it is afterwards; there is no echo."""

    async def scenario(bench: Any) -> None:
        await bench.go(300, near=True)
        clock.wall += days * 86400
        await bench.go(300, near=True)

    bench = play(scenario)
    (contact,) = bench.contacts()
    assert (contact.start, contact.duration_s) == (NOON + days * 86400 + 5, 595.0)
    assert bench.badge.pipeline.tracker.counts.clock_steps_back == 0


def test_jumped_forward_by_hand_and_back_by_the_server(play: Any, clock: Any) -> None:
    """A wrong hour in between leaves no trace: what was met in it is dated by the server's time."""

    async def scenario(bench: Any) -> None:
        await bench.go(300, near=True)
        clock.wall, clock.right = clock.wall + 10 * 86400, False
        await bench.go(1200)
        await bench.go(300, near=True)
        clock.wall, clock.right = clock.wall - 10 * 86400, True
        await bench.go(60, near=True)

    first, second = play(scenario).contacts()
    assert (first.start, first.synced) == (NOON + 5, True)
    assert (second.start, second.duration_s, second.synced) == (NOON + 1505, 355.0, True)


def test_suspended_for_a_night(play: Any, clock: Any) -> None:
    """Sleep is absence: two contacts, neither longer than it was."""

    async def scenario(bench: Any) -> None:
        await bench.go(300, near=True)
        clock.pass_by(10 * 3600.0)
        await bench.go(300, near=True)

    first, second = play(scenario).contacts()
    assert (first.duration_s, second.duration_s) == (295.0, 295.0)
    assert second.start == NOON + 300 + 36000 + 5


def test_a_pause_is_a_gap(play: Any) -> None:
    """Off the air and nothing logged; a short pause ends a contact too, and afterwards there is a new ID."""

    async def scenario(bench: Any) -> None:
        await bench.go(120, near=True)
        bench.badge.pause(60.0)
        assert bench.radio.state.paused
        await bench.go(55, near=True)
        assert bench.badge.paused_until is not None
        await bench.go(5)
        assert bench.badge.paused_until is None
        await bench.go(120, near=True)
        assert len({payload.data for payload in bench.radio.on_air}) == len(bench.radio.on_air) == 2

    first, second = play(scenario).contacts()
    assert (first.end, second.start) == (NOON + 120, NOON + 185)


def test_a_pause_outlives_the_process_but_not_the_wearers_word(bench: Any) -> None:
    """A badge that was restarted while paused stays off the air, and its radio sends nothing until it is resumed."""

    async def scenario() -> None:
        bench().badge.pause(float("inf"))
        later = bench()
        later.badge.start()
        await later.go(600, near=True)
        assert later.radio.on_air == []
        later.badge.resume()
        await later.go(60)
        assert len(later.radio.on_air) == 1
        assert bench().badge.paused_until is None
        await later.badge.stop()
        assert later.contacts() == []

    asyncio.run(scenario())


def test_a_pause_that_the_card_cannot_keep_is_told(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The badge is silent all the same; the answer and the status say what a reboot would do, until it is kept."""

    async def scenario(bench: Any) -> None:
        def full(*_: Any) -> None:
            raise DiskFullError("cannot write the card: no space left")

        with monkeypatch.context() as patch:
            patch.setattr("bzd.daemon.pausing.write_new", full)
            words = "but the pause ends with the next reboot: cannot write the card: no space left"
            assert bench.badge.pause(float("inf")) == f"paused until resumed, {words}"
            await bench.go(60)
            assert "ends with the next reboot" in bench.badge.troubles.present["pause"]
            assert not bench.radio.state.advertising
        await bench.go(60)
        assert bench.badge.troubles.present == {}
        assert bench.badge.resume() == "resumed"

    play(scenario)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("pause 60", "paused for 60 s"),
        ("pause", "paused until resumed"),
        ("pause nan", "cannot pause for nan"),
        ("pause -1", "cannot pause for -1"),
        (f"pause {PAUSE_MAX_S + 1}", f"cannot pause for {PAUSE_MAX_S + 1}"),
        ("resume", "it was not paused"),
        ("end-segment", "ended; what comes next has a new key"),
        ("retire-key", RETIRED),
        ("retire-key 7f", RETIRED),
        ("", "this version does not know "),
        ("dance", "this version does not know dance"),
    ],
)
def test_requests_are_answered_within_5_s(play: Any, verb: str, answer: str) -> None:
    """Whatever the table holds gets an answer in words."""

    async def scenario(bench: Any) -> None:
        connection = bench.appender._connection
        connection.execute("INSERT INTO request (verb) VALUES (?)", (verb,))
        await bench.go(3, step=1.0)
        assert connection.execute("SELECT answer FROM request").fetchall() == [(answer,)]

    play(scenario)


@pytest.mark.parametrize("verb", ["pause 60", "lend 60"])
@pytest.mark.parametrize(
    ("hangs", "answer"),
    [(False, "paused for 60 s"), (True, "paused for 60 s, but the radio does not say yet that it is off the air")],
)
def test_a_pause_is_answered_once_it_is_off_the_air(play: Any, verb: str, hangs: bool, answer: str) -> None:  # noqa: FBT001
    """It takes the radio some time; whoever asked is told where a bluetoothd does not answer at all."""

    async def scenario(bench: Any) -> None:
        connection, answers = bench.appender._connection, []
        bench.radio.state.held = True
        connection.execute("INSERT INTO request (verb) VALUES (?)", (verb,))
        for _ in range(6):
            await bench.go(1, step=1.0)
            answers.append(connection.execute("SELECT answer FROM request").fetchone()[0])
            bench.radio.state.held = hangs or len(answers) < 3
        assert set(answers[:3]) == {None}
        assert answers[-1] == answer

    play(scenario)


def test_a_retired_key_is_not_used_again(play: Any) -> None:
    """The next payload has a key of its own, and both are in the store."""

    async def scenario(bench: Any) -> None:
        bench.appender._connection.execute("INSERT INTO request (verb) VALUES ('retire-key')")
        await bench.go(5, step=1.0)
        first, second = (payload.turn.key for payload in bench.radio.on_air)
        assert first.key != second.key
        assert {key.key for key in bench.own_keys()} == {first.key, second.key}

    play(scenario)


def test_another_configuration_takes_effect_and_keeps_what_was(play: Any) -> None:
    """Contacts in progress end as they are; what is heard afterwards is judged by the new thresholds."""

    async def scenario(bench: Any) -> None:
        await bench.go(120, near=True)
        await bench.badge.apply(Config(proximity=replace(ProximityConfig(), min_rssi_dbm=-50)))
        assert len(bench.made) == 2
        await bench.go(120, near=True)

    bench = play(scenario)
    (contact,) = bench.contacts()
    assert contact.duration_s == 115.0
    assert bench.badge.pipeline.tracker.counts.too_weak == 1


def test_in_the_passive_mode_a_sighting_stands_for_a_minute(play: Any) -> None:
    """One report a minute is presence there, and nearly none in the full mode; the mode may change by itself."""

    async def scenario(bench: Any) -> None:
        for mode in ("full", "passive"):
            bench.radio.state.mode = mode
            await bench.tick()
            for _ in range(10):
                bench.radio.hear()
                await bench.go(60)

    full, passive = play(scenario).contacts()
    assert (full.duration_s, passive.duration_s) == (0.0, 600.0)


def test_its_own_voice_is_not_a_neighbour(play: Any) -> None:
    """What another adapter of the badge sends is dropped and counted."""

    async def scenario(bench: Any) -> None:
        payload = bench.radio.on_air[0]
        for _ in range(10):
            await bench.go(5)
            bench.radio.sink(Advertisement(bench.time.now(), "", "random", -60, payload.data))
        assert bench.badge.neighbours.near(bench.clock.boot) == []

    bench = play(scenario)
    assert bench.contacts() == []
    assert bench.badge.pipeline.counts.own == 10


def test_without_a_tick_memory_is_bounded(play: Any) -> None:
    """A process that was stopped for minutes drops reports, counted, instead of growing."""

    async def scenario(bench: Any) -> None:
        for _ in range(20_100):
            bench.radio.hear()
        await bench.tick()
        assert bench.badge.overrun == 100

    play(scenario)
