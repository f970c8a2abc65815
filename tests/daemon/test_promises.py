# SPDX-License-Identifier: Apache-2.0
"""The live path stores what a replay of the same advertisements gives, however the time between ticks falls."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from bzd.config import Config
from bzd.model import Advertisement
from bzd.pipeline import Pipeline
from bzd.radio.crowd import office_hour
from bzd.traces import open_trace

MIDNIGHT = 1_606_003_200.0
"""2020-11-22T00:00:00Z."""


def _live(bench: Any, clock: Any, advertisements: list[Advertisement], seed: int) -> Any:
    """Play advertisements to a badge at their times, with ticks and flushes wherever a random step brings them."""

    async def whole() -> Any:
        random = Random(seed)
        clock.wall = advertisements[0].time - 3
        made = bench()
        made.badge.start()
        await asyncio.sleep(0)
        due = clock.wall
        for advertisement in advertisements:
            while due < advertisement.time:
                clock.pass_by(due - clock.wall)
                await made.tick()
                due += random.uniform(0.2, 40)
            clock.pass_by(max(advertisement.time - clock.wall, 0.0))
            made.radio.sink(advertisement)
        await made.badge.stop()
        return made

    return asyncio.run(whole())


def _replayed(advertisements: list[Advertisement]) -> list[Any]:
    pipeline = Pipeline(Config())
    found = [*pipeline.feed(advertisements), *pipeline.finish()]
    return sorted(found, key=lambda contact: contact.key)


def _agree(made: Any, advertisements: list[Advertisement]) -> int:
    stored = sorted(made.contacts(), key=lambda contact: contact.key)
    assert stored == _replayed(advertisements)
    return len(stored)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_virtual_office(bench: Any, clock: Any, seed: int) -> None:
    """An hour among colleagues, over UTC midnight: the store holds the replay's contacts to the last digit."""
    crowd = office_hour(MIDNIGHT - 1800, seed)
    heard = list(crowd.heard_by(crowd.members[0]))
    assert _agree(_live(bench, clock, heard, seed), heard) > 3


def test_a_recorded_trace(bench: Any, clock: Any, shared: Any) -> None:
    """A recording of phones, where one is at hand."""
    traces = sorted(shared.glob("data/captures/dp3t-exp28/*.btsnoop"), key=lambda path: path.stat().st_size)
    if not traces:
        pytest.skip("no recordings in shared/data/captures")
    heard = sorted(open_trace(str(traces[0])), key=lambda advertisement: advertisement.time)
    assert _agree(_live(bench, clock, heard, 4), heard) > 0
