# SPDX-License-Identifier: Apache-2.0
"""`--include-today` where the badge's daemon is stopped; `tests/radio/test_exported_keys.py` has it running."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.clock import FixedClock
from bzd.matching.case_message import read_case_message
from bzd.matching.keyfile import read_key_file
from bzd.model import DailyKey
from bzd.radio.broadcast import Broadcast
from bzd.store import inspect, machine, open_appender, open_reader
from bzd.store.state import load_identities

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill, Keys

NOW = 1_800_000_000.0
"""The clock of the tests: 2027-01-15T08:00:00Z, the beginning of an interval."""
TODAY = NOW - NOW % 86400
OURS = DailyKey("gaen", b"the key of today", TODAY, TODAY + 86400)
YESTERDAY = DailyKey("gaen", b"that of the past", TODAY - 86400, TODAY)

Store = Callable[..., Path]


@pytest.fixture
def store(fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Make the store of a badge whose daemon ran on this machine, and is stopped."""
    (tmp_path / "machine-id").write_text("0123456789abcdef\n")
    monkeypatch.setattr("bzd.store.machine.MACHINE_ID", str(tmp_path / "machine-id").lstrip("/"))
    monkeypatch.setattr("bzd.store.machine.BOARD", "nonexistent")

    def make(*keys: DailyKey, **how: object) -> Path:
        state = fill(**how)
        with open_appender(state) as appender:
            appender.add_keys(keys)
        machine.note(state, inspect(state).store_id)
        return state

    return make


def own_keys(state: Path) -> list[DailyKey]:
    """What the store says of its keys."""
    with open_reader(state, load_identities(state)) as reader:
        return list(reader.keys())


