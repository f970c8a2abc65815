# SPDX-License-Identifier: Apache-2.0
"""Exports: one sealed file, to a path or a stream, and no file where it fails."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from bzd.errors import DiskFullError, OutputError, StateError, StoreError
from bzd.model import Contact
from bzd.store import backup, open_appender, salvage
from bzd.store.state import make_directory, write_new

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

MakeContact = Callable[..., Contact]
ReadAll = Callable[[Path], list[Contact]]
Export = Callable[[Path, Path | BinaryIO], object]
both = pytest.mark.parametrize("export", [backup, salvage])


@pytest.fixture
def contacts(state: Path, make_contact: MakeContact) -> list[Contact]:
    """Contacts that are in the store `state`."""
    found = [make_contact(n, 30) for n in range(9)]
    with open_appender(state) as appender:
        appender.commit(found)
    return found


@both
def test_export_of_an_export(
    export: Export, state: Path, tmp_path: Path, contacts: list[Contact], read_all: ReadAll
) -> None:
    """A path and a stream get the same contacts, and an exported file can be exported again; the file is private."""
    export(state, tmp_path / "one.bzd")
    stream = io.BytesIO()
    export(tmp_path / "one.bzd", stream)
    (tmp_path / "two.bzd").write_bytes(stream.getvalue())
    assert read_all(tmp_path / "one.bzd") == read_all(tmp_path / "two.bzd") == contacts
    assert (tmp_path / "one.bzd").stat().st_mode & 0o777 == 0o600


@both
def test_a_killed_stream_leaves_no_copy(
    export: Export, state: Path, tmp_path: Path, contacts: list[Contact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a stream is written, which takes as long as its reader likes, no file of it has a name."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    class Slow(io.BytesIO):
        def write(self, data: Buffer) -> int:
            assert list(temporary.iterdir()) == []
            return super().write(data)

    stream = Slow()
    export(state, stream)
    assert len(stream.getvalue()) > 4096
    assert contacts


@both
def test_nothing_is_overwritten(export: Export, state: Path, tmp_path: Path, contacts: list[Contact]) -> None:
    """A file that is there, even the store itself, is left as it is."""
    (tmp_path / "there").write_bytes(b"precious")
    with pytest.raises(OutputError, match="there already"):
        export(state, tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"precious"
    with pytest.raises(OutputError, match="there already"):
        export(state, state / "store.sqlite")
    assert contacts


@both
def test_failures_leave_no_file(export: Export, state: Path, tmp_path: Path) -> None:
    """No store, garbage, no such folder, a stream that is full: a clear error each, and no file."""
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StateError, match="there is no store"):
        export(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(StoreError, match="garbage"):
        export(tmp_path / "garbage", tmp_path / "out")
    with pytest.raises(OutputError, match="no/such"):
        export(state, tmp_path / "no" / "such" / "folder")
    with pytest.raises(DiskFullError, match="/dev/full"), Path("/dev/full").open("wb", buffering=0) as full:
        export(state, full)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_what_root_makes_belongs_to_the_service(tmp_path: Path) -> None:
    """In a directory of another user, root's new files and folders are that user's, so that the daemon can use them."""
    os.chown(tmp_path, 12_345, 12_346)
    write_new(tmp_path / "file", b"")
    make_directory(tmp_path / "folder")
    for name in ("file", "folder"):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid) == (12_345, 12_346)


def test_a_folder_of_everybody_stays_so(tmp_path: Path) -> None:
    """A store in /tmp itself would close it to everybody else; one in a folder there does not."""
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(OutputError, match="everybody's"):
        make_directory(shared)
    make_directory(shared / "mine")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (shared, shared / "mine")] == [0o1777, 0o700]
