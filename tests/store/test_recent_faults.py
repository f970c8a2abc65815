# SPDX-License-Identifier: Apache-2.0
"""The file of recent rows when something goes wrong: power, card, disk, strangers' files, other versions."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from bzd.errors import DiskFullError, OutputError
from bzd.store import backup, open_appender, open_reader, recent
from bzd.store.identity import Identity
from bzd.store.recent import HALF_BYTES, Recent

from .conftest import DAY, Live, MakeContact, ReadAll

FILE = "store.sqlite-recent"


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


def test_the_very_first_flush_may_be_torn(live: Live, read_all: ReadAll) -> None:
    """There is a whole half from the beginning, so that a power cut then is no damage."""
    began, before = live.contacts, (live.state / FILE).read_bytes()
    live.grow()
    after, image = (live.state / FILE).read_bytes(), live.image("torn first")
    at = [place for place in range(2 * HALF_BYTES) if before[place] != after[place]]
    for cut in (at[0] + 1, at[len(at) // 2], at[-1]):
        (image / FILE).write_bytes(after[:cut] + before[cut:])
        assert read_all(image) == began


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
    """Readers have what the store has and say what is missing; the badge says so too, and goes on."""
    live.grow()
    image = live.image("senseless")
    (image / FILE).write_bytes(content)
    with open_appender(image) as passing:
        assert passing.lost
    with open_reader(image, [identity]) as reader:
        assert list(reader.contacts()) == [make_contact(n) for n in range(3)]
        (problem,) = reader.problems
        assert "the last minutes may be missing" in problem
    with open_appender(image, live=True) as appender:
        assert "the last minutes may be missing" in appender.lost
        with open_reader(image, [identity]) as reader:
            assert len(list(reader.contacts())) == 3
            assert reader.problems == []
        appender.commit([make_contact(9)])
    with open_reader(image, [identity]) as reader:
        assert len(list(reader.contacts())) == 4
        assert reader.problems == []


def test_what_is_no_file_keeps_nobody_waiting(live: Live, identity: Identity) -> None:
    """A pipe and a link in its place are not followed; the badge puts a file there instead of a pipe."""
    image = live.image("strange")
    (image / FILE).unlink()
    for make in (lambda path: path.symlink_to("/dev/zero"), os.mkfifo):
        (image / FILE).unlink(missing_ok=True)
        make(image / FILE)
        with open_reader(image, [identity]) as reader:
            assert len(list(reader.contacts())) == 3
            assert "the last minutes may be missing" in "".join(reader.problems)
    with open_appender(image, live=True) as appender:
        assert (appender.lost != "", (image / FILE).is_file()) == (True, True)


def test_where_the_card_has_lost_it_the_badge_starts_all_the_same(
    live: Live, read_all: ReadAll, make_contact: MakeContact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sector that cannot be read costs the last minutes, not every start from then on, nor an export."""
    live.grow()
    image, out = live.image("unreadable"), tmp_path / "copy.bzd"

    def lost(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with ExitStack() as stack:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", lost)
            backup(image, out)
            appender = stack.enter_context(open_appender(image, live=True))
        assert "the last minutes may be missing: Input/output error" in appender.lost
        appender.commit([make_contact(7)])
    for path, numbers in ((out, (0, 1, 2)), (image, (0, 1, 2, 7))):
        assert read_all(path) == [make_contact(n) for n in numbers]


def test_the_file_of_another_store_is_not_believed(live: Live, identity: Identity) -> None:
    """Rows are bound to their store, whose ID stands at the head of each half."""
    live.grow()
    with open_reader(live.state, [identity]) as reader:
        half = recent.read(live.state / "store.sqlite", reader.store_id)
    assert half.rows
    with pytest.raises(ValueError, match="sense"):
        recent.read(live.state / "store.sqlite", bytes(16))


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


def test_where_there_is_no_room_for_the_file_the_badge_starts_all_the_same(
    state: Path, make_contact: MakeContact, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes through SQLite alone, and begins the file once there is room."""
    with monkeypatch.context() as patch:
        patch.setattr("bzd.store.flushing._is_full", lambda _: True)
        live = Live(state, make_contact)
        grown = live.grow()
        assert read_all(state) == grown
        assert not (state / FILE).exists()
    log = (state / "store.sqlite-wal").read_bytes()
    grown = live.grow()
    assert read_all(state) == grown
    assert (state / FILE).exists()
    assert (state / "store.sqlite-wal").read_bytes() == log
    live.close()


def test_a_badge_starts_though_what_it_left_finds_no_room_in_the_store(
    live: Live, read_all: ReadAll, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where it is and is read from there, until there is room; a command that passes by says why it fails."""
    grown = live.grow()
    image = live.image("full")

    def full(*_: object) -> None:
        raise DiskFullError("cannot write store.sqlite: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("bzd.store.merging.merge", full)
        with pytest.raises(DiskFullError), open_appender(image):
            pass
    with ExitStack() as stack:
        with monkeypatch.context() as patch:
            patch.setattr("bzd.store.merging.merge", full)
            appender = stack.enter_context(open_appender(image, live=True))
            with pytest.raises(DiskFullError):
                appender.commit([make_contact(7)])
            assert read_all(image) == grown
        appender.commit([make_contact(7)])
    assert read_all(image) == [*grown, make_contact(7)]


def test_a_card_that_cannot_be_asked_for_room_is_an_error_of_ours(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon then tells it, and tries again."""

    def dead(_: Path) -> os.statvfs_result:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", dead)
        with pytest.raises(OutputError, match="Input/output error"):
            live.grow()
    live.grow()


def test_an_empty_file_that_cannot_be_removed_harms_nobody(
    live: Live, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that has become read-only: the end of a badge is no traceback."""

    def refuse(_: Path, *, missing_ok: bool = False) -> None:
        raise OSError(30, f"Read-only file system {missing_ok}")

    grown = live.grow()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        live.close()
    assert (live.state / FILE).exists()
    assert read_all(live.state) == grown


def test_what_a_failed_flush_wrote_is_overwritten(
    live: Live, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the end of what comes next in that half as well."""

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OutputError):
            live.appender.commit([make_contact(n) for n in range(20, 60)])
    live.grow()
    data = (live.state / FILE).read_bytes()
    for half in (data[:HALF_BYTES], data[HALF_BYTES:]):
        assert len(half.rstrip(b"\0")) <= 60 + 20 + 3 * 444 + 32


class _Ignoring:
    """What stands for `Flushing` in a bzd from before there was such a file."""

    lost = ""

    def __init__(self, *_: object, **__: object) -> None: ...

    def merge(self) -> None: ...

    def commit(self, *_: object) -> None: ...

    def close(self) -> None: ...


def test_back_to_a_version_without_the_file_and_up_again(
    live: Live, read_all: ReadAll, make_contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped properly it misses nothing; after a kill it misses the last minutes, which an upgrade brings back."""
    grown = live.grow()
    killed = live.image("killed")
    live.close()
    later = [make_contact(n, 4) for n in (7, 8)]
    with monkeypatch.context() as patch:
        patch.setattr("bzd.store.appender.Flushing", _Ignoring)
        patch.setattr("bzd.store.merging.read_recent", lambda *_: recent.NOTHING)
        for state, known in ((live.state, grown), (killed, [make_contact(n) for n in range(3)])):
            with open_appender(state) as appender:
                appender.commit(later)
            assert read_all(state) == [*known, *later]
    assert read_all(killed) == [*grown, *later]
    with open_appender(killed, live=True):
        pass
    assert not (killed / FILE).exists()
    assert read_all(killed) == [*grown, *later]
