# SPDX-License-Identifier: Apache-2.0
"""Noticing a copied card."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bzd.store.machine import BOARD, MACHINE_FILE, MACHINE_ID, Home, compare, is_original, note
from bzd.store.state import STORE_FILE

STORE = bytes(range(16))


def machine(root: Path, *, board: bytes = b"", machine_id: str = "") -> Path:
    """A machine's files below a root."""
    for path, content in ((BOARD, board), (MACHINE_ID, machine_id.encode())):
        if content:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """An empty state directory."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def test_the_first_machine_is_noted(state: Path, tmp_path: Path) -> None:
    """Nothing is known before; afterwards this machine is the store's own, again and again."""
    here = machine(tmp_path / "a", board=b"10000000abcdef01\0", machine_id="a" * 32)
    assert compare(state, STORE, here) is Home.UNKNOWN
    assert [note(state, STORE, here), note(state, STORE, here), compare(state, STORE, here)] == [Home.OWN] * 3


def test_a_copied_card_is_noticed(state: Path, tmp_path: Path) -> None:
    """The copy has the same machine-id; the board under it is another."""
    note(state, STORE, machine(tmp_path / "a", board=b"1\0", machine_id="a" * 32))
    assert note(state, STORE, machine(tmp_path / "b", board=b"2\0", machine_id="a" * 32)) is Home.OTHER


def test_a_new_system_on_the_same_board_is_no_copy(state: Path, tmp_path: Path) -> None:
    """A state directory that was restored after the card died belongs to this badge."""
    note(state, STORE, machine(tmp_path / "a", board=b"1\0", machine_id="a" * 32))
    assert compare(state, STORE, machine(tmp_path / "b", board=b"1\0", machine_id="b" * 32)) is Home.OWN


def test_without_boards_the_machine_id_decides(state: Path, tmp_path: Path) -> None:
    """On a PC there is no serial number to read."""
    note(state, STORE, machine(tmp_path / "a", machine_id="a" * 32))
    assert compare(state, STORE, machine(tmp_path / "a")) is Home.OWN
    assert compare(state, STORE, machine(tmp_path / "b", machine_id="b" * 32)) is Home.OTHER


def test_the_note_tells_no_serial_number_and_no_two_stores_alike(state: Path, tmp_path: Path) -> None:
    """Only hashes that this store's ID enters."""
    here = machine(tmp_path / "a", board=b"10000000abcdef01\0", machine_id="c0ffee" * 5)
    note(state, STORE, here)
    first = (state / MACHINE_FILE).read_bytes()
    assert b"abcdef01" not in first
    assert b"c0ffee" not in first
    (state / MACHINE_FILE).unlink()
    note(state, bytes(16), here)
    assert not set(first.split()) & set((state / MACHINE_FILE).read_bytes().split()) - {b"board", b"machine-id"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"board", b"x" * 10000, b"\n\n"])
def test_a_damaged_note_is_no_error(state: Path, tmp_path: Path, content: bytes) -> None:
    """It says either nothing or that this is another machine; a machine without marks is unknown."""
    (state / MACHINE_FILE).write_bytes(content)
    assert compare(state, STORE, machine(tmp_path / "a", board=b"1\0")) in {Home.OTHER, Home.UNKNOWN}
    assert compare(state, STORE, machine(tmp_path / "none")) is Home.UNKNOWN


def test_a_machine_that_tells_nothing_is_no_error(state: Path, tmp_path: Path) -> None:
    """Without board and machine-id, as in a container, each start finds the same: nobody knows."""
    nowhere = machine(tmp_path / "nowhere")
    assert [note(state, STORE, nowhere), note(state, STORE, nowhere)] == [Home.UNKNOWN] * 2
    assert not (state / MACHINE_FILE).exists()


def test_a_note_that_says_nothing_is_left(state: Path, tmp_path: Path) -> None:
    """What is no note of ours is neither believed nor overwritten, and keeps no badge from starting."""
    (state / MACHINE_FILE).write_bytes(b"\xff\n")
    assert note(state, STORE, machine(tmp_path / "a", machine_id="0" * 32)) is Home.UNKNOWN
    assert (state / MACHINE_FILE).read_bytes() == b"\xff\n"


def test_of_copies_on_one_machine_the_noted_one_is_the_original(state: Path, tmp_path: Path) -> None:
    """It is known by its store file; moved it still is, a copy is not, until a daemon ran there."""
    here = machine(tmp_path / "a", machine_id="a" * 32)
    (state / STORE_FILE).write_bytes(b"a store")
    assert not is_original(state, STORE, here)
    note(state, STORE, here)
    assert is_original(state, STORE, here)
    copy, moved = tmp_path / "copy", tmp_path / "moved"
    shutil.copytree(state, copy)
    state.rename(moved)
    assert [is_original(where, STORE, here) for where in (moved, copy)] == [True, False]
    assert [note(copy, STORE, here), is_original(copy, STORE, here)] == [Home.OWN, True]


def test_a_note_of_an_earlier_version_learns_the_place(state: Path, tmp_path: Path) -> None:
    """What it said of the machine stays."""
    here = machine(tmp_path / "a", machine_id="a" * 32)
    note(state, STORE, here)
    before = (state / MACHINE_FILE).read_text()
    (state / STORE_FILE).write_bytes(b"a store")
    assert not is_original(state, STORE, here)
    note(state, STORE, here)
    assert is_original(state, STORE, here)
    assert (state / MACHINE_FILE).read_text().startswith(before)
