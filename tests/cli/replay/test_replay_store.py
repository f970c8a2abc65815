# SPDX-License-Identifier: Apache-2.0
"""`bzd replay --state`: all or nothing, no trace twice, nobody else's store."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bzd.model import DailyKey
from bzd.protocols import rolling_ids_of
from bzd.store import open_appender

DAY = 1_591_747_200.0
"""2020-06-10T00:00:00Z."""


def test_without_state_nothing_is_kept(
    bzd: Any, state: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, stored: Any
) -> None:
    """A state directory that the environment names is not written: the table is shown instead."""
    monkeypatch.setenv("BZD_STATE", str(state))
    shown = bzd("replay", recording)
    assert shown.code == 0
    assert len(shown.out.splitlines()) > 20
    assert stored(state) == []


def test_the_same_trace_twice_does_not_double(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """The second time says so and adds nothing, also under another name; --force adds it again."""
    assert bzd("replay", "--state", state, recording).code == 0
    once = stored(state)
    copy = recording.with_name("copy.btsnoop")
    copy.write_bytes(recording.read_bytes())
    again = bzd("replay", "--state", state, copy)
    assert (again.code, "was replayed into this store before" in again.err) == (0, True)
    assert stored(state) == once
    assert bzd("replay", "--state", state, copy, "--force").code == 0
    assert len(stored(state)) == 2 * len(once)


def test_one_trace_named_twice_is_replayed_once(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """A file named twice, by a link too, counts once with a store and without; a copy of it once in the store."""
    expected = bzd("replay", recording, "--jsonl").out.splitlines()
    link, copy = recording.with_name("link"), recording.with_name("copy")
    link.symlink_to(recording)
    copy.write_bytes(recording.read_bytes())
    shown = bzd("replay", recording, link, recording, "--jsonl")
    assert shown.out.splitlines() == expected
    assert "traces named twice, replayed once: 2" in shown.err
    done = bzd("replay", "--state", state, recording, link, copy)
    assert "is the same as another of these traces" in done.err
    assert sorted(stored(state)) == sorted(expected)


def _plain(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize("pack", [_plain, gzip.compress])
@pytest.mark.parametrize("first", ["file", "pipe"])
@pytest.mark.parametrize("then", ["file", "pipe"])
def test_a_trace_is_known_however_it_comes(  # noqa: PLR0917  fixtures
    bzd: Any, state: Path, recording: Path, stored: Any, pack: Callable[[bytes], bytes], first: str, then: str
) -> None:
    """As a file or through a pipe, gzipped the second time or not: the same trace does not double its contacts."""
    data = recording.read_bytes()
    packed = recording.with_name("packed")
    packed.write_bytes(pack(data))
    ways = {"file": (recording, packed), "pipe": ("-", "-")}
    assert bzd("replay", "--state", state, ways[first][0], stdin=data).code == 0
    once = stored(state)
    assert len(once) > 20
    again = bzd("replay", "--state", state, ways[then][1], stdin=pack(data))
    assert (again.code, "was replayed into this store before" in again.err) == (0, True)
    assert stored(state) == once
    assert bzd("replay", "--state", state, ways[then][1], "--force", stdin=pack(data)).code == 0
    assert len(stored(state)) == 2 * len(once)


def test_a_cut_trace_through_a_pipe_is_known_as_well(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """A damaged trace has the same name whether it is read from a file or a pipe, which is read behind the damage."""
    data = recording.read_bytes()
    damaged = data[:400_000] + b"\xff" * 400 + data[400_400:]
    recording.write_bytes(damaged)
    done = bzd("replay", "--state", state, "-", stdin=damaged)
    assert "it is damaged at byte" in done.err
    once = stored(state)
    assert "was replayed into this store before" in bzd("replay", "--state", state, recording).err
    assert stored(state) == once
    assert once


@pytest.mark.parametrize("known", [False, True])
def test_a_pipe_that_doubles_a_file_is_refused(  # noqa: PLR0917  fixtures
    bzd: Any, state: Path, recording: Path, stored: Any, written: Any, heard: Any, *, known: bool
) -> None:
    """Merged with other traces, a trace that is there already cannot be taken out again: nothing is added."""
    other = written("other.btsnoop", [each._replace(time=each.time + 86400) for each in heard])
    if known:
        assert bzd("replay", "--state", state, recording).code == 0
    before = stored(state)
    refused = bzd("replay", "--state", state, other if known else recording, "-", stdin=recording.read_bytes())
    assert (refused.code, "nothing was added" in refused.err) == (4, True)
    assert stored(state) == before


@pytest.mark.parametrize(("protocol", "key_bytes"), [("gaen", 16), ("bluezone", 32)])
def test_the_badges_own_ids_are_dropped(  # noqa: PLR0917  fixtures
    bzd: Any, state: Path, written: Any, sent: Any, stored: Any, protocol: str, key_bytes: int
) -> None:
    """Into a badge's own store, where its identity is at hand, its own IDs are counted and make no contact."""
    key = DailyKey(protocol, bytes(key_bytes), DAY, DAY + 86400)
    with open_appender(state) as appender:
        appender.add_keys([key, DailyKey("nobody", bytes(16), DAY, DAY + 86400)])
    own, other = rolling_ids_of(key)[69], b"x" * len(rolling_ids_of(key)[69])
    heard = [*sent(range(30), -60, own, protocol), *sent(range(30, 60), -60, other, protocol)]
    done = bzd("replay", "--state", state, written("t", heard), "--force")
    assert (done.code, "dropped 30 of this badge itself" in done.err) == (0, True)
    assert [json.loads(line)["rolling_id"] for line in stored(state)] == [other.hex()]


