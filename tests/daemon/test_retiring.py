# SPDX-License-Identifier: Apache-2.0
"""The answer to whoever wants to export today's key: not before it is off the air and its end is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bzd.daemon.answers import PATIENCE_S
from bzd.errors import DiskFullError
from bzd.store.requests import RETIRE_KEY, RETIRED


class Asked:
    """A request in the store of a bench."""

    def __init__(self, bench: Any, verb: str = RETIRE_KEY) -> None:
        self._connection = bench.appender._connection
        self._number = self._connection.execute("INSERT INTO request (verb) VALUES (?)", (verb,)).lastrowid

    @property
    def answer(self) -> Any:
        """What was answered so far; None where nothing was."""
        query = "SELECT answer FROM request WHERE id = ?"
        return self._connection.execute(query, (self._number,)).fetchone()[0]

    def withdraw(self) -> None:
        """Ask no more, as a process that was interrupted."""
        self._connection.execute("DELETE FROM request WHERE id = ?", (self._number,))


def deaf_radio(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bench's radio not rotate any more."""
    monkeypatch.setattr(bench.radio, "rotate", lambda: None)


def on(bench: Any, scenario: Any) -> None:
    """Play a scenario with a badge that is on the air."""

    async def whole() -> None:
        made = bench()
        made.badge.start()
        await asyncio.sleep(0)
        await scenario(made)
        await made.badge.stop()

    asyncio.run(whole())


def test_the_end_that_is_stored_is_that_of_the_last_interval(bench: Any) -> None:
    """Twenty minutes on the air under one ID are the intervals up to that ID's, and the new key is whole."""

    async def scenario(made: Any) -> None:
        await made.go(1190)
        asked = Asked(made)
        await made.go(3, step=1.0)
        assert asked.answer == RETIRED
        first, second = made.own_keys()
        assert (first.end - first.start, second.end % 86400) == (600.0, 0.0)
        assert made.radio.on_air[-1].turn.key == second

    on(bench, scenario)


def test_no_answer_while_it_is_on_the_air(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A radio that does not get round to it is waited for; then the answer is no, within 5 s of asking."""

    async def scenario(made: Any) -> None:
        deaf_radio(made, monkeypatch)
        asked = Asked(made)
        await made.go(2, step=1.0)
        assert asked.answer is None
        await made.go(PATIENCE_S + 0.5, step=0.5)
        assert asked.answer == "not retired: the radio does not say that the old key is off the air"

    on(bench, scenario)


def test_whoever_asks_next_gets_an_answer_of_their_own(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that was withdrawn is forgotten, though the next has its number: the key in use now must go too."""

    async def scenario(made: Any) -> None:
        deaf_radio(made, monkeypatch)
        asked = Asked(made, "retire-key 1")
        await made.go(1, step=1.0)
        asked.withdraw()
        monkeypatch.undo()
        made.radio.rotate()
        await made.go(1, step=1.0)
        in_use = made.radio.on_air[-1].turn.key
        again = Asked(made, "retire-key 2")
        await made.go(4, step=1.0)
        assert again.answer == RETIRED
        assert made.radio.on_air[-1].turn.key != in_use

    on(bench, scenario)


@pytest.mark.parametrize("held", [True, False])
def test_a_paused_badge(bench: Any, held: bool) -> None:  # noqa: FBT001  a parameter
    """Is silent if BlueZ holds nothing of it any more; else its adapter may send the old ID when it is on again."""

    async def scenario(made: Any) -> None:
        made.badge.pause(3600.0)
        made.radio.state.held = held
        asked = Asked(made)
        await made.go(5, step=1.0)
        assert (asked.answer == RETIRED) is not held
        made.radio.state.held = False

    on(bench, scenario)


def test_a_badge_that_was_never_on_the_air(bench: Any) -> None:
    """Has nothing there to end."""

    async def scenario() -> None:
        made = bench()
        asked = Asked(made)
        await made.go(3, step=1.0)
        assert (asked.answer, made.own_keys()) == (RETIRED, [])

    asyncio.run(scenario())


def test_an_end_that_cannot_be_stored(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is no end: the answer says why."""

    async def scenario(made: Any) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise DiskFullError("the disk is full")

        monkeypatch.setattr(made.appender, "add_keys", full)
        deaf_radio(made, monkeypatch)
        asked = Asked(made)
        await made.go(2, step=1.0)
        assert asked.answer == "not retired: the disk is full"
        monkeypatch.undo()

    on(bench, scenario)
