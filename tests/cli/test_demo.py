# SPDX-License-Identifier: Apache-2.0
"""`bzd demo`: what it shows is true, repeats, and leaves stores that every other command can read."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bzd.cli import demo_stores
from bzd.config import Config
from bzd.radio.crowd import office_hour
from bzd.store import open_reader, state

NOW = 1_800_000_000.0
"""The clock of these tests, 2027-01-15T08:00:00Z; the hour then is the day before from 11:30 UTC."""
START = 1_799_926_200.0
NAMES = {"you", "anna", "ben", "chloe", "dara", "emil", "farah", "goran"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--keep` leaves; made once, only read."""
    folder = tmp_path_factory.mktemp("demo") / "crowd"
    demo_stores.keep(office_hour(START, 1), Config(), folder, NOW)
    return folder


def _stored(bzd: Any, folder: Path) -> list[Any]:
    contacts: list[Any] = bzd("contacts", "--state", folder, "--jsonl").jsonl
    return contacts


def test_it_shows_contacts_and_the_truth_beside_them(bzd: Any) -> None:
    """A table of contacts, then everybody with what really happened, then what to try; nothing on stderr."""
    shown = bzd("demo")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.count("2027-01-14") > 20
    rows = {cells[0]: cells for line in shown.out.splitlines() if (cells := re.split(r"\s{2,}", line.strip()))}
    assert set(rows) >= NAMES - {"you"}
    assert rows["farah"][2:4] == ["2", "4.0"]
    assert float(rows["anna"][3]) > 30
    assert float(rows["goran"][3]) == 0
    assert "Try next:" in shown.out


def test_it_shows_what_bzd_contacts_shows(bzd: Any, kept: Path) -> None:
    """The table is that of `bzd contacts` on the store of the first badge."""
    table = bzd("contacts", "--state", kept / "you").out
    assert len(table.splitlines()) > 20
    assert table in bzd("demo").out


def test_the_same_seed_and_day_repeat(bzd: Any) -> None:
    """Twice the same output, at any hour of the day; another seed or day gives another hour."""
    once = bzd("demo").out
    assert bzd("demo", "--seed", "1", now=NOW + 3600).out == once
    assert bzd("demo", "--seed", "2").out != once
    assert bzd("demo", now=NOW + 86400).out != once


def test_settings_apply(bzd: Any) -> None:
    """It runs under the configuration like everything else: a filter of -50 dBm leaves those who came close."""
    assert bzd("demo", "--set", "proximity.min_rssi_dbm=-50").out.count("2027-01-14") < bzd("demo").out.count(
        "2027-01-14"
    )


def test_keep_leaves_a_store_per_badge(kept: Path) -> None:
    """Each store opens with the identity in it and has its owner's name, yesterday's contacts and own key."""
    crowd = office_hour(START, 1)
    assert {path.name for path in kept.iterdir() if path.is_dir()} == NAMES
    for member in crowd.members:
        identities = state.load_identities(kept / member.name)
        with open_reader(kept / member.name, identities) as reader:
            assert reader.label == member.name
            assert list(reader.keys()) == [member.key]
            contacts = list(reader.contacts())
            assert reader.problems == []
        others = {rolling_id for other in crowd.members if other is not member for rolling_id in other.rolling_ids}
        assert contacts
        assert all(contact.rolling_id in others for contact in contacts)
        assert all(START <= contact.start <= START + 3600 for contact in contacts)


def test_two_badges_saw_the_same_meeting(bzd: Any, kept: Path) -> None:
    """Lunch is in both stores: what ben heard of you and what you heard of ben overlap."""
    crowd = office_hour(START, 1)
    ids = {member.name: {rolling_id.hex() for rolling_id in member.rolling_ids} for member in crowd.members}
    near = [
        sum(contact["near_s"] for contact in _stored(bzd, kept / one) if contact["rolling_id"] in ids[other])
        for one, other in (("you", "ben"), ("ben", "you"))
    ]
    assert all(15 * 60 < seconds < 25 * 60 for seconds in near)


def test_the_kept_trace_replays_to_the_kept_contacts(bzd: Any, kept: Path) -> None:
    """The recording beside the stores gives exactly the contacts in the first of them."""
    replayed = bzd("replay", kept / "you.btsnoop", "--jsonl").out
    stored = bzd("contacts", "--state", kept / "you", "--jsonl").out
    assert sorted(replayed.splitlines()) == sorted(stored.splitlines())


def test_kept_stores_are_live_badges(bzd: Any, kept: Path) -> None:
    """They hold own keys, so a replay into one needs --force."""
    assert bzd("replay", "--state", kept / "anna", kept / "you.btsnoop").code == 5


def test_kept_files_are_private(kept: Path) -> None:
    """Nobody else may enter the folder or read what is in it."""
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (kept / "you.btsnoop").stat().st_mode & 0o777 == 0o600
    assert (kept / "you/identity.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("arguments", [[], ["--keep", "a crowd"]])
def test_what_it_suggests_works(
    bzd: Any, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command under "Try next" ends with 0, typed as it stands."""
    monkeypatch.chdir(tmp_path)
    suggested = bzd("demo", *arguments).out.partition("Try next:\n")[2].splitlines()
    assert len(suggested) >= 2
    for line in suggested:
        program, *rest = shlex.split(line)
        done = bzd(*rest)
        assert (program, done.code) == ("bzd", 0), (line, done.err)


def test_keep_overwrites_nothing(bzd: Any, tmp_path: Path) -> None:
    """A folder with something in it is refused and stays as it is; an empty one is filled."""
    folder = tmp_path / "crowd"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    refused = bzd("demo", "--keep", folder)
    assert (refused.code, "is not empty" in refused.err) == (5, True)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    (folder / "thesis.txt").unlink()
    assert bzd("demo", "--keep", folder).code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_keep_where_it_cannot(bzd: Any, tmp_path: Path, where: str) -> None:
    """A file in the way is an error of its own kind, not a traceback."""
    (tmp_path / "file").write_text("")
    refused = bzd("demo", "--keep", tmp_path / where)
    assert refused.code == 5
    assert refused.err.startswith("bzd: error: ")


def test_it_leaves_nothing_without_keep(bzd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its temporary store is gone afterwards."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert bzd("demo").code == 0
    assert list(tmp_path.iterdir()) == []


def test_it_takes_seconds() -> None:
    """The whole command, start-up included, uses under five seconds of processor time."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "bzd", "demo"], check=True, capture_output=True, timeout=60)
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5
