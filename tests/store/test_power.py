# SPDX-License-Identifier: Apache-2.0
"""Power cuts, as far as files can play them: a log torn at any byte, and a checkpoint that got half way."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bzd.model import Contact
from bzd.store import create, open_appender, open_reader
from bzd.store.identity import Identity

MakeContact = Callable[..., Contact]
BATCHES = 12
FRAME = 24 + 4096


@pytest.fixture
def images(state: Path, make_contact: MakeContact) -> tuple[bytes, bytes]:
    """Database and log as they lie on the disk after `BATCHES` commits of five contacts and no checkpoint."""
    with open_appender(state) as appender:
        for batch in range(BATCHES):
            appender.commit([make_contact(batch * 5 + at, 30) for at in range(5)])
        return (state / "store.sqlite").read_bytes(), (state / "store.sqlite-wal").read_bytes()


def survey(state: Path, identity: Identity) -> list[int]:
    """Numbers of the contacts that are read, after checking that SQLite and reader find nothing wrong."""
    with open_reader(state, [identity]) as reader:
        found = [int(contact.start) % 86400 for contact in reader.contacts()]
        assert reader.problems == []
    with closing(sqlite3.connect(state / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return found


def put(state: Path, database: bytes, log: bytes) -> None:
    """Lay the disk out as the power cut left it."""
    for path in state.glob("store.sqlite*"):
        path.unlink()
    (state / "store.sqlite").write_bytes(database)
    (state / "store.sqlite-wal").write_bytes(log)


@pytest.mark.parametrize("tail", ["cut", "zeros", "noise"])
def test_log_torn_at_any_byte_holds_whole_batches(
    state: Path, identity: Identity, make_contact: MakeContact, images: tuple[bytes, bytes], tail: str
) -> None:
    """Wherever the log ends, in nothing, zeros or noise: whole batches from the first on, and writing goes on."""
    database, log = images
    rng = random.Random(tail)
    boundaries = range(32, len(log), FRAME)
    counts = set()
    for position in [0, 7, 32, *rng.sample(range(32, len(log)), 40), *rng.sample(boundaries, 12), len(log)]:
        rest = len(log) - position
        torn = log[:position] + {"cut": b"", "zeros": bytes(rest), "noise": rng.randbytes(rest)}[tail]
        put(state, database, torn)
        found = survey(state, identity)
        assert (len(found) % 5, found) == (0, list(range(len(found))))
        counts.add(len(found))
        with open_appender(state) as appender:
            appender.commit([make_contact(80_000)])
        assert survey(state, identity) == [*found, 80_000]
    assert min(counts) == 0
    assert max(counts) == BATCHES * 5
    assert len(counts) > BATCHES / 2


def test_checkpoint_that_got_half_way_loses_nothing(
    state: Path, identity: Identity, images: tuple[bytes, bytes]
) -> None:
    """Pages that were being copied from the log when the power went may hold anything; the log still has them."""
    database, log = images
    frames = range(32, len(log) - FRAME + 1, FRAME)
    last = {struct.unpack_from(">I", log, at)[0]: log[at + 24 : at + FRAME] for at in frames}
    rng = random.Random(3)
    for _ in range(20):
        torn = bytearray(database.ljust(max(last) * 4096, b"\0"))
        for page in rng.sample(sorted(last), rng.randrange(1, len(last) + 1)):
            upto = rng.randrange(4097)
            torn[(page - 1) * 4096 : (page - 1) * 4096 + upto] = last[page][:upto]
        put(state, bytes(torn), log)
        assert survey(state, identity) == list(range(BATCHES * 5))


def test_init_cut_off_anywhere_leaves_no_half_store(tmp_path: Path, identity: Identity) -> None:
    """A store file appears complete or not at all: until the last step it has another name."""
    create(tmp_path / "a", recipients=[identity.public], label="x", now=0.0)
    whole = (tmp_path / "a" / "store.sqlite").read_bytes()
    for length in range(0, len(whole), 1999):
        state = tmp_path / f"cut{length}"
        state.mkdir()
        (state / "store.sqlite.new").write_bytes(whole[:length])
        assert create(state, recipients=[identity.public], label="x", now=0.0).created
        with open_reader(state, [identity]) as reader:
            assert reader.label == "x"