def test_own_ids_that_cannot_be_known_are_told(bzd: Any, state: Path, recording: Path) -> None:
    """Without the identity that opens the badge's keys, a warning says what that means."""
    with open_appender(state) as appender:
        appender.add_keys([DailyKey("gaen", bytes(16), DAY, DAY + 86400)])
    (state / "identity.key").unlink()
    done = bzd("replay", "--state", state, recording, "--force")
    assert (done.code, "keys of this badge cannot be opened here" in done.err) == (0, True)


def test_a_live_badges_own_store_needs_force(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """A store that holds daily keys of its own is somebody's live badge."""
    with open_appender(state) as appender:
        appender.add_keys([DailyKey("gaen", bytes(16), DAY, DAY + 86400)])
    refused = bzd("replay", "--state", state, recording)
    assert (refused.code, "--force" in refused.err) == (5, True)
    assert stored(state) == []
    assert bzd("replay", "--state", state, recording, "--force").code == 0
    assert len(stored(state)) > 20


def test_a_busy_store_is_refused(bzd: Any, state: Path, recording: Path) -> None:
    """While another process appends, a replay says so and exits 9."""
    with open_appender(state):
        assert bzd("replay", "--state", state, recording).code == 9


def test_contacts_beyond_the_hourly_quota_are_counted(
    bzd: Any, state: Path, written: Any, sent: Any, stored: Any
) -> None:
    """The longest of an hour are kept, in the table and in the store alike; the others are counted."""
    advertisements = [
        advertisement
        for number in range(12)
        for advertisement in sent(range(number * 100, number * 100 + 3 + number), -60, bytes([number]) * 16)
    ]
    path = written("t", advertisements)
    limit = ["--set", "proximity.max_contacts_per_hour=5", "--scan-period", "0"]
    shown = bzd("replay", path, *limit)
    assert "5 contacts shown; --state DIR keeps them; dropped 7 beyond the longest 5 of their hour" in shown.err
    assert len(shown.out.splitlines()) == 1 + 5
    assert "5 contacts sealed" in bzd("replay", "--state", state, path, *limit).err
    kept = {json.loads(line)["rolling_id"][:2] for line in stored(state)}
    assert kept == {"07", "08", "09", "0a", "0b"}


def test_lines_and_a_store_exclude_each_other(bzd: Any, state: Path, recording: Path) -> None:
    """Contacts are printed or kept."""
    assert bzd("replay", "--state", state, recording, "--jsonl").code == 2


def test_a_bad_trace_among_good_ones_leaves_the_store_alone(
    bzd: Any, state: Path, recording: Path, stored: Any
) -> None:
    """One file that is no trace: nothing of the others is kept either, and repeating without it works."""
    bad = recording.with_name("bad.txt")
    bad.write_text("not a trace\n")
    assert bzd("replay", "--state", state, recording, bad).code == 4
    assert stored(state) == []
    assert bzd("replay", "--state", state, recording).code == 0
    assert len(stored(state)) > 20


def test_no_store_yet_is_said(bzd: Any, tmp_path: Path, recording: Path) -> None:
    """Replay makes no store by itself."""
    assert bzd("replay", "--state", tmp_path / "none", recording).code == 6
