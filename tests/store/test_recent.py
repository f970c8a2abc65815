# SPDX-License-Identifier: Apache-2.0
"""The file of recent rows: read as part of the store, carried over into it, and no loss whatever happens between."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path

import pytest

from bzd.errors import DiskFullError, OutputError
from bzd.model import Contact
from bzd.store import Appender, Handle, backup, open_appender, open_reader, purge, recent, salvage
from bzd.store.flushing import MERGE_EVERY
from bzd.store.identity import Identity
from bzd.store.recent import HALF_BYTES, Recent

from .conftest import DAY, NOW, MakeContact, ReadAll

FILE = "store.sqlite-recent"


class Live:
    """An appender whose contacts are in progress."""

    def __init__(self, state: Path, make_contact: MakeContact, number: int = 3) -> None:
        self._make, self._stack = make_contact, ExitStack()
        self.state, self.scans = state, 2
        self.appender: Appender = self._stack.enter_context(open_appender(state, live=True))
        self.contacts = [make_contact(n) for n in range(number)]
        self.handles: list[Handle] = self.appender.commit(self.contacts)

    def grow(self) -> list[Contact]:
        """All of them grow by a minute; what they are then."""
        self.scans += 1
        self.contacts = [self._make(n, self.scans) for n in range(len(self.contacts))]
        self.appender.commit(replace=dict(zip(self.handles, self.contacts, strict=True)))
        return self.contacts

    def image(self, name: str) -> Path:
        """The state directory as a power cut would leave it now."""
        return Path(shutil.copytree(self.state, self.state.with_name(name)))

    def close(self) -> None:
        """End it."""
        self._stack.close()


@pytest.fixture
def live(state: Path, make_contact: MakeContact) -> Iterator[Live]:
    """Three contacts, which the store has as they began."""
    made = Live(state, make_contact)
    yield made
    with suppress(Exception):
        made.close()


def test_growing_contacts_leave_the_store_alone(live: Live, read_all: ReadAll) -> None:
    """Flushes go into the file, and readers have them at once; now and then they go into the store."""
    paths = [live.state / name for name in ("store.sqlite", "store.sqlite-wal")]
    before = [path.read_bytes() for path in paths]
    for _ in range(MERGE_EVERY):
        grown = live.grow()
        assert read_all(live.state) == grown
        assert [path.read_bytes() for path in paths] == before
    grown = live.grow()
    assert read_all(live.state) == grown
    assert paths[1].read_bytes() != before[1]


def test_what_is_closed_lies_in_the_store_alone(live: Live, read_all: ReadAll) -> None:
    """Whoever copies only the store of an appender that ended loses nothing."""
    grown = live.grow()
    live.close()
    assert not (live.state / FILE).exists()
    assert read_all(live.state) == grown


def test_after_a_kill_nothing_is_lost(live: Live, read_all: ReadAll) -> None:
    """What the last flush wrote is read, and the next appender of either kind takes it over."""
    grown = live.grow()
    for kind in (True, False):
        image = live.image(f"killed {kind}")
        assert read_all(image) == grown
        with open_appender(image, live=kind):
            assert read_all(image) == grown
        assert not (image / FILE).exists()
        assert read_all(image) == grown


def test_a_torn_flush_costs_that_flush(live: Live, read_all: ReadAll) -> None:
    """Wherever the power went while a half was written: what the flush before it wrote is there."""
    older, before = live.grow(), (live.state / FILE).read_bytes()
    newer, after = live.grow(), (live.state / FILE).read_bytes()
    at = [place for place in range(2 * HALF_BYTES) if before[place] != after[place]]
    image, rng = live.image("torn"), random.Random(7)
    for cut in [at[0] + 1, at[-1], *rng.sample(range(at[0] + 1, at[-1]), 20)]:
        (image / FILE).write_bytes(after[:cut] + before[cut:])
        assert read_all(image) == older
    (image / FILE).write_bytes(after)
    assert read_all(image) == newer


def test_every_changed_byte_is_noticed(live: Live, read_all: ReadAll) -> None:
    """A card that forgets: one half makes do with the other, and if neither makes sense that is told."""
    older, newer = live.grow(), live.grow()
    image, whole = live.image("damaged"), (live.state / FILE).read_bytes()
    used = [place for place in range(len(whole)) if whole[place]]
    for place in random.Random(3).sample(used, 40):
        (image / FILE).write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        assert read_all(image) in (older, newer)


@pytest.mark.parametrize("content", [b"noise" * 1000, b"bzd recent rows\x01" + b"\xff" * 500, bytes(60) + b"\x01"])
def test_a_senseless_file_is_told_and_made_anew(
    live: Live, identity: Identity, make_contact: MakeContact, content: bytes
) -> None:
    """Readers have what the store has and say what is missing; the badge goes on."""
    live.grow()
    image = live.image("senseless")
    (image / FILE).write_bytes(content)
    with open_reader(image, [identity]) as reader:
        assert list(reader.contacts()) == [make_contact(n) for n in range(3)]
        assert any("the last minutes may be missing" in problem for problem in reader.problems)
    with open_appender(image, live=True) as appender:
        appender.commit([make_contact(9)])
    with open_reader(image, [identity]) as reader:
        assert len(list(reader.contacts())) == 4
        assert reader.problems == []


def test_what_is_no_file_keeps_nobody_waiting(live: Live, identity: Identity) -> None:
    """A pipe and a link in its place are not followed."""
    image = live.image("strange")
    (image / FILE).unlink()
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(image / FILE)
        with open_reader(image, [identity]) as reader:
            assert len(list(reader.contacts())) == 3
            assert "the last minutes may be missing" in "".join(reader.problems)
        (image / FILE).unlink()


def test_the_file_of_another_store_is_not_believed(live: Live, identity: Identity) -> None:
    """Rows are bound to their store, whose ID stands at the head of each half."""
    live.grow()
    half = recent.read(live.state / "store.sqlite", _store_id(live.state, identity))
    assert half.rows
    with pytest.raises(ValueError, match="sense"):
        recent.read(live.state / "store.sqlite", bytes(16))


def test_what_was_removed_stays_removed(live: Live, read_all: ReadAll) -> None:
    """Of the store's rows and of recent ones, before the next merge and after it."""
    live.grow()
    live.appender.commit(remove=live.handles[:1])
    extra = live.appender.commit([live.contacts[0]])
    live.appender.commit(remove=extra)
    left = live.contacts[1:]
    assert read_all(live.state) == left
    assert read_all(live.image("before")) == left
    live.appender.merge()
    assert read_all(live.state) == left
    live.close()
    assert read_all(live.state) == left


