# SPDX-License-Identifier: Apache-2.0
"""Requests are honoured once and answered once it is true."""

from __future__ import annotations

from bzd.daemon.answers import PATIENCE_S, Answers, Promise


class Desk:
    """Honours what it is asked for, and remembers how often."""

    def __init__(self, given: Promise | str) -> None:
        self.given = given
        self.honoured: list[str] = []
        self.answers = Answers(self._honour)

    def _honour(self, verb: str) -> Promise | str:
        self.honoured.append(verb)
        return self.given

    def due(self, *requests: tuple[int, str], at: float = 0.0) -> list[tuple[int, str]]:
        """What can be answered."""
        return list(self.answers.due(requests, at))


def test_an_answer_that_could_not_be_written_is_given_again_and_nothing_is_done_twice() -> None:
    """A card that is full for a while must not have a badge paused anew every two seconds."""
    desk = Desk("paused")
    for now in (0.0, 2.0, 4.0):
        assert desk.due((1, "pause"), at=now) == [(1, "paused")]
    assert desk.honoured == ["pause"]
    assert not desk.answers.waiting


def test_a_promise_is_answered_when_it_is_kept() -> None:
    """And that answer stays, whatever becomes of the radio afterwards."""
    kept = [False]
    desk = Desk(Promise(lambda: kept[0], "yes", "no"))
    assert desk.due((1, "pause")) == []
    assert desk.answers.waiting
    kept[0] = True
    assert desk.due((1, "pause"), at=1.0) == [(1, "yes")]
    kept[0] = False
    assert desk.due((1, "pause"), at=9.0) == [(1, "yes")]
    assert desk.honoured == ["pause"]


def test_a_promise_is_not_waited_for_for_ever() -> None:
    """Whoever asked gets the other answer in time."""
    desk = Desk(Promise(lambda: False, "yes", "no"))
    assert desk.due((1, "pause"), at=10.0) == []
    assert desk.due((1, "pause"), at=10.0 + PATIENCE_S - 0.1) == []
    assert desk.due((1, "pause"), at=10.0 + PATIENCE_S) == [(1, "no")]


def test_who_asks_the_same_is_answered_as_well() -> None:
    """Two requests with one verb are two, and one that is gone is forgotten: its number may come again."""
    desk = Desk("paused")
    assert desk.due((1, "pause"), (2, "pause")) == [(1, "paused"), (2, "paused")]
    assert desk.due((2, "pause")) == [(2, "paused")]
    assert desk.due((1, "pause"), (2, "pause")) == [(1, "paused"), (2, "paused")]
    assert desk.honoured == ["pause"] * 3
