# SPDX-License-Identifier: Apache-2.0
"""`bzd export keys`."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.matching.case_message import read_case_message
from bzd.matching.keyfile import read_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.model import DailyKey
from bzd.store import open_appender

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill, Keys

NOW = 1_800_000_000.0
"""The clock of the tests: 2027-01-15T08:00:00Z."""
DAY_S = 86400
TODAY = NOW - NOW % DAY_S
"""Midnight, at which the day of `NOW` began: 2027-01-15."""

Store = Callable[..., Path]


def daily(ago: int, *, begin: float = 0.0, protocol: str = "gaen", number: int = 0) -> DailyKey:
    """The key of a day so many days ago, in use from `begin` seconds after midnight to the next midnight."""
    midnight = TODAY - ago * DAY_S
    size = {"gaen": 16, "bluezone": 32}.get(protocol, 16)
    return DailyKey(protocol, bytes([ago, number] * (size // 2)), midnight + begin, midnight + DAY_S)


@pytest.fixture
def store(fill: Fill) -> Store:
    """Make a store that holds own keys."""

    def make(*own: DailyKey, **how: object) -> Path:
        state = fill(**how)
        with open_appender(state) as appender:
            appender.add_keys(own)
        return state

    return make


def keys_of(path: Path) -> list[DiagnosisKey]:
    """What an export holds."""
    return list(read_key_file(path, allow_unsigned=True).keys)


def test_whole_days_as_far_as_asked(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Today's key stays, since it is on the air, and so do days further back than asked; the file is the owner's."""
    state, out = store(*(daily(ago) for ago in range(20))), tmp_path / "case.zip"
    done = bzd("export", "keys", "--state", state, "--days", 14, "--yes", "-o", out)
    assert (done.code, done.out) == (0, "")
    assert "wrote 14 daily keys of state: 14 days, 2027-01-01 to 2027-01-14" in done.err
    assert "today's key is left out" in done.err
    assert {key.key for key in keys_of(out)} == {daily(ago).key for ago in range(1, 15)}
    assert {(key.start % DAY_S, key.intervals) for key in keys_of(out)} == {(0.0, 144)}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert read_key_file(out, allow_unsigned=True).signers == ()


