# SPDX-License-Identifier: Apache-2.0
"""What the command line wants of a running daemon: a row in the store that the daemon answers.

Whoever may write the store may ask, and nobody else: no socket, no D-Bus name. A request is in clear on the disk for
the seconds that it is open; it holds a verb and at most a number.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bzd.errors import BusyError, StateError
from bzd.store import container
from bzd.store.lock import AppenderLock
from bzd.store.state import STORE_FILE

ANSWER_S = 8.0
"""How long to wait for an answer: daemons answer within 5 s, unless a card is slow."""
VERB_MAX = 200
"""Longest request that is looked at, in characters."""
RETIRE_KEY = "retire-key"
"""Asks for an end of the daily key that is on air, which is going to be exported. A word that tells one asker from the
next may follow: numbers of requests come again."""
RETIRED = "retired; the old key is off the air, and its end is stored"
"""The one answer to it that means yes."""
LEND = "lend"
"""Asks for the radio: a pause of so many seconds, unless the badge is paused, which then stays as it is."""
GIVE_BACK = "give-back"
"""Ends the pause that `LEND` began; one that the wearer asked for, before or since, stays."""

_POLL_S = 0.1


def ask(state: Path, verb: str, *, timeout_s: float = ANSWER_S) -> str:
    """Ask the running daemon for something and wait until it has answered.

    Args:
        state: the state directory that it runs on.
        verb: what is wanted, for example `pause 3600`.
        timeout_s: how long to wait.

    Returns:
        Its answer, in words.

    Raises:
        StateError: if there is no store, or no daemon runs on it.
        BusyError: if whoever has the store does not answer; the request is then withdrawn.
        StoreError, DiskFullError: if the store cannot be written.
    """
    if not running(state):
        raise StateError(f"no bzd runs on {state}", "`systemctl start bzd` starts it")
    path = state / STORE_FILE
    with closing(container.open_writer(path)) as connection, container.translated(path):
        request = connection.execute("INSERT INTO request (verb) VALUES (?)", (verb,)).lastrowid
        try:
            return _answer(connection, request, timeout_s, state)
        finally:
            connection.execute("DELETE FROM request WHERE id = ?", (request,))


def running(state: Path) -> bool:
    """Whether a daemon (or a replay) is appending to the store of a state directory.

    Raises:
        StateError: if there is no state directory.
        OutputError: if its lock cannot be looked at.
    """
    try:
        AppenderLock(state).release()
    except BusyError:
        return True
    return False


def _answer(connection: sqlite3.Connection, request: int | None, timeout_s: float, state: Path) -> str:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        row = connection.execute("SELECT answer FROM request WHERE id = ?", (request,)).fetchone()
        if row is None:
            break
        if row[0] is not None:
            return str(row[0])
        time.sleep(_POLL_S)
    raise BusyError(f"the bzd that has the store in {state} does not answer", "`bzd status` shows how it is")


def pending(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """The requests without an answer, in order: number and verb."""
    query = "SELECT id, substr(verb, 1, ?) FROM request WHERE answer IS NULL ORDER BY id LIMIT 16"
    return [(number, str(verb)) for number, verb in connection.execute(query, (VERB_MAX,)).fetchall()]


def answer(connection: sqlite3.Connection, number: int, text: str) -> None:
    """Answer a request; harmless if it was withdrawn."""
    connection.execute("UPDATE request SET answer = ? WHERE id = ?", (text, number))


def discard(connection: sqlite3.Connection) -> None:
    """Forget requests that nobody waits for any more: those from before the daemon started."""
    if connection.execute("SELECT 1 FROM request LIMIT 1").fetchone() is not None:
        connection.execute("DELETE FROM request")