def test_power_fails_between_the_store_and_the_file(
    live: Live, read_all: ReadAll, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was carried over is still in the file: nothing of that is there twice, nothing newer is hidden by it."""
    grown = live.grow()

    def fail(_: Recent) -> None:
        raise OutputError("the power fails here")

    monkeypatch.setattr(Recent, "clear", fail)
    with pytest.raises(OutputError):
        live.appender.merge()
    assert read_all(live.state) == grown
    with pytest.raises(OutputError):
        live.appender.commit([make_contact(5, day=DAY + 1)])
    image = live.image("between")
    monkeypatch.undo()
    assert read_all(image) == grown
    with open_appender(image, live=True):
        assert read_all(image) == grown
    live.appender.commit([make_contact(5, day=DAY + 1)])
    assert read_all(live.state) == [*grown, make_contact(5, day=DAY + 1)]


def test_a_new_day_takes_what_is_recent_along(live: Live, read_all: ReadAll, make_contact: MakeContact) -> None:
    """A contact that needs a segment goes into the store, after what is recent; what grows goes on growing."""
    live.grow()
    (tomorrow,) = live.appender.commit([make_contact(7, day=DAY + 1)])
    assert (live.state / FILE).read_bytes().count(b"bzd recent rows") == 2
    grown = live.grow()
    later = make_contact(7, 5, day=DAY + 1)
    live.appender.commit(replace={tomorrow: later})
    assert read_all(live.state) == [*grown, later]
    live.appender.end_segments()
    assert read_all(live.state) == [*grown, later]


def test_a_merge_meanwhile_hides_nothing_from_a_reader(
    live: Live, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has read the store before a merge and the file after it begins anew."""
    live.grow()
    original = recent.read
    calls: list[int] = []

    def read(store: Path, store_id: bytes) -> recent.Half:
        calls.append(1)
        if len(calls) == 2:
            live.appender.merge()
            live.grow()
        return original(store, store_id)

    monkeypatch.setattr("bzd.store.merging.read_recent", read)
    found = read_all(live.state)
    assert len(calls) > 4
    assert found == live.contacts


def test_more_than_fits_goes_into_the_store(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """Hundreds of contacts in progress are kept as they would be without the file."""
    live = Live(state, make_contact, 400)
    for _ in range(3):
        grown = live.grow()
        assert read_all(state) == grown
        assert recent.beside(state / "store.sqlite").stat().st_size == 2 * HALF_BYTES
    live.close()
    assert read_all(state) == live.contacts


def test_a_purge_beside_the_appender_takes_recent_rows_along(
    live: Live, read_all: ReadAll, make_contact: MakeContact
) -> None:
    """Nobody gets to see them again, even if another segment gets the number; what comes then is kept."""
    live.grow()
    purge(live.state, days=[date(2020, 11, 21)], now=NOW)
    assert read_all(live.state) == []
    with open_appender(live.image("after"), live=False) as other:
        other.commit([make_contact(1)])
    assert read_all(live.state.with_name("after")) == [make_contact(1)]
    assert read_all(live.state) == []
    grown = live.grow()
    assert read_all(live.state) == grown


def test_export_and_salvage_have_what_is_recent(live: Live, read_all: ReadAll, tmp_path: Path) -> None:
    """Both copies are whole in one file, while the appender goes on."""
    grown = live.grow()
    for number, copy in enumerate((backup, salvage)):
        out = tmp_path / f"{number}.bzd"
        copy(live.state, out)
        assert read_all(out) == grown


def test_a_full_disk_is_told_at_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for the next merge, the flush goes through SQLite and fails or not as that does."""
    monkeypatch.setattr("bzd.store.flushing._is_full", lambda _: True)
    live.grow()
    assert not live.appender._flushing._recent.rows  # type: ignore[union-attr]

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.undo()
    monkeypatch.setattr(os, "pwrite", refuse)
    before = [segment.rows for segment in live.appender._open.values()]
    with pytest.raises(DiskFullError):
        live.grow()
    assert [segment.rows for segment in live.appender._open.values()] == before
    monkeypatch.undo()
    live.grow()
    live.close()


def test_whatever_is_done_in_whatever_order(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """Adding, growing, removing, new days, merges, kills and restarts: what is read is what was last committed."""
    rng, expected, number = random.Random(11), dict[int, Contact](), 0
    handles: dict[int, Handle] = {}
    for life in range(12):
        with ExitStack() as stack:
            appender = stack.enter_context(open_appender(state, live=life % 5 != 4))
            handles.clear()
            for _ in range(rng.randrange(3, 25)):
                add = {number + n: make_contact(number + n, day=DAY + rng.choice((0, 0, 0, 1))) for n in range(2)}
                number += 2
                grow = {n: _longer(expected[n]) for n in rng.sample(sorted(handles), min(2, len(handles)))}
                remove = [n for n in rng.sample(sorted(handles), len(handles) // 8) if n not in grow]
                made = appender.commit(
                    list(add.values()),
                    {handles[n]: contact for n, contact in grow.items()},
                    [handles[n] for n in remove],
                )
                expected |= add | grow
                handles |= dict(zip(add, made, strict=True))
                for n in remove:
                    del expected[n], handles[n]
                assert _by_start(read_all(state)) == _by_start(expected.values())
                if (then := rng.randrange(10)) < 2:
                    (appender.merge, appender.end_segments)[then]()
            # A kill: the directory as it is now, with nothing of what closing would do.
            killed = Path(shutil.copytree(state, state.with_name(f"life {life}")))
        assert _by_start(read_all(state)) == _by_start(expected.values())
        state = killed


def test_a_thief_reads_nothing_in_it(live: Live) -> None:
    """Neither an ID nor metadata of whom the badge met, in either half."""
    live.grow()
    live.grow()
    data = (live.state / FILE).read_bytes()
    for contact in live.contacts:
        assert contact.rolling_id not in data
        assert contact.metadata not in data


def test_the_format_as_documented(live: Live, identity: Identity) -> None:
    """A reader of its own, from the page in `pydoc bzd.store` alone, finds the rows; unused space is zero."""
    live.grow()
    live.grow()
    data, store_id = (live.state / FILE).read_bytes(), _store_id(live.state, identity)
    assert len(data) == 262_144
    sequences = []
    for half in (data[:131_072], data[131_072:]):
        magic, owner, sequence, merges, segments, rows, gone = struct.unpack_from(">16s16sQQIII", half)
        assert (magic, owner, merges, segments, rows, gone) == (b"bzd recent rows\x01", store_id, 0, 1, 3, 0)
        end = 60 + 20 * segments + 444 * rows + 8 * gone
        assert hashlib.sha256(half[:end]).digest() == half[end : end + 32]
        assert not half[end + 32 :].strip(b"\0")
        segment, _ = struct.unpack_from(">I16s", half, 60)
        numbers = [struct.unpack_from(">Q", half, 80 + 444 * row)[0] for row in range(rows)]
        assert [number >> 32 for number in numbers] == [segment] * 3
        sequences.append(sequence)
    assert abs(sequences[0] - sequences[1]) == 1


def _longer(contact: Contact) -> Contact:
    return Contact(
        **{field: getattr(contact, field) for field in contact.__dataclass_fields__} | {"end": contact.end + 1}
    )


def _by_start(contacts: object) -> list[Contact]:
    found: list[Contact] = sorted(contacts, key=lambda contact: (contact.start, contact.rolling_id))  # type: ignore[call-overload]
    return found


def _store_id(state: Path, identity: Identity) -> bytes:
    with open_reader(state, [identity]) as reader:
        return reader.store_id
