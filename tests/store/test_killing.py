# SPDX-License-Identifier: Apache-2.0
"""A writer that is killed at any instant loses nothing it said it had committed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from bzd.model import Contact
from bzd.store import create, open_appender, open_reader
from bzd.store.identity import Identity

MakeContact = Callable[..., Contact]
ROUNDS = 210
ROUNDS_PER_STORE = 14


def write_for_ever(state: Path, first: int, make_contact: MakeContact, pipe: int) -> NoReturn:
    """Commit batches of new, growing and removed contacts, and after each say how many contacts must be there."""
    number = first
    with open_appender(state) as appender:
        while True:
            batch = [make_contact(number + at, 1 + at * 9) for at in range(4)]
            grown, removed, *_ = appender.commit(batch)
            appender.commit(replace={grown: make_contact(number, 40)}, remove=[removed])
            number += len(batch)
            os.write(pipe, number.to_bytes(4, "big"))


def killed_round(state: Path, first: int, make_contact: MakeContact, delay: float) -> int:
    """Kill a writer after a delay; the number after the last contact that it had said was committed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        write_for_ever(state, first, make_contact, writer)
    os.close(writer)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    said = b""
    while chunk := os.read(reader, 65536):
        said += chunk
    os.close(reader)
    return int.from_bytes(said[-4:], "big") if said else first


def test_committed_contacts_survive_sigkill(tmp_path: Path, identity: Identity, make_contact: MakeContact) -> None:
    """Over hundreds of kills at random instants every committed contact is read back, and the file is sound.

    A contact of which the last word was not heard may be there in any state that one transaction leaves.
    """
    rng = random.Random(210)
    busy_rounds = 0
    for store in range(ROUNDS // ROUNDS_PER_STORE):
        state = tmp_path / f"store{store}"
        create(state, recipients=[identity.public], label="killed", now=0.0)
        number, expected = 0, set[int]()
        for _ in range(ROUNDS_PER_STORE):
            upto = killed_round(state, number, make_contact, rng.uniform(0.005, 0.045))
            expected |= {at for at in range(number, upto) if at % 4 != 1}
            busy_rounds += upto > number
            number = upto + 4
            with open_reader(state, [identity]) as reader:
                found = {int(contact.start) % 86400: len(contact.scans) for contact in reader.contacts()}
                assert reader.problems == []
            assert expected <= found.keys()
            assert all(found[at] == 40 for at in expected if at % 4 == 0)
        with closing(sqlite3.connect(state / "store.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # Most rounds, on a machine with nothing else to do: it is enough that many a kill fell into the writing.
    assert busy_rounds > ROUNDS / 10
