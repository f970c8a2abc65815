# SPDX-License-Identifier: Apache-2.0
"""`bzd init`."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.store import inspect, machine, open_appender
from bzd.store.identity import Identity, PublicKey

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Keys


def test_identity_on_this_machine(bzd: Bzd, tmp_path: Path) -> None:
    """The badge can read its own store, and says that whoever has the card can as well."""
    state = tmp_path / "deep" / "state"
    result = bzd("init", "--state", state, "--label", "ward3")
    assert result.code == 0
    info = inspect(state)
    identity = Identity.loads((state / "identity.key").read_bytes())
    assert info.recipients == info.key_recipients == (identity.public,)
    for shown in ("ward3", info.store_id.hex(), identity.public.fingerprint, str(state / "identity.key")):
        assert shown in result.out
    assert re.search(r"signing key +([0-9a-f]{4}-){7}[0-9a-f]{4}$", result.out, re.MULTILINE)
    assert "bzd: warning: whoever has this machine's card" in result.err
    assert bzd("contacts", "--state", state, "--json").json["contacts"] == []
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_identity_elsewhere(bzd: Bzd, tmp_path: Path, keys: Keys) -> None:
    """With --recipient there is no identity in the directory, and the badge says that it cannot read what it writes."""
    state, admin = tmp_path / "state", keys("admin")
    result = bzd("init", "--state", state, "--recipient", admin)
    assert result.code == 0
    assert not (state / "identity.key").exists()
    assert "this badge cannot read what it writes" in result.err
    assert "tell the wearers" in result.err
    assert "seal to several recipients" in result.err
    assert PublicKey.loads(admin.read_bytes()).fingerprint in result.out
    assert bzd("contacts", "--state", state).code == 7
    assert bzd("contacts", "--state", state, "--identity", tmp_path / "admin.key").code == 0


def test_several_recipients_and_others_for_keys(bzd: Bzd, tmp_path: Path, keys: Keys) -> None:
    """Each recipient reads alone; the key recipient reads no contacts. Several need no advice to be several."""
    state, names = tmp_path / "state", ["one", "two", "keeper"]
    one, two, keeper = (keys(name) for name in names)
    result = bzd("init", "--state", state, "--recipient", one, "--recipient", two, "--key-recipient", keeper)
    assert "seal to several" not in result.err
    info = inspect(state)
    assert {key.dumps() for key in info.recipients} == {one.read_bytes(), two.read_bytes()}
    assert [key.dumps() for key in info.key_recipients] == [keeper.read_bytes()]
    for name in ("one", "two"):
        assert bzd("contacts", "--state", state, "--identity", tmp_path / f"{name}.key").code == 0


@pytest.mark.parametrize("elsewhere", [True, False])
def test_again_with_the_same_recipients(bzd: Bzd, tmp_path: Path, keys: Keys, elsewhere: bool) -> None:  # noqa: FBT001  parametrised
    """It is said, nothing changes, and that is no failure; a label that cannot be changed is not lost in silence."""
    words = ["init", "--state", tmp_path / "state", *(["--recipient", keys()] if elsewhere else [])]
    bzd(*words)
    before = {path: path.read_bytes() for path in (tmp_path / "state").rglob("*.*") if path.is_file()}
    result = bzd(*words, "--label", "new")
    assert result.code == 0
    assert "same recipients already" in result.out
    assert "not new" in result.err
    assert {path: path.read_bytes() for path in before} == before


def test_again_beside_a_running_daemon(bzd: Bzd, tmp_path: Path) -> None:
    """A script that sets badges up may run again at any time."""
    bzd("init", "--state", tmp_path / "state")
    with open_appender(tmp_path / "state"):
        result = bzd("init", "--state", tmp_path / "state")
    assert (result.code, "same recipients already" in result.out) == (0, True)


def test_again_with_other_recipients(bzd: Bzd, tmp_path: Path, keys: Keys) -> None:
    """A store is never taken over by somebody else."""
    bzd("init", "--state", tmp_path / "state", "--recipient", keys("one"))
    result = bzd("init", "--state", tmp_path / "state", "--recipient", keys("two"))
    assert result.code == 6
    assert "other recipients" in result.err
    assert bzd("init", "--state", tmp_path / "state").code == 6
    assert not (tmp_path / "state/identity.key").exists()


def test_the_label_is_the_host_name(bzd: Bzd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --label a badge is called what its machine is called."""
    monkeypatch.setattr("socket.gethostname", lambda: "badge-17")
    assert "badge-17" in bzd("init", "--state", tmp_path / "state").out


def test_the_machine_is_noted_with_the_store(bzd: Bzd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is copied before the badge ever ran is noticed by the copy, of which the first start tells."""
    state, board = tmp_path / "state", tmp_path / "serial-number"
    monkeypatch.setattr(machine, "BOARD", str(board))
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    board.write_bytes(b"10000000abcdef01\0")
    assert bzd("init").code == 0
    store_id = inspect(state).store_id
    assert machine.is_original(state, store_id)
    board.write_bytes(b"10000000abcdef02\0")
    assert machine.note(state, store_id) is machine.Home.OTHER
    assert bzd("init").code == 0
    assert machine.compare(state, store_id) is machine.Home.OTHER


def test_a_store_for_another_badge_notes_no_machine(bzd: Bzd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an admin's computer, onto a card that is mounted there, it is not this machine that the badge will run on."""
    state, board = tmp_path / "card/var/lib/bzd", tmp_path / "serial-number"
    monkeypatch.setattr(machine, "BOARD", str(board))
    board.write_bytes(b"an admin's own board")
    assert bzd("init", "--state", state).code == 0
    assert machine.compare(state, inspect(state).store_id) is machine.Home.UNKNOWN


def test_an_empty_label_is_refused(bzd: Bzd, tmp_path: Path) -> None:
    """A badge without a name could not be told from another."""
    result = bzd("init", "--state", tmp_path / "state", "--label", " ")
    assert (result.code, "the label is empty" in result.err) == (2, True)
    assert not (tmp_path / "state").exists()


def test_the_user_s_own_directory(bzd: Bzd, tmp_path: Path) -> None:
    """Without --state and on no badge, the store is where the XDG base directories say."""
    assert bzd("init").code == 0
    assert (tmp_path / "home/.local/state/bzd/store.sqlite").exists()
    assert bzd("contacts").code == 0


def test_a_folder_of_other_things_is_left_alone(bzd: Bzd, tmp_path: Path) -> None:
    """A home directory does not become a state directory with mode 0700 by a slip; an empty folder may."""
    home, empty = tmp_path / "home", tmp_path / "empty"
    home.mkdir(mode=0o755)
    empty.mkdir(mode=0o755)
    (home / "letter").write_text("dear")
    result = bzd("init", "--state", home)
    assert result.code == 5
    assert "is not empty, and no state directory" in result.err
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert [path.name for path in home.iterdir()] == ["letter"]
    assert bzd("init", "--state", empty).code == 0
