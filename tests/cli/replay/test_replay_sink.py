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
