# SPDX-License-Identifier: Apache-2.0
"""Full disks and read-only file systems: a clear error, and what was there stays readable."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bzd.errors import DiskFullError, OutputError
from bzd.model import Contact
from bzd.store import backup, create, open_appender, purge, salvage
from bzd.store.appender import Appender
from bzd.store.identity import Identity

MakeContact = Callable[..., Contact]
ReadAll = Callable[[Path], list[Contact]]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def mount(*arguments: str) -> None:
    """Run the command, or skip where the machine does not let root do so."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill_up(appender: Appender, make_contact: MakeContact, first: int = 0) -> int:
    """Commit contacts until the disk is full; how many were committed."""
    for number in range(first, 100_000, 10):
        try:
            appender.commit([make_contact(number + at) for at in range(10)])
        except DiskFullError:
            return number
    pytest.fail("the disk is never full")


def test_full_database_keeps_what_was_there(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """Where no page can be added, the batch is refused as a whole; removing makes room and writing goes on."""
    with open_appender(state) as appender:
        handles = appender.commit([make_contact(n) for n in range(50)])
        appender._connection.execute("PRAGMA max_page_count = 12")
        count = fill_up(appender, make_contact, 50)
        appender._connection.execute("PRAGMA max_page_count = 100000")
        appender.commit([make_contact(90_000)], remove=handles[:1])
    assert read_all(state) == [make_contact(n) for n in range(1, count)] + [make_contact(90_000)]


@needs_root
def test_full_disk(small_disk: Path, identity: Identity, make_contact: MakeContact, read_all: ReadAll) -> None:
    """On a full file system every committed contact stays readable; an export says why it fails and leaves nothing."""
    state = small_disk / "state"
    create(state, recipients=[identity.public], label="full", now=0.0)
    counts = []
    with suppress(DiskFullError), open_appender(state) as appender:  # leaving may find no room to end the segment
        counts.append(fill_up(appender, make_contact))
        assert read_all(state) == [make_contact(n) for n in range(counts[0])]
    assert counts[0] >= 100
    assert read_all(state) == [make_contact(n) for n in range(counts[0])]
    with pytest.raises(DiskFullError):
        backup(state, small_disk / "copy.bzd")
    with pytest.raises(DiskFullError):
        salvage(state, small_disk / "saved.bzd")
    assert sorted(path.name for path in small_disk.iterdir()) == ["state"]


@needs_root
def test_no_room_to_begin(small_disk: Path, identity: Identity) -> None:
    """Where not even an empty store fits, init fails clearly and leaves no store."""
    (small_disk / "filler").write_bytes(bytes(500_000))
    with pytest.raises(DiskFullError, match=r"disk is full|No space"):
        create(small_disk / "state", recipients=[identity.public], label="full", now=0.0)
    assert not (small_disk / "state" / "store.sqlite").exists()


@needs_root
@pytest.mark.parametrize("left", ["closed", "killed", "killed and copied without its shared memory"])
def test_read_only_file_system(
    state: Path, tmp_path: Path, make_contact: MakeContact, read_all: ReadAll, left: str
) -> None:
    """Mounted read-only, a store is read, also one whose writer was killed; whatever would write says why it cannot."""
    child = os.fork()
    if child == 0:
        with open_appender(state) as appender:
            appender.commit([make_contact(n) for n in range(30)])
            if left != "closed":
                os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
    assert (state / "store.sqlite-wal").exists() == (left != "closed")
    if "without" in left:
        (state / "store.sqlite-shm").unlink()
    view = tmp_path / "view"
    view.mkdir()
    mount("--bind", str(state), str(view))
    try:
        mount("-o", "remount,ro,bind", str(view))
        assert read_all(view) == [make_contact(n) for n in range(30)]
        backup(view, io.BytesIO())
        backup(view, tmp_path / "copy.bzd")
        assert read_all(tmp_path / "copy.bzd") == [make_contact(n) for n in range(30)]
        with pytest.raises(DiskFullError), open_appender(view):
            pass
        with pytest.raises(DiskFullError, match="read-only"):
            purge(view, now=0.0)
        with pytest.raises(OutputError):
            backup(view, view / "copy.bzd")
    finally:
        subprocess.run(["umount", "--lazy", str(view)], check=True)
