# SPDX-License-Identifier: Apache-2.0
"""Appending to a store, and reading back what was appended."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bzd.errors import BusyError, StateError
from bzd.model import Contact, DailyKey
from bzd.store import open_appender, open_reader
from bzd.store.appender import OPEN_SEGMENTS_MAX
from bzd.store.identity import Identity
from bzd.store.records import ClockAnchor
from bzd.store.segments import Provisional

MakeContact = Callable[..., Contact]
ReadAll = Callable[[Path], list[Contact]]
TRACE = hashlib.sha256(b"a trace").digest()


def rows(state: Path) -> dict[int, bytes]:
    """Row ID and sealed record of every row, as they lie in the file."""
    connection = sqlite3.connect(state / "store.sqlite")
    found = dict(connection.execute("SELECT id, sealed FROM record").fetchall())
    connection.close()
    return found


def test_contacts_come_back_in_order_of_start(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """What was committed is read back equal, sorted by start, whatever the order of writing and however long."""
    contacts = [make_contact(n, scans) for n, scans in ((5, 1), (3, 24), (9, 25), (1, 300))]
    with open_appender(state) as appender:
        assert len(appender.commit(contacts)) == 4
    assert read_all(state) == sorted(contacts, key=lambda contact: contact.start)


def test_days_and_undated_have_their_own_segments(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """Contacts of several days and contacts without a right clock are read as one sorted sequence."""
    contacts = [make_contact(n, day=18_587 + n % 3, synced=n % 4 != 0) for n in range(24)]
    with open_appender(state) as appender:
        appender.commit(contacts)
    assert read_all(state) == sorted(contacts, key=lambda contact: contact.start)
    connection = sqlite3.connect(state / "store.sqlite")
    days = [row[0] for row in connection.execute("SELECT day FROM segment WHERE purpose = 1")]
    connection.close()
    assert sorted(days, key=str) == [18_587, 18_588, 18_589, None]


def test_growing_contact_rewrites_only_its_last_record(
    state: Path, make_contact: MakeContact, read_all: ReadAll
) -> None:
    """Replacing a contact of 50 instances by one of 80 leaves its full records alone and adds what is new."""
    with open_appender(state) as appender:
        (handle,) = appender.commit([make_contact(1, 50)])
        before = rows(state)
        assert appender.commit(replace={handle: make_contact(1, 80)}) == []
        after = rows(state)
        changed = [row for row in after if before.get(row) != after[row]]
        assert (len(before) + 1, len(changed)) == (len(after), 2)
        appender.commit(replace={handle: make_contact(1, 3)})
    assert read_all(state) == [make_contact(1, 3)]


def test_rewritten_rows_take_a_fresh_nonce(state: Path, make_contact: MakeContact) -> None:
    """The same contact written twice into its row gives another nonce and another blob."""
    with open_appender(state) as appender:
        (handle,) = appender.commit([make_contact(1)])
        before = rows(state)
        appender.commit(replace={handle: make_contact(1)})
        after = rows(state)
    changed = [row for row in before if before[row] != after[row]]
    assert (before.keys() == after.keys(), len(changed)) == (True, 1)


def test_removed_contacts_are_gone_and_accounted_for(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """Contacts that are removed do not come back, and the sealed row count knows."""
    with open_appender(state) as appender:
        handles = appender.commit([make_contact(n, 30) for n in range(6)])
        appender.commit(add=[make_contact(7)], remove=handles[:3])
    assert read_all(state) == [make_contact(n, 30) for n in range(3, 6)] + [make_contact(7)]


def test_failed_batch_changes_nothing(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """A contact that does not fit a record undoes its whole batch, and the appender goes on as if it had not been."""
    misfit = make_contact(2)
    object.__setattr__(misfit, "rolling_id", bytes(99))
    with open_appender(state) as appender:
        (handle,) = appender.commit([make_contact(1)])
        with pytest.raises(ValueError, match="rolling id"):
            appender.commit([make_contact(5, day=18_600), misfit], replace={handle: make_contact(1, 9)})
        appender.commit([make_contact(3)], replace={handle: make_contact(1, 4)})
    assert read_all(state) == [make_contact(1, 4), make_contact(3)]


def test_more_days_than_segments_stay_open(state: Path, make_contact: MakeContact, read_all: ReadAll) -> None:
    """A trace over more days than are kept open loses nothing, also where contacts of ended segments change."""
    days = range(18_000, 18_000 + OPEN_SEGMENTS_MAX + 8)
    with open_appender(state) as appender:
        handles = [appender.commit([make_contact(1, day=day), make_contact(2, day=day)]) for day in days]
        appender.commit(replace={handles[0][0]: make_contact(1, 7, day=days[0])}, remove=[handles[1][0]])
    expected = [make_contact(n, day=day) for day in days for n in (1, 2)]
    expected[0] = make_contact(1, 7, day=days[0])
    del expected[2]
    assert read_all(state) == expected


def test_own_keys_and_anchors_come_back(state: Path, identity: Identity) -> None:
    """Daily keys in their order and clock anchors are read back equal; a store with own keys is known for one."""
    keys = [DailyKey("gaen", bytes([n % 251]) * 16, 86400.0 * n, 86400.0 * (n + 1)) for n in (18_588, 18_587)]
    anchor = ClockAnchor(bytes(range(16)), 12.345, 1_606_000_000.5, synced=True)
    with open_appender(state) as appender:
        assert not appender.has_own_keys()
        appender.add_keys(keys)
        appender.add_anchor(anchor, None)
        assert appender.has_own_keys()
    with open_reader(state, [identity]) as reader:
        assert list(reader.keys()) == keys
        assert list(reader.anchors()) == [anchor]
        assert reader.problems == []


def test_new_recipient_counts_from_the_next_segment(state: Path, make_contact: MakeContact) -> None:
    """A public key that is added later opens what is written after it, and not what was before."""
    second = Identity.generate()
    with open_appender(state) as appender:
        appender.commit([make_contact(1)])
    (state / "recipients" / "second.pub").write_bytes(second.public.dumps())
    with open_appender(state) as appender:
        appender.commit([make_contact(2)])
    with open_reader(state, [second]) as reader:
        assert list(reader.contacts()) == [make_contact(2)]
        added, unopened = reader.problems
        assert "sealed to 2 public keys, before to 1" in added
        assert "not opened" in unopened


def test_finished_replay_is_kept_and_remembered(
    state: Path, identity: Identity, make_contact: MakeContact, read_all: ReadAll
) -> None:
    """A replay shows only once it is finished, and then its trace is known."""
    with open_appender(state) as appender:
        appender.commit([make_contact(1)])
        appender.begin_replay()
        appender.commit([make_contact(2)])
        assert not appender.known_trace(TRACE)
        with open_reader(state, [identity]) as reader:
            assert list(reader.contacts()) == [make_contact(1)]
            assert "has not finished" in reader.problems[0]
        appender.finish_replay([TRACE, TRACE])
        assert appender.known_trace(TRACE)
        appender.commit([make_contact(3)])
    assert read_all(state) == [make_contact(1), make_contact(2), make_contact(3)]


@pytest.mark.parametrize("provisional", Provisional)
def test_a_replay_can_be_discarded_whole(
    state: Path, make_contact: MakeContact, read_all: ReadAll, provisional: Provisional
) -> None:
    """Whether readers saw it or not, over many days and segments: all that the replay added goes, and nothing else."""
    with open_appender(state) as appender:
        appender.commit([make_contact(1)])
        appender.begin_replay(provisional)
        for number in range(2, 5):
            appender.commit([make_contact(number)])
            appender.end_segments()
        if provisional is not Provisional.HIDDEN:
            assert len(read_all(state)) == 4
        appender.discard_replay()
        assert read_all(state) == [make_contact(1)]
        appender.commit([make_contact(9)])
    assert read_all(state) == [make_contact(1), make_contact(9)]


@pytest.mark.parametrize(("provisional", "kept"), [(Provisional.SHOWN, 1), (Provisional.NO, 2)])
@pytest.mark.parametrize("killed", [False, True])
def test_a_replay_that_readers_see_goes_or_stays_as_it_was_begun(
    state: Path, make_contact: MakeContact, read_all: ReadAll, provisional: Provisional, kept: int, *, killed: bool
) -> None:
    """What could be repeated goes with the next appender if the replay does not end; what cannot, stays."""
    child = os.fork()
    if child == 0:
        with open_appender(state) as appender:
            appender.commit([make_contact(1)])
            appender.begin_replay(provisional)
            appender.commit([make_contact(2)])
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(child, 0)
    if killed:
        assert len(read_all(state)) == 2
    with open_appender(state):
        pass
    assert read_all(state) == [make_contact(number) for number in range(1, kept + 1)]


@pytest.mark.parametrize("ending", ["closed", "interrupted", "killed"])
def test_unfinished_replay_leaves_nothing(
    state: Path, make_contact: MakeContact, read_all: ReadAll, ending: str
) -> None:
    """A replay that was closed, interrupted or killed before its end is as if it had not been."""
    child = os.fork()
    if child == 0:
        with suppress(KeyboardInterrupt), open_appender(state) as appender:
            appender.commit([make_contact(1)])
            appender.begin_replay()
            appender.commit([make_contact(n) for n in range(2, 9)])
            if ending == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if ending == "interrupted":
                raise KeyboardInterrupt
        os._exit(0)
    os.waitpid(child, 0)
    if ending != "killed":
        assert read_all(state) == [make_contact(1)]
    with open_appender(state) as appender:
        assert not appender.known_trace(TRACE)
        appender.commit([make_contact(2)])
    assert read_all(state) == [make_contact(1), make_contact(2)]


def test_second_appender_is_refused(state: Path) -> None:
    """Neither this process nor another may append while one does, and one may when it has ended."""
    script = (
        "from pathlib import Path; from bzd.store import open_appender; "
        f"open_appender(Path({str(state)!r})).__enter__()"
    )
    with open_appender(state):
        with pytest.raises(BusyError, match="appending"), open_appender(state):
            pass
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "BusyError" in other.stderr
    with open_appender(state):
        pass


def test_forked_child_does_not_hold_the_lock(state: Path) -> None:
    """A child that outlives its parent's appender does not keep others out, and is kept out itself."""
    reader, writer = os.pipe()
    with open_appender(state):
        child = os.fork()
        if child == 0:
            os.read(reader, 1)
            os._exit(0)
    with open_appender(state):
        pass
    os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0


def test_no_store_is_a_clear_error(tmp_path: Path) -> None:
    """Appending where there is no directory or no store says so."""
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(StateError, match="there is no"), open_appender(path):
            pass
    assert list(tmp_path.iterdir()) == []
