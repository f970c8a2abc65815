# SPDX-License-Identifier: Apache-2.0
"""btmon as a recorder, played by a script: started, read, ended, and nothing left of what it wrote."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bzd.doctor.recorder import recording
from bzd.errors import RadioError
from tests.radio.conftest import until

from .snoop import Snoop


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /run."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr("bzd.doctor.recorder._MEMORY", folder)
    return folder


def _play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have a shell script be btmon; `$4` is the file to write."""
    program = tmp_path / "bin" / "btmon"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_it_records_into_memory_without_a_name(tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has lost its name while it is still written; what comes later is read as well, and btmon is ended."""
    snoop = Snoop()
    snoop.ask(0x0C03, b"")
    (tmp_path / "first").write_bytes(snoop.stream().peek(1 << 16))
    before = (tmp_path / "first").stat().st_size
    snoop.ask(0x2005, b"abcdef", status=0x0C)
    (tmp_path / "rest").write_bytes(snoop.stream().peek(1 << 16)[before:])
    rest = f"exec 3>>$4; cat {tmp_path}/first >&3; sleep 0.5; cat {tmp_path}/rest >&3; touch {tmp_path}/done"
    _play(tmp_path, monkeypatch, f"trap 'touch {tmp_path}/ended; exit' TERM; {rest}; while :; do sleep 0.1; done")

    async def scenario() -> list[int]:
        async with recording("hci0") as recorded:
            assert os.listdir(memory) == []  # noqa: PTH208  pathlib is not for coroutines
            await until((tmp_path / "done").exists)
            return [exchange.opcode for exchange in recorded.exchanges()]

    assert asyncio.run(scenario()) == [0x0C03, 0x2005]
    assert (tmp_path / "ended").exists()
    assert not list(memory.iterdir())


@pytest.mark.parametrize("script", ["exit 1", "sleep 60"])
def test_a_btmon_that_does_not_record(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """It ends, or writes nothing: an error that says what to try, and nothing left behind."""
    _play(tmp_path, monkeypatch, script)
    monkeypatch.setattr("bzd.doctor.recorder._START_S", 0.3)

    async def scenario() -> None:
        async with recording("hci0"):
            raise AssertionError("unreachable")

    with pytest.raises(RadioError, match="does not record") as error:
        asyncio.run(scenario())
    assert "root" in error.value.hint
    assert not list(memory.iterdir())


def test_without_btmon(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that brings it is named."""
    monkeypatch.setenv("PATH", str(memory))

    async def scenario() -> None:
        async with recording("hci0"):
            raise AssertionError("unreachable")

    with pytest.raises(RadioError, match="no btmon"):
        asyncio.run(scenario())
