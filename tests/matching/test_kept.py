# SPDX-License-Identifier: Apache-2.0
"""Matching that is remembered: a real store, real files, and whoever dies in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.config import Config, ProximityConfig, RangingConfig
from bzd.errors import BusyError, IdentityError, InputError
from bzd.matching.configured import How, configured
from bzd.matching.encounters import Joining
from bzd.matching.kept import Kept, open_kept
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.signing import SigningKey
from bzd.model import Contact
from bzd.store import create, open_appender, open_reader, purge
from bzd.store.identity import Identity
from bzd.store.records import ClockAnchor

if TYPE_CHECKING:
    from tests.matching.conftest import Cases

Open = Callable[..., Kept]
Put = Callable[..., Path]


@pytest.fixture(scope="session")
def identity() -> Identity:
    """One identity for all tests of a run."""
    return Identity.generate()


@pytest.fixture
def state(tmp_path: Path, identity: Identity) -> Path:
    """A badge's store."""
    create(tmp_path / "state", recipients=[identity.public], label="badge", now=0.0)
    return tmp_path / "state"


@pytest.fixture
def put(tmp_path: Path, signing_key: SigningKey) -> Put:
    """Writes a signed key file."""

    def write(*keys: DiagnosisKey, name: str = "today.zip", revised: tuple[DiagnosisKey, ...] = ()) -> Path:
        (tmp_path / name).write_bytes(write_key_file(KeyFile(keys, revised), signing_key))
        return tmp_path / name

    return write


@pytest.fixture
def how(signing_key: SigningKey) -> How:
    """The default rule, and the one authority that is trusted."""
    return How(Joining(ProximityConfig(), RangingConfig()), trusted=(signing_key.public,), processes=1)


def meeting(cases: type[Cases], key: DiagnosisKey, minutes: int = 20, first: int = 60) -> list[Contact]:
    """Contacts with the owner of a key, near, for so many minutes of its day."""
    return cases.contacts(cases.heard(key, cases.midnight + first * 600, cases.midnight + first * 600 + minutes * 60))


def fill(state: Path, *contacts: Contact) -> None:
    """Contacts into a store."""
    with open_appender(state) as appender:
        appender.commit(contacts)


def test_nothing_is_read_twice(cases: type[Cases], state: Path, identity: Identity, how: How, put: Put) -> None:
    """A file is matched when it comes, once more when its last contact must be there, and never again."""
    key = cases.key(1)
    file = put(key, cases.key(2))
    fill(state, *meeting(cases, key))
    until = key.end + 7200
    reads = []
    for now in (key.end, key.end + 60, until, until + 3600, until + 7 * 3600, until + 8 * 3600, until + 9e6):
        with open_kept(state, [identity], how, now=now) as kept:
            taken = kept.take(file)
            reads.append((taken.read, taken.again_at))
            ((day,), ()) = kept.standing().days, kept.standing().withdrawn
            assert (str(day.risk), round(day.near_s / 60)) == ("high", 20)
    assert reads == [
        (True, until), (False, until), (True, until + 7 * 3600), (False, until + 7 * 3600), (True, inf),
        (False, inf), (False, inf),
    ]  # fmt: skip


def test_contacts_that_come_later_are_found(
    cases: type[Cases], state: Path, identity: Identity, how: How, put: Put
) -> None:
    """What was in progress, or heard after the file was read, is found when the file is matched again."""
    key = cases.key(1)
    file = put(key)
    now = cases.midnight + 70_000
    with open_kept(state, [identity], how, now=now) as kept:
        assert kept.take(file).again_at == now + 7200
        assert kept.standing().days == []
    fill(state, *meeting(cases, key, first=130))
    with open_kept(state, [identity], how, now=now + 7200) as kept:
        assert kept.take(file).read
        assert len(kept.standing().days) == 1
    with open_kept(state, [identity], how, now=now + 7201) as kept:
        assert len(kept.standing().days) == 1  # from the store alone


def test_a_settled_file_is_matched_with_a_replay(
    cases: type[Cases], state: Path, identity: Identity, how: How, put: Put
) -> None:
    """Contacts of a past day that come into the store later make its files due."""
    key = cases.key(1)
    file = put(key)
    with open_kept(state, [identity], how, now=key.end + 10 * 86400) as kept:
        assert kept.take(file).again_at == inf
    fill(state, *meeting(cases, key))
    with open_kept(state, [identity], how, now=key.end + 11 * 86400) as kept:
        assert kept.take(file).read
        assert len(kept.standing().days) == 1


