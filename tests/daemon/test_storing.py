# SPDX-License-Identifier: Apache-2.0
"""What a badge has on its card when: contacts in progress within a minute, and what happens if the card takes none."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

import pytest

from bzd.daemon.keeper import Batch
from bzd.errors import DiskFullError
from bzd.store import open_appender

NOON = 1_606_046_400.0


def test_a_meeting_is_stored_while_it_goes_on(play: Any) -> None:
    """Within 60 s a contact in progress is on the disk; at the end it is there once, whole."""

    async def scenario(bench: Any) -> None:
        await bench.go(60, near=True)
        (early,) = bench.contacts()
        assert early.duration_s >= 40
        await bench.go(240, near=True)

    (contact,) = play(scenario).contacts()
    assert (contact.start, contact.duration_s) == (NOON + 5, 295.0)


def test_what_does_not_change_is_not_written(play: Any) -> None:
    """A contact that waits for its end, or nobody near, costs the card nothing."""

    async def scenario(bench: Any) -> None:
        await bench.go(120, near=True)
        flushes = bench.keeper.counts.flushes
        await bench.go(300)
        assert bench.keeper.counts.flushes == flushes + 1
        await bench.go(3600)
        assert bench.keeper.counts.flushes == flushes + 1

    assert len(play(scenario).contacts()) == 1


def test_a_store_that_cannot_be_written_loses_nothing(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is full contacts wait, the trouble is shown; when there is room they are stored."""

    async def scenario(bench: Any) -> None:
        commit = bench.appender.commit

        def full(**_: Any) -> None:
            raise DiskFullError("cannot write the store: the disk is full")

        monkeypatch.setattr(bench.appender, "commit", full)
        await bench.go(120, near=True)
        await bench.go(600)
        assert "full" in bench.badge.troubles.present["store"]
        assert (bench.contacts(), bench.keeper.waiting) == ([], 1)
        monkeypatch.setattr(bench.appender, "commit", commit)
        await bench.go(60)
        assert bench.badge.troubles.present == {}
        assert (len(bench.contacts()), bench.keeper.waiting) == (1, 0)

    play(scenario)


def test_a_fault_of_its_own_in_a_flush_ends_the_badge(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemd then starts it anew with what was stored; one that went on would never store anything again."""

    async def scenario(bench: Any) -> None:
        def fault(**_: Any) -> None:
            raise ValueError("what nobody thought of")

        with monkeypatch.context() as patch:
            patch.setattr(bench.appender, "commit", fault)
            with pytest.raises(ValueError, match="nobody thought of"):
                await bench.go(120, near=True)

    play(scenario)


def test_a_write_that_does_not_end_is_told(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A badge that stores nothing does not call itself well; one that was suspended in the middle of a write does."""
    monkeypatch.setattr("bzd.daemon.badge.SLOW_WRITE_S", 0.5)

    async def scenario(bench: Any) -> None:
        begun, answers = Event(), Event()

        def write(_batch: Batch) -> None:
            begun.set()
            answers.wait(10)

        monkeypatch.setattr(bench.keeper, "write", write)
        while not begun.is_set():
            bench.clock.pass_by(60)
            await bench.badge.tick()
            await asyncio.sleep(0.01)
        for suspended_s, passed_s, told in ((3600, 0, False), (0, 0.6, True)):
            bench.clock.pass_by(suspended_s)
            await asyncio.sleep(passed_s)
            await bench.badge.tick()
            assert bench.badge.writing
            assert ("does not end" in bench.badge.troubles.present.get("store", "")) is told
        answers.set()
        await bench.tick()
        assert bench.badge.troubles.present == {}

    play(scenario)


def test_the_next_appender_finds_everything_in_order(play: Any) -> None:
    """After a stop the store opens at once, and nothing in it is provisional or cut off."""

    async def scenario(bench: Any) -> None:
        await bench.go(60, near=True)

    bench = play(scenario)
    bench.appender.end_segments()
    assert len(bench.contacts()) == 1
    with pytest.raises(Exception, match="another bzd"), open_appender(bench.state):
        pass
