# SPDX-License-Identifier: Apache-2.0
"""Which key files of a folder are to be looked at."""

from __future__ import annotations

import os
import tracemalloc
from math import inf
from pathlib import Path

import pytest

from bzd.daemon import folder as module
from bzd.daemon.folder import Folder


def test_only_finished_key_files(tmp_path: Path) -> None:
    """What is being fetched is hidden or named otherwise; a folder that is not there holds nothing."""
    for name in ("b.zip", "a.zip", ".c.zip", "d.zip.part", "index.txt", ".zip"):
        (tmp_path / name).touch()
    files = Folder(tmp_path)
    assert files.look()
    assert files.due(0.0) == ["a.zip", "b.zip"]
    gone = Folder(tmp_path / "gone")
    assert not gone.look()
    assert gone.due(0.0) == []


def test_matched_ones_are_due_when_they_change_or_their_time_comes(tmp_path: Path) -> None:
    """Not before; and one that is fetched anew under the same name is another file."""
    for name in ("never.zip", "later.zip", "changing.zip"):
        (tmp_path / name).write_bytes(b"1")
    files = Folder(tmp_path)
    files.look()
    for name, due in (("never.zip", inf), ("later.zip", 50.0), ("changing.zip", inf)):
        files.settle(name, due)
    files.look()
    assert (files.due(49.0), files.due(50.0), files.matched) == ([], ["later.zip"], 3)
    (tmp_path / "new").write_bytes(b"2")
    (tmp_path / "new").replace(tmp_path / "changing.zip")
    files.look()
    assert files.due(0.0) == ["changing.zip"]
    files.settle("changing.zip", inf)
    (tmp_path / "later.zip").unlink()
    files.look()
    assert (files.due(99.0), files.matched) == ([], 2)
    files.forget()
    assert files.due(0.0) == ["changing.zip", "never.zip"]


def test_refused_ones_are_tried_again_only_when_they_changed(tmp_path: Path) -> None:
    """And said once for each change."""
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    files = Folder(tmp_path)
    files.look()
    assert files.refuse("bad.zip", "no zip")
    files.look()
    assert (files.due(1e9), files.matched, dict(files.refused)) == ([], 0, {"bad.zip": "no zip"})
    files.forget()
    assert files.due(1e9) == []
    assert not files.refuse("bad.zip", "no zip")
    os.utime(tmp_path / "bad.zip", ns=(1, 1))
    files.look()
    assert files.due(0.0) == ["bad.zip"]
    assert files.refuse("bad.zip", "no zip")


def test_what_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """A file counts as it looked before it was read."""
    (tmp_path / "a.zip").write_bytes(b"1")
    files = Folder(tmp_path)
    files.look()
    (tmp_path / "a.zip").write_bytes(b"22")
    files.settle("a.zip", inf)
    files.look()
    assert files.due(0.0) == ["a.zip"]


def test_no_more_than_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of millions of files takes no memory."""
    monkeypatch.setattr(module, "FILES_MAX", 3)
    for number in range(9):
        (tmp_path / f"{number}.zip").touch()
    files = Folder(tmp_path)
    files.look()
    assert files.due(0.0) == ["0.zip", "1.zip", "2.zip"]
    for number in range(2000):
        (tmp_path / f"{number:0>200}.zip").touch()
    tracemalloc.start()
    files.look()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000