def test_undated_contacts_warn_once_they_are_dated(
    cases: type[Cases], state: Path, identity: Identity, how: How, put: Put
) -> None:
    """Heard before the clock was right, matched then, dated by an anchor later: the day comes out without the file."""
    key = cases.key(1)
    file = put(key)
    offset = cases.midnight + 30_000
    boot = ClockAnchor(b"one boot of many", 10.0, 20.0, synced=False)
    with open_appender(state) as appender:
        appender.undated = boot
        for contact in meeting(cases, key):
            start, end = contact.start - offset, contact.end - offset
            appender.commit([replace(contact, start=start, end=end, synced=False)])
    with open_kept(state, [identity], how, now=99.0, clock_right=False) as kept:
        assert kept.take(file).read
        assert kept.standing().days == []
    with open_kept(state, [identity], how, now=key.end + 1e6) as kept:
        taken = kept.take(file)
        assert (taken.read, taken.again_at) == (True, inf)  # by a clock that was not right nothing counts as read
    file.unlink()
    with open_appender(state) as appender:
        appender.add_anchor(ClockAnchor(boot.boot_id, 10.0, 10.0 + offset - 86400, synced=True), 18_444)
    with open_kept(state, [identity], how, now=key.end + 1e6) as kept:
        assert kept.standing().days == []  # a day off: heard too far from the ID's time
    with open_appender(state) as appender:
        appender.add_anchor(ClockAnchor(boot.boot_id, 10.0, 10.0 + offset, synced=True), 18_445)
    with open_kept(state, [identity], how, now=key.end + 1e6) as kept:
        (day,) = kept.standing().days
        assert (day.date, str(day.risk)) == (date(2020, 7, 2), "high")


def test_a_revocation_withdraws(cases: type[Cases], state: Path, identity: Identity, how: How, put: Put) -> None:
    """The day is no longer one of a warning, and is named as withdrawn, also by the next who opens the store."""
    key = cases.key(1)
    fill(state, *meeting(cases, key))
    now = key.end + 9e5
    with open_kept(state, [identity], how, now=now) as kept:
        kept.take(put(key))
        kept.take(put(name="news.zip", revised=(key._replace(report_type=ReportType.REVOKED),)))
    with open_kept(state, [identity], how, now=now) as kept:
        standing = kept.standing()
        assert (standing.days, [day.date for day in standing.withdrawn]) == ([], [date(2020, 7, 2)])
        assert not kept.take(put(key)).read


def test_a_purge_takes_the_warning_with_the_day(
    cases: type[Cases], state: Path, identity: Identity, how: How, put: Put
) -> None:
    """Also one that comes between reading the contacts and keeping what was found: nothing of that day comes back."""
    key = cases.key(1)
    fill(state, *meeting(cases, key), *meeting(cases, cases.key(2, day=1), first=150))
    gone = [datetime.fromtimestamp(cases.midnight, UTC).date()]
    with open_kept(state, [identity], how, now=key.end + 9e5) as kept:
        purge(state, days=gone, now=key.end + 9e5)
        kept.take(put(key, cases.key(2, day=1)))
        assert [day.date for day in kept.standing().days] == [date(2020, 7, 3)]
    with open_reader(state, [identity]) as reader:
        assert [day for day, of in reader.findings().keys.items() if of] == [18_446]


def test_what_is_refused_changes_nothing(
    cases: type[Cases], state: Path, identity: Identity, how: How, put: Put
) -> None:
    """Another's signature, damage, a link, a pipe, a folder, more than any key file: said, and nothing is written."""
    good, tmp_path = put(cases.key(1)), state.parent
    (tmp_path / "forged.zip").write_bytes(write_key_file(KeyFile((cases.key(1),)), SigningKey.generate()))
    (tmp_path / "unsigned.zip").write_bytes(write_key_file(KeyFile((cases.key(1),))))
    (tmp_path / "cut.zip").write_bytes(good.read_bytes()[:-30])
    (tmp_path / "empty.zip").touch()
    (tmp_path / "link.zip").symlink_to(good)
    (tmp_path / "folder.zip").mkdir()
    os.mkfifo(tmp_path / "pipe.zip")
    with (tmp_path / "huge.zip").open("wb") as file:
        file.truncate(33 << 20)
    with open_kept(state, [identity], how, now=cases.midnight) as kept:
        before = (state / "store.sqlite").read_bytes()
        for name in ("forged", "unsigned", "cut", "empty", "link", "folder", "pipe", "huge", "missing"):
            with pytest.raises(InputError, match=name):
                kept.take(tmp_path / f"{name}.zip")
        assert (state / "store.sqlite").read_bytes() == before
        assert kept.findings.files == ()


def test_counts_of_what_makes_no_sense(cases: type[Cases], state: Path, identity: Identity, how: How, put: Put) -> None:
    """Keys of the future are counted, and waited for by nobody; a file of nothing is read."""
    now = cases.midnight + 86400 + 7200
    with open_kept(state, [identity], how, now=now) as kept:
        taken = kept.take(put(cases.key(1), *(cases.key(n, day=n) for n in range(2, 9))))
        assert (taken.keys, taken.again_at) == (1, now + 7 * 3600)
        assert taken.skipped == {"interval in the future": 7}
        assert kept.take(put(name="none.zip")).again_at == inf


def test_who_may(state: Path, identity: Identity, how: How) -> None:
    """One at a time, and only with an identity that will be able to read what is kept."""
    with open_kept(state, [identity], how, now=0.0), ExitStack() as stack, pytest.raises(BusyError):
        stack.enter_context(open_kept(state, [identity], how, now=0.0))
    with pytest.raises(IdentityError, match="sealed to others"), open_kept(state, [Identity.generate()], how, now=0.0):
        pass


def test_as_configured() -> None:
    """The default configuration is the default way to match."""
    assert configured(Config()) == How(Joining(ProximityConfig(), RangingConfig()))
