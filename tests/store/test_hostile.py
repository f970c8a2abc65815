# SPDX-License-Identifier: Apache-2.0
"""Stores made to harm whoever opens them, and state directories made to harm the root that works in them."""

from __future__ import annotations

import os
import signal
import sqlite3
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bzd.errors import OutputError, StateError, StoreError
from bzd.model import Contact
from bzd.store import backup, create, days, open_appender, open_reader
from bzd.store.identity import Identity
from bzd.store.lock import AppenderLock

MakeContact = Callable[..., Contact]
PAGE = 4096
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """End the process if the block never ends; SQLite cannot be left by an exception."""
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def labyrinth(data: bytes, root: int) -> bytes:
    """A file in which a table's rows, read in order, come round 400**12 times: each page leads 400 times to the next.

    Bytes as in https://www.sqlite.org/fileformat2.html section 1.6.
    """
    pages = [bytearray(data[at : at + PAGE]) for at in range(0, len(data), PAGE)]
    header = 100 if root == 1 else 0
    leaf = bytearray(pages[root - 1])
    if header:  # pointers count from the page's beginning, so the cells stay where they are
        leaf[:108] = leaf[100:108] + leaf[108:208]
    pages.append(leaf)
    for level in range(12):
        child = len(pages)
        page = pages[root - 1] if level == 11 else bytearray(PAGE)
        offset = header if level == 11 else 0
        first = PAGE - 400 * 5
        page[offset : offset + 12] = struct.pack(">BHHHBI", 5, 0, 400, first, 0, child)
        page[offset + 12 : offset + 812] = struct.pack(">400H", *range(first, PAGE, 5))
        page[first:] = b"".join(struct.pack(">IB", child, min(key, 127)) for key in range(400))
        if level < 11:
            pages.append(page)
    pages[0][28:32] = len(pages).to_bytes(4, "big")
    return b"".join(pages)


@pytest.mark.parametrize("table", ["sqlite_schema", "segment", "sealed_key", "record", "trace", "store"])
def test_pages_that_lead_round_and_round(
    state: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact, table: str
) -> None:
    """A small file with rows without number is refused, or read as far as it makes sense, at once."""
    with open_appender(state) as appender:
        appender.commit([make_contact(1)])
    backup(state, tmp_path / "hostile.bzd")
    with closing(sqlite3.connect(tmp_path / "hostile.bzd")) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema"))
    (tmp_path / "hostile.bzd").write_bytes(labyrinth((tmp_path / "hostile.bzd").read_bytes(), roots.get(table, 1)))

    def read() -> None:
        with open_reader(tmp_path / "hostile.bzd", [identity]) as reader:
            list(reader.contacts())
            list(reader.keys())

    with time_limit(20):
        if table in {"sqlite_schema", "segment"}:
            for attempt in (read, lambda: days(tmp_path / "hostile.bzd")):
                with pytest.raises(StoreError, match="damaged"):
                    attempt()
        else:
            read()


@pytest.mark.parametrize("table", ["record", "sealed_key"])
def test_long_values_are_not_read(
    state: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact, table: str
) -> None:
    """Rows that are far too long cost no memory; in a hostile file thousands of them could share one long value."""
    with open_appender(state) as appender:
        appender.commit([make_contact(1)])
    backup(state, tmp_path / "hostile.bzd")
    insert = {
        "record": "INSERT INTO record VALUES ((3 << 32) + 9 + ?, zeroblob(12), zeroblob(1000000))",
        "sealed_key": "INSERT INTO sealed_key VALUES ((3 << 8) + 9 + ?, zeroblob(6), zeroblob(1000000))",
    }[table]
    with closing(sqlite3.connect(tmp_path / "hostile.bzd")) as connection, connection:
        connection.executemany(insert, [(n,) for n in range(40)])
    tracemalloc.start()
    try:
        with open_reader(tmp_path / "hostile.bzd", [identity]) as reader:
            assert list(reader.contacts()) == [make_contact(1)]
            assert reader.damaged == (40 if table == "record" else 0)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@needs_root
def test_what_root_makes_for_a_service_is_the_services(tmp_path: Path, identity: Identity) -> None:
    """`init` by root in a directory that systemd made for the service: the daemon can use all, lock and folder too."""
    state = tmp_path / "state"
    state.mkdir(0o755)
    os.chown(state, 12_345, 12_346)
    create(state, recipients=[identity.public], label="x", now=0.0)
    with open_appender(state) as appender:
        appender.begin_replay()
        appender.finish_replay([bytes(32)])
    found = [state, *state.rglob("*")]
    assert {path.name for path in found} > {"state", "store.lock", "store.sqlite", "recipients", "key-recipients"}
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(12_345, 12_346)}
    assert state.stat().st_mode & 0o777 == 0o700


def test_links_in_a_state_directory_are_not_followed(tmp_path: Path, identity: Identity) -> None:
    """A lock or a recipients folder that leads elsewhere is refused, and what it leads to stays as it is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o755)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "recipients").symlink_to(elsewhere)
    with pytest.raises(StateError, match="is a link"):
        create(tmp_path / "one", recipients=[identity.public], label="x", now=0.0)
    assert (elsewhere.stat().st_mode & 0o777, list(elsewhere.iterdir())) == (0o755, [])
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "store.lock").symlink_to(elsewhere / "made")
    with pytest.raises(OutputError, match=r"store\.lock"):
        AppenderLock(tmp_path / "two")
    assert list(elsewhere.iterdir()) == []
