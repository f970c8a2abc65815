# SPDX-License-Identifier: Apache-2.0
"""Where replayed contacts go: the store keeps the longest of an hour, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bzd.cli import replay_sink
from bzd.cli.replay_sink import Store
from bzd.model import Contact, ScanInstance
from bzd.proximity.quota import HourlyQuota
from bzd.store import create, open_appender, open_reader
from bzd.store.identity import Identity
from bzd.store.segments import Provisional

MIDNIGHT = 1_591_747_200.0
"""2020-06-10T00:00:00Z."""


def _contact(number: int, start: float, seconds: float) -> Contact:
    scan = ScanInstance(0.0, seconds, 2, -60.0, -60)
    return Contact("gaen", number.to_bytes(16, "big"), b"", start, start + seconds, 0.0, 1.0, True, (scan,))


def _stored(folder: Path, contacts: list[Contact], limit: int) -> list[Contact]:
    identity = Identity.generate()
    create(folder, recipients=[identity.public], label="test", now=MIDNIGHT)
    with open_appender(folder) as appender:
        sink = Store(appender, HourlyQuota(limit))
        appender.begin_replay()
        for contact in contacts:
            sink.take(contact)
        sink.finish()
        appender.finish_replay()
        assert sum(map(len, sink._stored.values())) <= limit * replay_sink._HOURS_HELD
    with open_reader(folder, [identity]) as reader:
        assert reader.problems == []
        return list(reader.contacts())


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_longest_of_an_hour_stay_wherever_the_batches_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """A contact that must give way goes, whether it is sealed already or still waits."""
    monkeypatch.setattr(replay_sink, "_BATCH", batch)
    contacts = [_contact(number, MIDNIGHT + number, 10.0 + number) for number in range(10)]
    contacts += [_contact(number, MIDNIGHT + 3600 + number, 99.0 - number) for number in range(10, 20)]
    assert _stored(tmp_path / "s", contacts, 4) == contacts[6:10] + contacts[10:14]


def test_memory_is_bounded_over_many_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of hours long past only the store knows; every contact of them is there."""
    monkeypatch.setattr(replay_sink, "_BATCH", 1)
    contacts = [_contact(hour, MIDNIGHT + hour * 3600, 10.0) for hour in range(60)]
    assert _stored(tmp_path / "s", contacts, 3) == contacts


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_contacts_in_progress_are_sealed_once_and_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Flushed again and again, a contact in progress is one contact; when it closes, within the quota, it is final."""
    monkeypatch.setattr(replay_sink, "_BATCH", batch)
    identity = Identity.generate()
    create(tmp_path / "s", recipients=[identity.public], label="test", now=MIDNIGHT)

    def seen() -> list[float]:
        with open_reader(tmp_path / "s", [identity]) as reader:
            return [contact.duration_s for contact in reader.contacts()]

    with open_appender(tmp_path / "s") as appender:
        sink = Store(appender, HourlyQuota(2))
        appender.begin_replay(Provisional.NO)
        growing = [_contact(number, MIDNIGHT + number, 5.0 + number) for number in range(3)]
        sink.flush((contact.key, contact) for contact in growing)
        assert seen() == [5.0, 6.0, 7.0]
        growing = [_contact(number, MIDNIGHT + number, 15.0 + number) for number in range(3)]
        sink.take(growing[2])
        sink.flush((contact.key, contact) for contact in growing[:2])
        assert seen() == [15.0, 16.0, 17.0]
        sink.take(growing[1])
        sink.take(_contact(0, MIDNIGHT, 14.0))
        sink.flush([])
        assert seen() == [16.0, 17.0]
        sink.take(_contact(9, MIDNIGHT + 9, 99.0))
        sink.finish()
        appender.finish_replay()
    assert seen() == [17.0, 99.0]


@pytest.mark.parametrize("batch", [1, 2, 100])
@pytest.mark.parametrize("flushed", [False, True])
def test_a_contact_heard_twice_is_stored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, *, flushed: bool
) -> None:
    """Of two contacts of one ID from the same instant on, the longer is kept, in whatever order and batch they come."""
    monkeypatch.setattr(replay_sink, "_BATCH", batch)
    identity = Identity.generate()
    create(tmp_path / "s", recipients=[identity.public], label="test", now=MIDNIGHT)
    quota = HourlyQuota(9)
    with open_appender(tmp_path / "s") as appender:
        sink = Store(appender, quota)
        appender.begin_replay(Provisional.NO)
        for contact in (_contact(1, MIDNIGHT, 10.0), _contact(2, MIDNIGHT, 10.0), _contact(1, MIDNIGHT, 20.0)):
            sink.take(contact)
        if flushed:
            sink.flush([(contact.key, contact) for contact in (_contact(2, MIDNIGHT, 5.0), _contact(1, MIDNIGHT, 7.0))])
        for contact in (_contact(2, MIDNIGHT, 8.0), _contact(1, MIDNIGHT, 21.0)):
            sink.take(contact)
        sink.finish()
        appender.finish_replay()
    with open_reader(tmp_path / "s", [identity]) as reader:
        assert [contact.duration_s for contact in reader.contacts()] == [21.0, 10.0]
        assert reader.problems == []
    assert (quota.repeated, quota.refused, quota.pushed_out) == (3, 0, 0)
