# SPDX-License-Identifier: Apache-2.0
"""Old days go, by a clock that can be believed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bzd.config import Config, StoreConfig
from bzd.store import container
from bzd.store.state import STORE_FILE

DAY_S = 86400.0
WEEK = Config(store=StoreConfig(retention_days=7))


def _days(bench: Any) -> list[int]:
    """Days before today that contacts are kept of."""
    with container.open_reader(bench.state / STORE_FILE) as connection:
        rows = connection.execute("SELECT DISTINCT day FROM segment WHERE purpose = 1 AND day IS NOT NULL").fetchall()
    return sorted(int(bench.clock.wall // DAY_S) - day for (day,) in rows)


async def _one_day(bench: Any) -> None:
    """A key of its own, a meeting, and the rest of the day."""
    bench.badge.broadcast.retire_key()
    bench.radio.rotate()
    await bench.go(120, near=True)
    await bench.go(DAY_S - 120, step=1800.0)


def test_after_a_week_a_day_goes_every_day(bench: Any) -> None:
    """A badge that is worn daily keeps a week and no more, its own keys included."""

    async def scenario() -> None:
        made = bench(WEEK)
        made.badge.start()
        for _ in range(12):
            await _one_day(made)
        assert _days(made) == [1, 2, 3, 4, 5, 6, 7]
        assert min(key.start for key in made.own_keys()) >= made.clock.wall - 9 * DAY_S
        await made.badge.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(("hours", "kept"), [(20, True), (26, False)])
def test_a_clock_that_skipped_a_month_is_believed_after_a_day(
    bench: Any,
    clock: Any,
    hours: int,
    kept: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """A wrong month must not delete a fortnight; a right one may, once it has said the same for 24 hours."""

    async def scenario() -> None:
        made = bench(WEEK)
        made.badge.start()
        await _one_day(made)
        clock.wall += 30 * DAY_S
        await made.go(hours * 3600.0, step=600.0)
        assert (max(_days(made)) >= 30) is kept
        await made.badge.stop()

    asyncio.run(scenario())


def test_a_clock_that_is_not_right_deletes_nothing(bench: Any, clock: Any) -> None:
    """However long it goes on."""

    async def scenario() -> None:
        made = bench(WEEK)
        made.badge.start()
        await _one_day(made)
        clock.wall, clock.right = clock.wall + 30 * DAY_S, False
        await made.go(3 * DAY_S, step=3600.0)
        assert max(_days(made)) >= 30
        await made.badge.stop()

    asyncio.run(scenario())


def test_a_clock_that_goes_back_deletes_nothing(bench: Any, clock: Any) -> None:
    """Years back, then forward again within a day: everything is still there."""

    async def scenario() -> None:
        made = bench(WEEK)
        made.badge.start()
        await _one_day(made)
        clock.wall -= 3000 * DAY_S
        await made.go(7200.0, step=600.0)
        clock.wall += 3000 * DAY_S
        await made.go(7200.0, step=600.0)
        assert 1 in _days(made) or 0 in _days(made)
        assert len(made.contacts()) == 1
        await made.badge.stop()

    asyncio.run(scenario())
