# SPDX-License-Identifier: Apache-2.0
"""Requests of the command line to a running daemon."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from bzd.errors import BusyError, StateError
from bzd.store import Appender, container, open_appender, requests
from bzd.store.state import STORE_FILE


def _rows(state: Path) -> int:
    with container.open_reader(state / STORE_FILE) as connection:
        return int(connection.execute("SELECT count(*) FROM request").fetchone()[0])


def _answer_one(appender: Appender, text: str) -> list[str]:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if found := appender.requests():
            appender.answer(found[0][0], text)
            return [verb for _, verb in found]
        time.sleep(0.01)
    return []


def test_a_request_is_seen_answered_and_gone(state: Path) -> None:
    """The daemon sees the verb as it was asked, the asker its answer, and no row stays."""
    answers: list[str] = []
    with open_appender(state) as appender:
        asker = threading.Thread(target=lambda: answers.append(requests.ask(state, "pause 60")))
        asker.start()
        assert _answer_one(appender, "paused for 60 s") == ["pause 60"]
        asker.join()
        assert appender.requests() == []
    assert answers == ["paused for 60 s"]
    assert _rows(state) == 0


def test_nobody_there_is_said_at_once(state: Path) -> None:
    """Without a daemon a request is not even written."""
    with pytest.raises(StateError, match="no bzd runs"):
        requests.ask(state, "pause")
    assert _rows(state) == 0


def test_one_who_does_not_answer_is_not_waited_for_for_ever(state: Path) -> None:
    """The request is withdrawn, so that it is not honoured hours later."""
    with open_appender(state), pytest.raises(BusyError, match="does not answer"):
        requests.ask(state, "resume", timeout_s=0.2)
    assert _rows(state) == 0


def test_requests_of_before_are_forgotten(state: Path) -> None:
    """What an asker left that died waiting does not pause the badge at its next start."""
    with container.open_writer(state / STORE_FILE) as connection:
        connection.execute("INSERT INTO request (verb) VALUES ('pause')")
    connection.close()
    with open_appender(state) as appender:
        assert [verb for _, verb in appender.requests()] == ["pause"]
        appender.discard_requests()
        assert appender.requests() == []


def test_anything_may_stand_in_the_table(state: Path) -> None:
    """Numbers, blobs and whatever SQLite lets in as verbs are cut to text of a sane length."""
    with container.open_writer(state / STORE_FILE) as connection:
        for verb in (7, b"\xff\x00", "x" * 8_000):
            connection.execute("INSERT INTO request (verb) VALUES (?)", (verb,))
    connection.close()
    with open_appender(state) as appender:
        found = [verb for _, verb in appender.requests()]
    assert len(found) == 3
    assert max(map(len, found)) <= requests.VERB_MAX
