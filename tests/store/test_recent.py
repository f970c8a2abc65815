# SPDX-License-Identifier: Apache-2.0
"""The file of recent rows: read as part of the store, and carried over into it."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date
from pathlib import Path

import pytest

from bzd.model import Contact
from bzd.store import Handle, backup, open_appender, open_reader, purge, recent, salvage
from bzd.store.flushing import MERGE_EVERY
from bzd.store.identity import Identity
from bzd.store.recent import HALF_BYTES

from .conftest import DAY, NOW, Live, MakeContact, ReadAll

FILE = "store.sqlite-recent"
_AFTER_THE_CONTACTS = 4
"""The file is read before and after each segment that is opened: first the label's, then the contacts'."""


@contextmanager
def _meanwhile(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> Iterator[None]:
    """Let something happen when a reader has read the contacts in the store, before it looks at the file again."""
    original, calls = recent.read, list[int]()

    def read(store: Path, store_id: bytes) -> recent.Half:
        calls.append(1)
        if len(calls) == _AFTER_THE_CONTACTS:
            happen()
        return original(store, store_id)

    monkeypatch.setattr("bzd.store.merging.read_recent", read)
    yield
    assert len(calls) > _AFTER_THE_CONTACTS, "it did not look again"


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

    def merge_and_grow() -> None:
        live.appender.merge()
        live.grow()

    with _meanwhile(monkeypatch, merge_and_grow):
        found = read_all(live.state)
    assert found == live.contacts


def test_a_reader_notices_that_the_appender_ends(
    live: Live, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read between the store and the file, a badge that stops in its first minutes takes nothing from a reader."""
    grown = live.grow()
    with _meanwhile(monkeypatch, live.close):
        assert read_all(live.state) == grown


def test_a_reader_notices_that_the_appender_began_anew(
    live: Live, read_all: ReadAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a badge that is started again at once, with a new file that nothing has gone into the store from."""
    grown = live.grow()
    with ExitStack() as again:

        def begin_anew() -> None:
            live.close()
            again.enter_context(open_appender(live.state, live=True))

        with _meanwhile(monkeypatch, begin_anew):
            assert read_all(live.state) == grown


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


def test_of_a_purged_key_no_more_is_left_than_its_mark(live: Live, identity: Identity) -> None:
    """Both halves still hold rows that were sealed with it, and no file holds what could open them."""
    live.grow()
    live.grow()
    rows = [
        row[2] for row in recent.read(live.state / "store.sqlite", _store_id(live.state, identity)).rows.values() if row
    ]
    with closing(sqlite3.connect(live.state / "store.sqlite")) as connection:
        keys = [row[0] for row in connection.execute("SELECT sealed FROM sealed_key WHERE id >> 8 = 3")]
    purge(live.state, days=[date(2020, 11, 21)], now=NOW)
    left = b"".join(path.read_bytes() for path in live.state.iterdir() if path.is_file())
    assert (len(rows), all(row in left for row in rows), len(keys)) == (3, True, 1)
    assert keys[0][:16] in left
    runs = {keys[0][at : at + 17] for at in range(len(keys[0]) - 16)}
    assert not any(run in left for run in runs)


def test_export_and_salvage_have_what_is_recent(live: Live, read_all: ReadAll, tmp_path: Path) -> None:
    """Both copies are whole in one file, while the appender goes on."""
    grown = live.grow()
    for number, copy in enumerate((backup, salvage)):
        out = tmp_path / f"{number}.bzd"
        copy(live.state, out)
        assert read_all(out) == grown


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


def test_its_numbers_do_not_tell_for_how_long_somebody_was_near(state: Path, identity: Identity) -> None:
    """Counted from a number that nobody knows, flushes and merges say nothing of the months before."""
    begun = []
    for _ in range(2):
        with open_appender(state, live=True):
            half = recent.read(state / "store.sqlite", _store_id(state, identity))
        begun += [half.sequence, half.merges]
    assert len({*begun}) == 4
    assert min(begun) > 1


def test_the_format_as_documented(live: Live, identity: Identity) -> None:
    """A reader of its own, from the page in `pydoc bzd.store` alone, finds the rows; unused space is zero."""
    live.grow()
    live.grow()
    data, store_id = (live.state / FILE).read_bytes(), _store_id(live.state, identity)
    assert len(data) == 262_144
    counts = []
    for half in (data[:131_072], data[131_072:]):
        magic, owner, sequence, merges, segments, rows, gone = struct.unpack_from(">16s16sQQIII", half)
        assert (magic, owner, segments, rows, gone) == (b"bzd recent rows\x01", store_id, 1, 3, 0)
        end = 60 + 20 * segments + 444 * rows + 8 * gone
        assert hashlib.sha256(half[:end]).digest() == half[end : end + 32]
        assert not half[end + 32 :].strip(b"\0")
        segment, _ = struct.unpack_from(">I16s", half, 60)
        numbers = [struct.unpack_from(">Q", half, 80 + 444 * row)[0] for row in range(rows)]
        assert [number >> 32 for number in numbers] == [segment] * 3
        counts.append((sequence, merges))
    assert abs(counts[0][0] - counts[1][0]) == 1
    assert counts[0][1] == counts[1][1]


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