def test_one_day(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """`--days 1` is yesterday alone, and nothing is said of a key of today where there is none."""
    done = bzd("export", "keys", "--state", store(daily(1), daily(2)), "--days", 1, "--yes", "-o", tmp_path / "a.zip")
    assert [key.key for key in keys_of(tmp_path / "a.zip")] == [daily(1).key]
    assert "today" not in done.err


def test_what_is_said_of_the_case(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Report type and days since onset, per key; the words of the key files are taken in any case."""
    words = ["--report-type", "CONFIRMED_TEST", "--onset", "2027-01-12", "--yes", "-o", tmp_path / "case.zip"]
    assert bzd("export", "keys", "--state", store(daily(1), daily(5)), *words).code == 0
    said = {key.start: (key.report_type, key.days_since_onset) for key in keys_of(tmp_path / "case.zip")}
    test = ReportType.CONFIRMED_TEST
    assert said == {TODAY - DAY_S: (test, 2), TODAY - 5 * DAY_S: (test, -2)}


def test_a_restart_cuts_the_older_key(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Both keys of a day are written, and they do not overlap."""
    state = store(daily(1), daily(1, begin=36_000, number=1))
    assert bzd("export", "keys", "--state", state, "--yes", "-o", tmp_path / "case.zip").code == 0
    spans = sorted((key.start - TODAY + DAY_S, key.end - TODAY + DAY_S) for key in keys_of(tmp_path / "case.zip"))
    assert spans == [(0, 36_000), (36_000, DAY_S)]


def test_a_bluezone_badge_writes_the_case_message(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """One entry a day, to its last second, and it reads back."""
    out = tmp_path / "case.json"
    state = store(*(daily(ago, protocol="bluezone") for ago in (1, 2)))
    assert bzd("export", "keys", "--state", state, "--yes", "-o", out).code == 0
    entries = json.loads(out.read_bytes())["data"]
    assert [entry["time_end"] - entry["time_start"] for entry in entries] == [DAY_S - 1] * 2
    assert len(read_case_message(out).keys) == 2


def test_two_protocols_do_not_fit_one_file(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """The error names both, and fewer days may hold one alone."""
    state = store(daily(1), daily(3, protocol="bluezone"))
    words = ["export", "keys", "--state", state, "--yes", "-o", tmp_path / "case.zip"]
    refused = bzd(*words)
    assert (refused.code, "bluezone and gaen" in refused.err) == (4, True)
    assert bzd(*words, "--days", 2).code == 0


def test_a_protocol_that_is_never_published(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Keys of a protocol without a format are an error, not a traceback."""
    refused = bzd("export", "keys", "--state", store(daily(1, protocol="other")), "--yes", "-o", tmp_path / "a.zip")
    assert (refused.code, "cannot be exported" in refused.err) == (8, True)
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("own", "warning"),
    [
        ([daily(ago, number=n, begin=600 * n) for ago in range(1, 12) for n in range(3)], "more than 30"),
        ([daily(1, number=number) for number in range(3)], "begin at the same time"),
    ],
)
def test_what_servers_refuse(bzd: Bzd, store: Store, tmp_path: Path, own: list[DailyKey], warning: str) -> None:
    """More than 30 keys, or three with one start, are written with a warning; fewer without."""
    done = bzd("export", "keys", "--state", store(*own), "--yes", "-o", tmp_path / "a.zip")
    assert (done.code, len(keys_of(tmp_path / "a.zip"))) == (0, len(own))
    assert warning in done.err
    assert "warning" not in bzd("export", "keys", "--state", store(*own[1:3], name="few"), "--yes", "-o", "-").err


def test_without_keys(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """A badge that was never on the air, or only today, has nothing to give; no file is left."""
    for name, own in (("none", []), ("new", [daily(0)]), ("old", [daily(15)])):
        refused = bzd("export", "keys", "--state", store(*own, name=name), "--yes", "-o", tmp_path / "case.zip")
        assert (refused.code, "no own key of a whole day" in refused.err) == (4, True)
    assert not (tmp_path / "case.zip").exists()


def test_a_script_must_say_that_the_wearer_consents(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """Without a terminal and without --yes nothing is written."""
    refused = bzd("export", "keys", "--state", store(daily(1)), "-o", tmp_path / "case.zip")
    assert (refused.code, "--yes" in refused.err, (tmp_path / "case.zip").exists()) == (2, True, False)


def test_an_onset_to_come(bzd: Bzd, store: Store) -> None:
    """Is a slip of the finger."""
    assert bzd("export", "keys", "--state", store(daily(1)), "--onset", "2027-01-16", "--yes", "-o", "-").code == 2
    assert (
        bzd("export", "keys", "--state", store(daily(1), name="b"), "--onset", "2027-01-15", "--yes", "-o", "-").code
        == 0
    )


def test_one_badge_at_a_time(bzd: Bzd, store: Store) -> None:
    """The keys of two badges in one file would join two people."""
    one, two = store(daily(1), name="one"), store(daily(1), name="two")
    assert bzd("export", "keys", "--state", one, two, "--yes", "-o", "-").code == 2


def test_from_a_copy_with_the_identity(bzd: Bzd, store: Store, keys: Keys, tmp_path: Path) -> None:
    """The admin exports from a collected copy; another's identity, and one for contacts alone, is refused."""
    state = store(daily(1), recipients=[keys()])
    copy, out = tmp_path / "badge.bzd", tmp_path / "case.zip"
    assert bzd("export", "store", "--state", state, "-o", copy).code == 0
    keys("other")
    assert bzd("export", "keys", copy, "--identity", tmp_path / "other.key", "--yes", "-o", out).code == 7
    assert bzd("export", "keys", copy, "--identity", tmp_path / "admin.key", "--yes", "-o", out).code == 0
    assert len(keys_of(out)) == 1


def test_nothing_is_written_over(bzd: Bzd, store: Store, tmp_path: Path) -> None:
    """A file that is there needs --force; the store that is read is safe from that too."""
    state, out = store(daily(1)), tmp_path / "case.zip"
    out.write_bytes(b"precious")
    words = ["export", "keys", "--state", state, "--yes", "-o"]
    assert (bzd(*words, out).code, out.read_bytes()) == (5, b"precious")
    assert bzd(*words, state / "store.sqlite", "--force").code == 5
    assert (bzd(*words, out, "--force").code, len(keys_of(out))) == (0, 1)
