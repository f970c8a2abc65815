# SPDX-License-Identifier: Apache-2.0
"""Contacts and keys of a clock that was not right, dated by what was learnt later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bzd.model import Contact, DailyKey, ScanInstance
from bzd.store import open_appender, open_reader, purge
from bzd.store.dating import Clocks
from bzd.store.identity import Identity
from bzd.store.records import ClockAnchor

MakeContact = Callable[..., Contact]
BOOT, OTHER = b"a" * 16, b"b" * 16
RIGHT = 1_606_000_000.0
"""Wall clock at boottime 0 of BOOT, known later."""
DAY = int(RIGHT // 86400)


def _early(contact: Contact, boottime: float) -> Contact:
    length = contact.end - contact.start
    return replace(contact, start=boottime, end=boottime + length, synced=False)


def test_a_later_anchor_of_the_same_boot_dates_what_was_before(
    state: Path, identity: Identity, make_contact: MakeContact
) -> None:
    """Contacts of 1970 come out with their right times, synced, content otherwise unchanged, in order."""
    early, late = _early(make_contact(1), 100.0), replace(make_contact(2), start=RIGHT + 5000, end=RIGHT + 5100)
    with open_appender(state) as appender:
        appender.undated = ClockAnchor(BOOT, 50.0, 55.5, synced=False)
        appender.commit(add=[early])
        appender.undated = None
        appender.add_anchor(ClockAnchor(BOOT, 4000.0, RIGHT + 4000, synced=True), DAY)
        appender.commit(add=[late])
    with open_reader(state, [identity]) as reader:
        first, second = reader.contacts()
        assert reader.problems == []
    assert first == replace(early, start=RIGHT + 100, end=RIGHT + 100 + early.end - early.start, synced=True)
    assert second == late


def test_an_anchor_of_a_later_process_dates_too(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """A daemon that was killed before the clock was right leaves contacts that its successor's anchor dates."""
    early = _early(make_contact(1), 100.0)
    with open_appender(state) as appender:
        appender.undated = ClockAnchor(BOOT, 50.0, 55.5, synced=False)
        appender.commit(add=[early])
    with open_appender(state) as appender:
        appender.add_anchor(ClockAnchor(BOOT, 9000.0, RIGHT + 9000, synced=True), DAY)
    with open_reader(state, [identity]) as reader:
        assert [contact.start for contact in reader.contacts(since=RIGHT, until=RIGHT + 200)] == [RIGHT + 100]


def test_a_boot_that_never_was_right_stays_a_guess(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """Its contacts have the last guess of that boot, not the time of another, and say that they are not synced."""
    with open_appender(state) as appender:
        appender.undated = ClockAnchor(BOOT, 50.0, 1_500_000_050.0, synced=False)
        appender.commit(add=[_early(make_contact(1), 100.0)])
        appender.add_anchor(ClockAnchor(OTHER, 4000.0, RIGHT + 4000, synced=True), DAY)
    with open_reader(state, [identity]) as reader:
        (contact,) = reader.contacts()
    assert (contact.start, contact.synced) == (1_500_000_100.0, False)


def test_every_segment_without_a_day_names_its_boot(state: Path, identity: Identity, make_contact: MakeContact) -> None:
    """Also the one that begins because another process purged its predecessor."""
    with open_appender(state) as appender:
        appender.undated = ClockAnchor(BOOT, 50.0, 60.0, synced=False)
        appender.commit(add=[_early(make_contact(1), 100.0)])
        purge(state, days=None, before=None, now=RIGHT)
        appender.commit(add=[_early(make_contact(2), 200.0)])
        appender.end_segments()
        appender.commit(add=[_early(make_contact(3), 300.0)])
        appender.add_anchor(ClockAnchor(BOOT, 4000.0, RIGHT + 4000, synced=True), DAY)
    with open_reader(state, [identity]) as reader:
        assert [contact.start - RIGHT for contact in reader.contacts()] == [200.0, 300.0]


def test_the_last_word_on_a_clock_counts() -> None:
    """A clock that was right twice was right the second time; nonsense leaves a contact as it is."""
    wrong, right = (ClockAnchor(BOOT, 10.0, wall, synced=True) for wall in (RIGHT - 900, RIGHT + 10))
    segment = [ClockAnchor(BOOT, 0.0, 0.0, synced=False)]
    contact = Contact("gaen", bytes(16), b"", 5.0, 6.0, 0.0, None, False, (ScanInstance(0.0, 1.0, 1, -60.0, -60),))
    assert [found.start for found in Clocks([wrong, right]).dated(contact, segment)] == [RIGHT + 5]
    far = ClockAnchor(BOOT, 1e12, 0.0, synced=True)
    assert Clocks([far]).dated(contact, segment) == [contact]


def test_keys_of_a_wrong_clock_count_only_if_it_was_nearly_right(state: Path, identity: Identity) -> None:
    """A key used within two hours of its time can be published; one of 1970, or of a clock never known, cannot."""
    keys = [DailyKey("gaen", bytes([n]) * 16, RIGHT, RIGHT + 600) for n in range(4)]
    boots = [bytes([n]) * 16 for n in range(3)]
    with open_appender(state) as appender:
        for key, boot, guess in zip(keys, boots, (RIGHT - 7000, 0.0, RIGHT), strict=False):
            appender.end_segments()
            appender.undated = ClockAnchor(boot, 0.0, guess, synced=False)
            appender.add_keys([key], dated=False)
        for boot in boots[:2]:
            appender.add_anchor(ClockAnchor(boot, 0.0, RIGHT, synced=True), DAY)
        appender.add_keys([keys[3]])
    with open_reader(state, [identity]) as reader:
        found = list(reader.keys())
        assert {key.key for key in found} == {keys[0].key, keys[3].key}
        assert reader.problems == []
