# SPDX-License-Identifier: Apache-2.0
"""A badge whose radio, or whose time service, does not answer: what was heard is stored, and nothing waits for them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from bzd.config import Config, ScanConfig
from bzd.daemon import badge as daemon_badge
from bzd.errors import BzdError

from .stand_ins import NOON, BenchRadio


class Stubborn(BenchRadio):
    """A radio that does not end when it is told to, as one whose bluetoothd hangs."""

    async def run(self) -> None:
        """Until the test lets it go."""
        self.let_go = asyncio.Event()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue


async def _stubborn(made: Any) -> Stubborn:
    """Have the badge run such a radio."""
    radio = Stubborn(made.radio.broadcast, made.radio.sink, made.radio.clock)
    made.badge.radio = radio
    made.badge.start()
    await asyncio.sleep(0)
    return radio


def test_a_radio_that_hangs_costs_no_contact(bench: Any) -> None:
    """On SIGTERM everything is stored within 2 s, though the radio does not end."""

    async def scenario() -> None:
        made = bench()
        radio = await _stubborn(made)
        await made.go(30, near=True)
        begun = time.monotonic()
        await made.badge.stop()
        assert time.monotonic() - begun < 2.0
        (contact,) = made.contacts()
        assert (contact.start, contact.duration_s) == (NOON + 5, 25.0)
        radio.let_go.set()

    asyncio.run(scenario())


def test_no_second_radio_beside_one_that_hangs(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another configuration then ends the daemon, which systemd starts again, instead of stopping it for ever."""
    monkeypatch.setattr(daemon_badge, "REPLACE_S", 0.1)

    async def scenario() -> None:
        made = bench()
        radio = await _stubborn(made)
        await made.go(30, near=True)
        with pytest.raises(BzdError, match="the radio does not end"):
            await made.badge.apply(replace(Config(), scan=replace(ScanConfig(), mode="active")))
        assert len(made.made) == 1
        await made.badge.stop()
        assert len(made.contacts()) == 1
        radio.let_go.set()

    asyncio.run(scenario())


def test_what_concerns_matching_alone_changes_nothing_on_air(bench: Any) -> None:
    """Another feed, key or rule keeps the radio, its ID and the contacts in progress."""

    async def scenario() -> None:
        made = bench()
        made.badge.start()
        await asyncio.sleep(0)
        await made.go(120, near=True)
        config = Config()
        other = replace(config, match=replace(config.match, rule="cwa", verify_keys=("ha.pub",)))
        await made.badge.apply(other)
        assert made.badge.config == other
        await made.go(120, near=True)
        await made.badge.stop()
        assert (len(made.made), len(made.radio.on_air)) == (1, 1)
        (contact,) = made.contacts()
        assert contact.duration_s == 235.0

    asyncio.run(scenario())


def test_a_slow_word_on_the_clock_stops_no_tick(bench: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks go on, nothing is deleted by a clock that may be wrong, and the answer is taken when it is there."""
    monkeypatch.setattr(daemon_badge, "ANSWER_S", 0.01)

    async def scenario() -> None:
        made = bench()
        answer = asyncio.get_running_loop().create_future()
        made.badge._around = replace(made.badge._around, synchronised=lambda: answer)
        made.badge.start()
        await asyncio.sleep(0)
        await made.go(60, near=True)
        assert made.badge._retention._done is not None
        clock.wall += 86400.0
        await made.go(60, near=True)
        assert made.time.synced
        assert made.badge._retention._done != made.time.day()
        answer.set_result(False)
        await made.go(5, near=True)
        assert not made.time.synced
        await made.badge.stop()
        assert len(made.contacts()) == 1

    asyncio.run(scenario())