def test_the_key_ends_now(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """It is exported up to the present interval; so says the store, and a second export says the same."""
    state, out = store(YESTERDAY, OURS), tmp_path / "case.zip"
    words = ["export", "keys", "--state", state, "--include-today", "--yes", "--force", "-o", out]
    for now in (NOW + 700, NOW + 7200):
        assert bzd(*words, now=now).code == 0
        found = {key.key: key.end for key in read_key_file(out, allow_unsigned=True).keys}
        assert found == {YESTERDAY.key: TODAY, OURS.key: NOW + 1200}
        assert [key.end for key in own_keys(state)] == [TODAY, NOW + 1200]


def test_published_two_hours_after_the_end_that_was_cut(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Until then whoever has the key could pass for the case."""
    state, case = store(OURS), tmp_path / "case.zip"
    assert bzd("export", "keys", "--state", state, "--include-today", "--yes", "-o", case).code == 0
    assert bzd("keygen", "--signing", "-o", tmp_path / "ha.pem").code == 0
    words = ["publish", case, "-o", tmp_path / "today.zip", "--sign-key", tmp_path / "ha.pem", "--padding", 0]
    refused = bzd(*words, now=NOW + 600 + 7199)
    assert (refused.code, "held back, the first until 2027-01-15T10:10:00" in refused.err) == (4, True)
    assert bzd(*words, now=NOW + 600 + 7200).code == 0


def test_a_daemon_that_starts_later_has_another_key(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """What goes on the air knows nothing of the keys of earlier runs."""
    state = store(OURS)
    assert bzd("export", "keys", "--state", state, "--include-today", "--yes", "-o", tmp_path / "case.zip").code == 0
    with open_appender(state) as appender:
        clock = FixedClock(NOW + 60)
        broadcast = Broadcast("gaen", 0, clock=clock, boottime=clock.now, keep=lambda key: appender.add_keys([key]))
        drawn = {broadcast.draw().turn.key.key for _ in range(20)}
    assert OURS.key not in drawn
    # An export of whole days, once this day is over, gives the old key as it was ended.
    assert bzd("export", "keys", "--state", state, "--yes", "-o", tmp_path / "b.zip", now=NOW + 86400).code == 0
    found = {key.key: key.end for key in read_key_file(tmp_path / "b.zip", allow_unsigned=True).keys}
    assert (found[OURS.key], set(found) - drawn) == (NOW + 600, {OURS.key})


def test_a_bluezone_badge(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Its case message ends with the slot that the key was ended in."""
    state = store(DailyKey("bluezone", bytes(32), TODAY, TODAY + 86400))
    assert bzd("export", "keys", "--state", state, "--include-today", "--yes", "-o", tmp_path / "case.json").code == 0
    (key,) = read_case_message(tmp_path / "case.json").keys
    assert key.end == NOW + 900


def test_a_key_that_begins_with_the_next_interval(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """As after a restart a moment ago: it may have been sent ahead of its time, and is given that one interval."""
    soon = DailyKey("gaen", b"about to be used", NOW + 600, TODAY + 86400)
    state = store(OURS, soon)
    assert bzd("export", "keys", "--state", state, "--include-today", "--yes", "-o", tmp_path / "case.zip").code == 0
    found = {(key.start, key.end) for key in read_key_file(tmp_path / "case.zip", allow_unsigned=True).keys}
    assert found == {(TODAY, NOW + 600), (NOW + 600, NOW + 1200)}


def test_nothing_changes_without_consent(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """The key goes on until somebody said yes."""
    state = store(OURS)
    assert bzd("export", "keys", "--state", state, "--include-today", "-o", tmp_path / "case.zip").code == 2
    assert own_keys(state) == [OURS]


@pytest.mark.parametrize("kind", ["file", "copy", "elsewhere", "unknown"])
def test_where_nobody_can_tell_it_is_refused(bzd: Bzd, store: Store, tmp_path: Path, kind: str) -> None:
    """An exported file, a copy on this machine, a card from another, a directory that no daemon ran on."""
    state, out = store(OURS), tmp_path / "case.zip"
    given = state if kind in {"elsewhere", "unknown"} else tmp_path / "copied"
    if kind == "file":
        assert bzd("export", "store", "--state", state, "-o", given).code == 0
    elif kind == "copy":
        shutil.copytree(state, given)
    elif kind == "elsewhere":
        (tmp_path / "machine-id").write_text("fedcba9876543210\n")
    else:
        (state / machine.MACHINE_FILE).unlink()
    words = ["--identity", state / "identity.key", "--include-today", "--yes", "-o", out]
    refused = bzd("export", "keys", "--state", given, *words)
    assert (refused.code, "tomorrow" in refused.err, out.exists()) == (6, True, False)
    assert own_keys(state) == [OURS]


def test_a_replay_that_has_the_store(bzd: Bzd, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not know the question; busy is the answer, and nothing is exported."""
    state = store(OURS)
    monkeypatch.setattr("bzd.store.requests.ask.__kwdefaults__", {"timeout_s": 0.3})
    with open_appender(state):
        words = ["export", "keys", "--state", state, "--include-today", "--yes", "-o", tmp_path / "case.zip"]
        assert bzd(*words).code == 9
    assert (own_keys(state), (tmp_path / "case.zip").exists()) == ([OURS], False)


def test_without_a_key_of_today_it_is_as_without_the_option(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Also on a copy, which then has nothing to hide."""
    state = store(YESTERDAY)
    assert bzd("export", "store", "--state", state, "-o", tmp_path / "copy.bzd").code == 0
    words = ["--identity", state / "identity.key", "--include-today", "--yes", "-o", tmp_path / "case.zip"]
    assert bzd("export", "keys", tmp_path / "copy.bzd", *words).code == 0


def test_the_admin_who_holds_the_identity(bzd: Bzd, store: Store, keys: Keys, tmp_path: Path) -> None:
    """A badge that cannot read its own keys exports with the identity that is brought to it."""
    state = store(OURS, recipients=[keys()])
    words = ["export", "keys", "--state", state, "--include-today", "--yes", "-o", tmp_path / "case.zip"]
    assert bzd(*words).code == 7
    assert bzd(*words, "--identity", tmp_path / "admin.key").code == 0


def test_just_after_midnight(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """For a minute yesterday's key may be on the air still; so yesterday counts as today."""
    state = store(YESTERDAY)
    words = ["export", "keys", "--state", state, "--yes", "--force", "-o", tmp_path / "case.zip"]
    for seconds, code in ((0.0, 4), (59.9, 4), (60.0, 0)):
        assert bzd(*words, now=TODAY + seconds).code == code
    assert bzd(*words, "--include-today", now=TODAY + 30).code == 0
    assert [key.end for key in read_key_file(tmp_path / "case.zip", allow_unsigned=True).keys] == [TODAY]
