# SPDX-License-Identifier: Apache-2.0
"""Reading: which contacts, with whose identity, and beside a writer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bzd.errors import IdentityError, StateError
from bzd.model import Contact
from bzd.store import backup, create, open_appender, open_reader
from bzd.store.identity import Identity

MakeContact = Callable[..., Contact]
DAY = 18_587 * 86400.0


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((None, None), [(0, 100), (0, 500), (1, 100), (2, 100)]),
        ((DAY + 86400, None), [(1, 100), (2, 100)]),
        ((None, DAY + 86400), [(0, 100), (0, 500)]),
        ((DAY + 220, None), [(0, 100), (0, 500), (1, 100), (2, 100)]),
        ((DAY + 220.5, DAY + 86400 + 100), [(0, 500)]),
        ((DAY + 86400 + 219, DAY + 86400 + 101), [(1, 100)]),
        ((DAY + 10 * 86400, None), []),
    ],
)
def test_time_range_takes_what_overlaps_it(
    state: Path,
    identity: Identity,
    make_contact: MakeContact,
    span: tuple[float | None, float | None],
    expected: list[tuple[int, int]],
) -> None:
    """A contact is in a range if it ends at or after its beginning and starts before its end."""
    with open_appender(state) as appender:
        appender.commit([make_contact(n, day=18_587 + day) for day, n in ((2, 100), (0, 500), (1, 100), (0, 100))])
    with open_reader(state, [identity]) as reader:
        starts = [int(contact.start - DAY) for contact in reader.contacts(*span)]
    assert [divmod(start, 86400) for start in starts] == expected


def test_any_one_of_several_recipients_reads(tmp_path: Path, make_contact: MakeContact) -> None:
    """Each recipient alone can read all; it does not matter which other identities are tried as well."""
    recipients = [Identity.generate() for _ in range(3)]
    create(tmp_path, recipients=[one.public for one in recipients], label="shared", now=0.0)
    with open_appender(tmp_path) as appender:
        appender.commit([make_contact(1)])
    for identity in recipients:
        with open_reader(tmp_path, [Identity.generate(), identity]) as reader:
            assert (reader.label, list(reader.contacts()), reader.problems) == ("shared", [make_contact(1)], [])
    with pytest.raises(IdentityError, match="sealed to others"), open_reader(tmp_path, [Identity.generate()]):
        pass


def test_reader_beside_a_writer_sees_whole_batches(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """While another process writes, each reading finds a whole number of batches, ever more, and nothing wrong."""
    child = os.fork()
    if child == 0:
        with open_appender(state) as appender:
            for batch in range(100_000):
                appender.commit([make_contact(batch * 5 + at, 30) for at in range(5)])
    seen = [0]
    try:
        while seen[-1] < 100:
            with open_reader(state, [identity]) as reader:
                seen.append(sum(len(contact.scans) == 30 for contact in reader.contacts()))
                assert reader.problems == []
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert seen == sorted(seen)
    assert all(count % 5 == 0 for count in seen)


def test_backup_beside_a_writer_is_consistent(
    state: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact
) -> None:
    """A copy taken while another process writes is one state of the store, in one file that needs no log."""
    child = os.fork()
    if child == 0:
        with open_appender(state) as appender:
            for batch in range(100_000):
                appender.commit([make_contact(batch * 5 + at, 30) for at in range(5)])
    try:
        sizes: list[int] = []
        while len(sizes) < 5 or sizes[-1] == 0:
            copy = tmp_path / f"copy{len(sizes)}.bzd"
            backup(state, copy)
            with open_reader(copy, [identity]) as reader:
                sizes.append(len(list(reader.contacts())))
                assert reader.problems == []
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert all(size % 5 == 0 for size in sizes)
    assert sizes == sorted(sizes)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith("copy")} == {
        f"copy{number}.bzd" for number in range(len(sizes))
    }


def test_reading_leaves_no_file_behind(
    state: Path, tmp_path: Path, identity: Identity, make_contact: MakeContact
) -> None:
    """Reading changes nothing in a state directory and puts nothing beside an exported file."""
    with open_appender(state) as appender:
        appender.commit([make_contact(1)])
    backup(state, tmp_path / "copy.bzd")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for path in (state, tmp_path / "copy.bzd"):
        with open_reader(path, [identity]) as reader:
            assert len(list(reader.contacts())) == 1
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("name", ["nowhere", "nowhere/at/all", "pipe", "empty"])
def test_what_is_not_there_is_named(tmp_path: Path, identity: Identity, name: str) -> None:
    """A path with no store, of whatever kind, is a StateError that names it, and never waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StateError, match=name.partition("/")[0]), open_reader(tmp_path / name, [identity]):
        pass
