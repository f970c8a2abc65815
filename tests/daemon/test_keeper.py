# SPDX-License-Identifier: Apache-2.0
"""What a flush writes, and the hourly quota."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon import keeper as keeping
from bzd.daemon.keeper import Keeper
from bzd.daemon.timekeeping import TimeKeeper
from bzd.model import Contact, ScanInstance
from bzd.store import container, open_appender, open_reader
from bzd.store.identity import Identity
from bzd.store.state import STORE_FILE

NOON = 1_606_046_400.0


def _contact(number: int, seconds: float, start: float = NOON) -> Contact:
    scans = (ScanInstance(0.0, seconds, 9, -60.0, -50),)
    return Contact("gaen", number.to_bytes(16, "big"), b"", start, start + seconds, 0.0, None, True, scans)


def _stored(state: Path, identity: Identity) -> list[tuple[int, float]]:
    with open_reader(state, [identity]) as reader:
        found = [(int.from_bytes(contact.rolling_id, "big"), contact.duration_s) for contact in reader.contacts()]
        assert reader.problems == []
    return sorted(found)


def test_of_an_hour_the_longest_stay(state: Path, identity: Identity, clock: Any) -> None:
    """A short one that was stored, or is about to be, gives way; a shorter one is not stored at all."""
    with open_appender(state) as appender:
        keeper = Keeper(appender, TimeKeeper(clock, synchronised=True), 2)
        keeper.write(keeper.prepare([_contact(1, 10.0), _contact(2, 20.0)]))
        keeper.take([_contact(3, 30.0), _contact(4, 5.0)])
        keeper.write(keeper.prepare([_contact(2, 25.0)]))
        keeper.take([_contact(5, 1.0, NOON + 3600)])
        keeper.write(keeper.prepare([]))
        assert keeper.counts.contacts == 3
    assert _stored(state, identity) == [(2, 25.0), (3, 30.0), (5, 1.0)]


def test_one_pushed_out_that_grows_comes_back(state: Path, identity: Identity, clock: Any) -> None:
    """A contact in progress that had to go is stored again once it is among the longest."""
    with open_appender(state) as appender:
        keeper = Keeper(appender, TimeKeeper(clock, synchronised=True), 1)
        keeper.write(keeper.prepare([_contact(1, 10.0)]))
        keeper.write(keeper.prepare([_contact(1, 11.0), _contact(2, 20.0)]))
        keeper.write(keeper.prepare([_contact(1, 30.0), _contact(2, 20.0)]))
    assert _stored(state, identity) == [(1, 30.0)]


def test_waiting_contacts_are_bounded(state: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written for days costs the oldest contacts, counted, and not the memory."""
    monkeypatch.setattr(keeping, "PENDING_MAX", 10)
    with open_appender(state) as appender:
        keeper = Keeper(appender, TimeKeeper(clock, synchronised=True), 1000)
        keeper.take(_contact(number, 10.0) for number in range(25))
        assert (keeper.waiting, keeper.counts.unstored) == (10, 15)


def test_places_of_old_contacts_are_forgotten(state: Path, clock: Any) -> None:
    """A month of contacts leaves hours of handles in memory."""
    with open_appender(state) as appender:
        time = TimeKeeper(clock, synchronised=True)
        keeper = Keeper(appender, time, 1000)
        for number in range(100):
            clock.pass_by(3600.0)
            keeper.take([_contact(number, 10.0, clock.wall)])
            keeper.write(keeper.prepare([]))
        assert len(keeper._handles) <= 9


def test_a_purge_beside_the_daemon_costs_what_it_purged(state: Path, identity: Identity, clock: Any) -> None:
    """A contact in progress whose day was deleted is written anew, under a new key."""
    from bzd.store import purge  # noqa: PLC0415  only here

    with open_appender(state) as appender:
        keeper = Keeper(appender, TimeKeeper(clock, synchronised=True), 1000)
        keeper.take([_contact(1, 10.0)])
        keeper.write(keeper.prepare([_contact(2, 10.0)]))
        purge(state, days=None, before=None, now=NOON)
        keeper.write(keeper.prepare([_contact(2, 20.0)]))
    assert _stored(state, identity) == [(2, 20.0)]


def test_counting_begins_anew_at_midnight(state: Path, clock: Any) -> None:
    """Contacts of today are those since UTC midnight, also where an earlier process began to count."""
    with open_appender(state) as appender:
        keeper = Keeper(appender, TimeKeeper(clock, synchronised=True), 1000)
        keeper.count_on(int(NOON // 86400), 7)
        keeper.take([_contact(1, 10.0)])
        keeper.write(keeper.prepare([]))
        assert keeper.counts.contacts == 8
        clock.pass_by(86400.0)
        keeper.take([_contact(2, 10.0, NOON + 86400)])
        keeper.write(keeper.prepare([]))
        assert keeper.counts.contacts == 1


def test_nothing_of_a_wrong_clock_is_dated(state: Path, clock: Any) -> None:
    """While the clock is wrong there is no day on the disk, neither of contacts nor of keys."""
    clock.right = False
    with open_appender(state) as appender:
        keeper = Keeper(appender, TimeKeeper(clock, synchronised=False), 1000)
        keeper.take([replace(_contact(1, 10.0, 5.0), synced=False)])
        keeper.write(keeper.prepare([]))
    with container.open_reader(state / STORE_FILE) as connection:
        assert connection.execute("SELECT count(*), count(day) FROM segment WHERE purpose = 1").fetchone() == (1, 0)
    assert os.stat(state / STORE_FILE).st_mode & 0o077 == 0  # noqa: PTH116  the mode is the point
