# SPDX-License-Identifier: Apache-2.0
"""Before the daemon begins."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bzd.daemon import precautions
from bzd.errors import StateError
from bzd.store import create
from bzd.store.identity import Identity
from bzd.store.machine import MACHINE_FILE


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store, in a process whose memory stays as it is."""
    monkeypatch.setattr("bzd.memory.lock", lambda: "locked memory is limited")
    create(tmp_path / "state", recipients=[Identity.generate().public], label="x", now=1.0)
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def _what_an_admin_sees(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever level an earlier test left: debugging is not looked at."""
    caplog.set_level(logging.INFO)


def test_a_copied_card_is_told_once_per_start(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On the machine that was noted first nothing is said, on another one sentence with the way out."""
    precautions.take(state)
    precautions.take(state)
    assert caplog.messages == []
    (state / MACHINE_FILE).write_text("board 00\n")
    precautions.take(state)
    assert ["`bzd doctor`" in message for message in caplog.messages] == [True]


def test_unlocked_memory_is_told_under_systemd_alone(
    state: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand a limit is normal; the unit lifts it."""
    precautions.take(state)
    assert caplog.messages == []
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    precautions.take(state)
    assert len(caplog.messages) == 1
    assert "swapped" in caplog.messages[0]


def test_without_a_store_there_is_nothing_to_note(state: Path, tmp_path: Path) -> None:
    """The error is the one that every command gives."""
    del state
    with pytest.raises(StateError):
        precautions.take(tmp_path / "none")
