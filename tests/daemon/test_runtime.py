# SPDX-License-Identifier: Apache-2.0
"""The files in /run/bzd."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bzd.daemon import runtime


def test_a_file_is_replaced_at_once_and_kept_from_others(tmp_path: Path) -> None:
    """A reader that holds the old one open still reads it whole; the group may read, others may not."""
    path = tmp_path / "status.json"
    runtime.write(path, '{"a":1}')
    with path.open(encoding="utf-8") as old:
        runtime.write(path, "{}")
        assert old.read() == '{"a":1}'
    assert path.read_text(encoding="utf-8") == "{}"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_a_path_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    """A state directory may have any bytes for a name; a badge does not end for telling it."""
    said = {"path": os.fsdecode(b"/srv/\xff")}
    runtime.write(tmp_path / "status.json", json.dumps(said, ensure_ascii=False))
    assert runtime.read_status(tmp_path) == said


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_nonsense_is_no_status(tmp_path: Path, content: bytes) -> None:
    """Whatever lies there, `bzd status` gets a status or nothing."""
    (tmp_path / "status.json").write_bytes(content)
    assert runtime.read_status(tmp_path) is None


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd says, else the system's, else the user's own, else nowhere."""
    monkeypatch.setattr(runtime, "SYSTEM_RUNTIME", tmp_path / "absent")
    assert runtime.directory({"RUNTIME_DIRECTORY": "/run/bzd:/run/other"}) == Path("/run/bzd")
    assert runtime.directory({"XDG_RUNTIME_DIR": "/run/user/1"}) == Path("/run/user/1/bzd")
    assert runtime.directory({}) is None
    monkeypatch.setattr(runtime, "SYSTEM_RUNTIME", tmp_path)
    assert runtime.directory({"XDG_RUNTIME_DIR": "/run/user/1"}) == tmp_path
