# SPDX-License-Identifier: Apache-2.0
"""`bzd replay` on real and simulated recordings, to stdout and into a store."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bzd.cli.replay_sink import Lines
from bzd.model import Advertisement, DailyKey, Identifier
from bzd.protocols import protocols
from bzd.radio.crowd import Crowd, office_hour
from bzd.store import open_appender
from bzd.traces.writer import BtsnoopWriter, JsonlWriter

START = 1_591_788_600.0
"""2020-06-10T11:30:00Z."""


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """An hour in the office."""
    return office_hour(START, 1)


@pytest.fixture(scope="module")
def heard(crowd: Crowd) -> list[Advertisement]:
    """What the first badge hears of it."""
    return list(crowd.heard_by(crowd.members[0]))


@pytest.fixture
def recording(tmp_path: Path, heard: list[Advertisement]) -> Path:
    """The same as a btsnoop file."""
    return _btsnoop(tmp_path / "hour.btsnoop", heard)


@pytest.fixture
def state(bzd: Any, tmp_path: Path) -> Path:
    """A store with its identity beside it."""
    folder = tmp_path / "state"
    assert bzd("init", "--state", folder, "--label", "test").code == 0
    return folder


def _btsnoop(path: Path, advertisements: Iterable[Advertisement]) -> Path:
    with path.open("wb") as file:
        writer = BtsnoopWriter(file)
        for advertisement in advertisements:
            writer.write(advertisement)
    return path


def _advertisements(times: Iterable[float], rssi: int = -60, rolling_id: bytes = bytes(16)) -> Iterator[Advertisement]:
    data = protocols()["gaen"].encode(Identifier("gaen", rolling_id, bytes(4)))
    for second in times:
        yield Advertisement(START + second, "00:00:00:00:00:01", "random", rssi, data)


def _stored(bzd: Any, state: Path) -> list[str]:
    """The contacts of a store, as its lines of JSON."""
    lines: list[str] = bzd("contacts", "--state", state, "--jsonl").out.splitlines()
    return lines


REAL = ["dp3t-exp25/02.btsnoop", "dp3t-exp25/103.pklg", "dp3t-exp27/06.pklg", "dp3t-exp28/23.btsnoop"]


@pytest.mark.parametrize("name", REAL)
def test_a_real_capture_gives_the_same_twice_and_what_its_store_gives_back(
    bzd: Any, state: Path, shared: Path, name: str
) -> None:
    """A phone's recording: JSON Lines repeat byte for byte, and the store returns exactly those contacts."""
    capture = shared / "data/captures" / name
    first = bzd("replay", capture, "--jsonl")
    assert (first.code, bzd("replay", capture, "--jsonl").raw) == (0, first.raw)
    assert len(first.jsonl) > 0
    kept = bzd("replay", "--state", state, capture)
    assert (kept.code, kept.out) == (0, "")
    assert sorted(_stored(bzd, state)) == sorted(first.out.splitlines())


def test_the_summary_says_what_was_read_and_taken(bzd: Any, shared: Path) -> None:
    """Reports, sightings, the scan period that was taken and from what, and contacts stand on stderr."""
    err = bzd("replay", shared / "data/captures/dp3t-exp28/23.btsnoop").err
    assert "bzd: 810 reports in " in err
    assert "bzd: 409 sightings of proximity IDs" in err
    assert "one listening every 301.1 s (scan commands" in err
    assert "bzd: 21 contacts shown" in err


def test_rotated_logs_are_one_recording(bzd: Any, tmp_path: Path, heard: list[Advertisement], recording: Path) -> None:
    """A log split in three, named in any order, gives the same contacts as the whole."""
    third = len(heard) // 3
    pieces = [heard[:third], heard[third : 2 * third], heard[2 * third :]]
    paths = [_btsnoop(tmp_path / f"log{index}.btsnoop", piece) for index, piece in enumerate(pieces)]
    whole = bzd("replay", recording, "--jsonl")
    assert len(whole.jsonl) > 20
    split = bzd("replay", paths[2], paths[0], paths[1], "--jsonl")
    assert split.raw == whole.raw
    assert f"bzd: {len(heard):,} reports in " in split.err


def test_many_rotated_logs_need_few_files_open(
    bzd: Any, tmp_path: Path, heard: list[Advertisement], recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty logs that do not overlap are never all open: at most two and the one that is being looked at."""
    size = len(heard) // 50 + 1
    paths = [_btsnoop(tmp_path / f"{at}.log", heard[at : at + size]) for at in range(0, len(heard), size)]
    most = 0
    take = Lines.take

    def counting(self: Lines, contact: Any) -> None:
        nonlocal most
        opened = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        most = max(most, sum(path.endswith(".log") for path in opened))
        take(self, contact)

    monkeypatch.setattr(Lines, "take", counting)
    assert bzd("replay", *paths, "--jsonl").raw == bzd("replay", recording, "--jsonl").raw
    assert 1 <= most <= 3


def test_formats_and_compression_do_not_matter(
    bzd: Any, tmp_path: Path, heard: list[Advertisement], recording: Path
) -> None:
    """The same hour as btsnoop, gzipped, and as JSON Lines gives the same contacts."""
    zipped = tmp_path / "hour.gz"
    zipped.write_bytes(gzip.compress(recording.read_bytes()))
    lines = tmp_path / "hour.jsonl"
    with lines.open("wb") as file:
        writer = JsonlWriter(file)
        for advertisement in heard:
            writer.write(advertisement)
    expected = bzd("replay", recording, "--jsonl").raw
    assert bzd("replay", zipped, "--jsonl").raw == expected
    assert bzd("replay", lines, "--jsonl").raw == expected


def test_without_state_nothing_is_kept(bzd: Any, state: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory that the environment names is not written: the table is shown instead."""
    monkeypatch.setenv("BZD_STATE", str(state))
    shown = bzd("replay", recording)
    assert shown.code == 0
    assert len(shown.out.splitlines()) > 20
    assert _stored(bzd, state) == []


def test_the_same_trace_twice_does_not_double(bzd: Any, state: Path, recording: Path) -> None:
    """The second time says so and adds nothing, also under another name; --force adds it again."""
    assert bzd("replay", "--state", state, recording).code == 0
    once = _stored(bzd, state)
    copy = recording.with_name("copy.btsnoop")
    copy.write_bytes(recording.read_bytes())
    again = bzd("replay", "--state", state, copy)
    assert (again.code, "was replayed into this store before" in again.err) == (0, True)
    assert _stored(bzd, state) == once
    assert bzd("replay", "--state", state, copy, "--force").code == 0
    assert len(_stored(bzd, state)) == 2 * len(once)


def test_one_trace_named_twice_is_replayed_once(bzd: Any, state: Path, recording: Path) -> None:
    """The same content under two names on one command line counts once in the store."""
    expected = bzd("replay", recording, "--jsonl").out.splitlines()
    done = bzd("replay", "--state", state, recording, recording)
    assert "is the same as another of these traces" in done.err
    assert sorted(_stored(bzd, state)) == sorted(expected)


def test_a_pipe_twice_does_not_double(bzd: Any, state: Path, recording: Path) -> None:
    """What comes through standard input is known again by its advertisements."""
    data = recording.read_bytes()
    assert bzd("replay", "--state", state, "-", stdin=data).code == 0
    once = _stored(bzd, state)
    assert len(once) > 20
    again = bzd("replay", "--state", state, "-", stdin=data)
    assert (again.code, "was replayed into this store before" in again.err) == (0, True)
    assert _stored(bzd, state) == once


def test_a_live_badges_own_store_needs_force(bzd: Any, state: Path, recording: Path) -> None:
    """A store that holds daily keys of its own is somebody's live badge."""
    with open_appender(state) as appender:
        appender.add_keys([DailyKey("gaen", bytes(16), START - START % 86400, START - START % 86400 + 86400)])
    refused = bzd("replay", "--state", state, recording)
    assert (refused.code, "--force" in refused.err) == (5, True)
    assert _stored(bzd, state) == []
    assert bzd("replay", "--state", state, recording, "--force").code == 0
    assert len(_stored(bzd, state)) > 20


def test_a_busy_store_is_refused(bzd: Any, state: Path, recording: Path) -> None:
    """While another process appends, a replay says so and exits 9."""
    with open_appender(state):
        assert bzd("replay", "--state", state, recording).code == 9


def test_a_cut_off_file_gives_what_it_holds(bzd: Any, recording: Path) -> None:
    """A recorder that died leaves contacts, a warning, and exit status 0."""
    data = recording.read_bytes()
    recording.write_bytes(data[: len(data) // 2 + 5])
    done = bzd("replay", recording, "--jsonl")
    assert done.code == 0
    assert len(done.jsonl) > 5
    assert "bzd: warning: " in done.err
    assert "cut off" in done.err


def test_a_clock_that_steps_back_is_said(bzd: Any, tmp_path: Path) -> None:
    """A step of the recorder's clock ends contacts and is counted."""
    path = _btsnoop(tmp_path / "t", _advertisements([*range(100, 130), *range(30)]))
    done = bzd("replay", path, "--jsonl")
    assert len(done.jsonl) == 2
    assert "the clock stepped back 1 time" in done.err


@pytest.mark.parametrize(
    ("advertisements", "settings", "expected"),
    [
        ([], [], "no contact: there is no advertising report"),
        ([Advertisement(START, "", None, -60, b"\x02\x01\x06")], [], "no report carries a proximity ID"),
        (list(_advertisements([0, 1], rssi=127)), [], "no sighting has an RSSI that can be true"),
        (
            list(_advertisements([0])),
            [],
            "1 ID had too few sightings, 1 sighting at most; --set proximity.min_sightings=1",
        ),
        (
            [*_advertisements([0, 1], -97), *_advertisements([2, 3], -99, b"x" * 16)],
            [],
            "2 IDs never came close enough, -97 dBm at best; --set proximity.min_rssi_dbm=-97",
        ),
    ],
)
def test_where_there_is_no_contact_it_says_why(
    bzd: Any, tmp_path: Path, advertisements: list[Advertisement], settings: list[str], expected: str
) -> None:
    """No contact is explained by the filter that took the IDs and the nearest miss."""
    done = bzd("replay", _btsnoop(tmp_path / "t", advertisements), *settings)
    assert (done.code, done.out) == (0, "")
    assert expected in done.err


def test_the_advice_for_no_contact_works(bzd: Any, tmp_path: Path) -> None:
    """What the explanation proposes with --set does give a contact."""
    path = _btsnoop(tmp_path / "t", [*_advertisements([0, 1], -97)])
    assert bzd("replay", path, "--jsonl").out == ""
    assert len(bzd("replay", path, "--jsonl", "--set", "proximity.min_rssi_dbm=-97").jsonl) == 1


def test_dropped_sightings_are_counted_with_their_reason(bzd: Any, tmp_path: Path) -> None:
    """RSSI that cannot be true is dropped and the summary says how often."""
    path = _btsnoop(tmp_path / "t", [*_advertisements(range(10)), *_advertisements(range(10, 13), rssi=127)])
    assert "10 sightings of proximity IDs; dropped 3 with an RSSI that cannot be true" in bzd("replay", path).err


def test_contacts_beyond_the_hourly_quota_are_counted(bzd: Any, state: Path, tmp_path: Path) -> None:
    """The longest of an hour are kept, in the table and in the store alike; the others are counted."""
    advertisements = [
        advertisement
        for number in range(12)
        for advertisement in _advertisements(range(number * 100, number * 100 + 3 + number), -60, bytes([number]) * 16)
    ]
    path = _btsnoop(tmp_path / "t", advertisements)
    limit = ["--set", "proximity.max_contacts_per_hour=5", "--scan-period", "0"]
    shown = bzd("replay", path, *limit)
    assert "5 contacts shown; --state DIR keeps them; dropped 7 beyond the longest 5 of their hour" in shown.err
    assert len(shown.out.splitlines()) == 1 + 5
    assert "5 contacts sealed" in bzd("replay", "--state", state, path, *limit).err
    kept = {json.loads(line)["rolling_id"][:2] for line in _stored(bzd, state)}
    assert kept == {"07", "08", "09", "0a", "0b"}


def test_time_offset_moves_every_time(bzd: Any, recording: Path) -> None:
    """A recorder two hours ahead is set right with -02:00."""
    plain, moved = (bzd("replay", recording, "--jsonl", *more).jsonl for more in ([], ["--time-offset", "-02:00"]))
    assert [contact["start"].replace("T09:", "T11:").replace("T10:", "T12:") for contact in moved] == [
        contact["start"] for contact in plain
    ]


@pytest.mark.parametrize("offset", ["2", "02:00", "+2h", "+02:99x", ""])
def test_a_wrong_offset_is_a_usage_error(bzd: Any, recording: Path, offset: str) -> None:
    """What is no ±HH:MM is refused with an example."""
    refused = bzd("replay", recording, "--time-offset", offset)
    assert (refused.code, "-02:00 or +05:30" in refused.err) == (2, True)


def test_scan_period_is_given_found_or_configured(bzd: Any, tmp_path: Path) -> None:
    """Bursts every five minutes: found in the trace, overridden by the option, else taken from the configuration."""
    bursts = _advertisements([minute * 60 + second for minute in range(0, 60, 5) for second in range(4)])
    path = _btsnoop(tmp_path / "t", bursts)

    def minutes(*more: str) -> tuple[float, str]:
        done = bzd("replay", path, "--jsonl", *more)
        return sum(contact["duration_s"] for contact in done.jsonl) / 60, done.err

    found, said = minutes()
    assert found == pytest.approx(60, abs=1)
    assert "one listening every 300 s (gaps between 12 bursts of reports)" in said
    given, said = minutes("--scan-period", "0")
    assert given < 1
    assert "continuous listening (--scan-period)" in said
    configured, said = minutes("--set", "scan.period_s=60")
    assert 10 < configured < 20
    assert "one listening every 60 s (--set)" in said


@pytest.mark.parametrize("period", ["often", "-1", "nan", "3601"])
def test_a_wrong_scan_period_is_a_usage_error(bzd: Any, recording: Path, period: str) -> None:
    """Anything but auto and seconds is refused."""
    refused = bzd("replay", recording, "--scan-period", period)
    assert (refused.code, "write auto, or seconds" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 2), (["-", "-"], 2), (["nowhere"], 4), (["."], 4), (["x", "--speed", "0"], 2), (["x", "--speed", "-1"], 2)],
)
def test_wrong_command_lines_are_refused(bzd: Any, arguments: list[str], code: int) -> None:
    """One error, one hint, the documented exit code."""
    refused = bzd("replay", *arguments)
    assert refused.code == code
    assert refused.err.count("bzd: error: ") == refused.err.count("bzd: hint: ") == 1


def test_lines_and_a_store_exclude_each_other(bzd: Any, state: Path, recording: Path) -> None:
    """Contacts are printed or kept."""
    assert bzd("replay", "--state", state, recording, "--jsonl").code == 2


def test_a_bad_trace_among_good_ones_leaves_the_store_alone(bzd: Any, state: Path, recording: Path) -> None:
    """One file that is no trace: nothing of the others is kept either, and repeating without it works."""
    bad = recording.with_name("bad.txt")
    bad.write_text("not a trace\n")
    assert bzd("replay", "--state", state, recording, bad).code == 4
    assert _stored(bzd, state) == []
    assert bzd("replay", "--state", state, recording).code == 0
    assert len(_stored(bzd, state)) > 20


def test_no_store_yet_is_said(bzd: Any, tmp_path: Path, recording: Path) -> None:
    """Replay makes no store by itself."""
    assert bzd("replay", "--state", tmp_path / "none", recording).code == 6


def _start(*arguments: object, **settings: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bzd", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)


@pytest.mark.parametrize("form", [["--jsonl"], []])
def test_a_pipe_prints_contacts_before_its_end(tmp_path: Path, form: list[str]) -> None:
    """A contact whose time is over appears while the pipe is still open; the open one at the end of it."""
    stream = [*_advertisements(range(10)), *_advertisements(range(500, 510), rolling_id=b"x" * 16)]
    data = _btsnoop(tmp_path / "t", stream).read_bytes()
    with _start("replay", "-", *form, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(data)
        running.stdin.flush()
        lines = [running.stdout.readline() for _ in range(1 if form else 2)]
        assert (b"gaen" in lines[0]) if form else (b"start" in lines[0] and b"2020" in lines[1])
        assert running.poll() is None
        rest, err = running.communicate(timeout=30)
    assert rest.count(b"\n") == 1
    assert b"2 contacts shown" in err
    assert running.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_on_a_pipe_keeps_what_was_read(bzd: Any, state: Path, recording: Path, number: signal.Signals) -> None:
    """A pipe cannot be repeated: what came until the signal is sealed."""
    with _start("replay", "--state", state, "-", stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(recording.read_bytes())
        running.stdin.flush()
        _wait_until_read(running)
        running.send_signal(number)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 128 + number
    assert b"what was read until then is in the store" in err
    assert len(_stored(bzd, state)) > 20


def _wait_until_read(running: subprocess.Popen[bytes]) -> None:
    """Until the pipe to a process is empty and the process sleeps, waiting for more."""
    assert running.stdin is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        unread = array("i", [0])
        fcntl.ioctl(running.stdin, termios.FIONREAD, unread)
        state = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if unread[0] == 0 and state == "S":
            return
        time.sleep(0.02)


def _wait_until_replaying(running: subprocess.Popen[bytes], recording: Path) -> None:
    """Until a process has had the recording open for a third of a second, longer than it takes to hash it."""
    deadline, seen = time.monotonic() + 30, 0
    while seen < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        links = [os.path.realpath(link) for link in Path(f"/proc/{running.pid}/fd").iterdir()]
        seen = seen + 1 if str(recording) in links else 0


def test_an_interrupted_file_leaves_the_store_as_it_was(bzd: Any, state: Path, recording: Path) -> None:
    """Ctrl-C in the middle of a file: nothing of it is kept, and replaying it again gives all of it once."""
    with _start("replay", "--state", state, recording, "--speed", "60") as running:
        _wait_until_replaying(running, recording)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert b"nothing was added" in err
    assert _stored(bzd, state) == []
    assert bzd("replay", "--state", state, recording).code == 0
    assert sorted(_stored(bzd, state)) == sorted(bzd("replay", recording, "--jsonl").out.splitlines())


def test_an_interrupted_replay_shows_what_was_read(recording: Path) -> None:
    """Ctrl-C without a store: the contacts until then are written and summed up."""
    with _start("replay", recording, "--speed", "600", "--jsonl") as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest, err = running.communicate(timeout=30)
    out = first + rest
    assert running.returncode == 130
    assert 0 < out.count(b"\n") < 20
    assert all(json.loads(line)["schema"] == "bzd.contact/1" for line in out.splitlines())
    assert b"interrupted: this is what was read until then" in err


def test_a_killed_replay_leaves_nothing_behind(bzd: Any, state: Path, recording: Path) -> None:
    """SIGKILL in the middle, then the same again: every contact is there once."""
    expected = sorted(bzd("replay", recording, "--jsonl").out.splitlines())
    with _start("replay", "--state", state, recording, "--speed", "1200") as running:
        _wait_until_replaying(running, recording)
        running.kill()
    assert bzd("replay", "--state", state, recording).code == 0
    assert sorted(_stored(bzd, state)) == expected


def test_speed_plays_in_time(bzd: Any, tmp_path: Path) -> None:
    """Two minutes at sixty times real time take two seconds, and give the same contacts."""
    path = _btsnoop(tmp_path / "t", _advertisements(range(121)))
    begun = time.monotonic()
    played = bzd("replay", path, "--speed", "60", "--jsonl")
    assert 2.0 <= time.monotonic() - begun < 20.0
    assert played.raw == bzd("replay", path, "--jsonl").raw


def _on_terminal(*arguments: object) -> tuple[bytes, bytes]:
    """Run a command with a terminal as stderr; what it wrote to stdout and to the terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bzd", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        assert running.stdout is not None
        terminal = b""
        # A terminal whose other end was closed raises EIO (pty(7)).
        with contextlib.suppress(OSError):
            while block := os.read(ours, 4096):
                terminal += block
        out = running.stdout.read()
    os.close(ours)
    assert running.returncode == 0
    return out, terminal


def test_a_terminal_sees_progress_and_a_pipe_does_not(bzd: Any, recording: Path) -> None:
    """On a terminal there is a bar, which changes nothing of the data; in a pipe there are only whole lines."""
    quiet = bzd("replay", recording, "--jsonl")
    out, terminal = _on_terminal("replay", recording, "--jsonl")
    assert out == quiet.raw
    assert b"8,192 reports" in terminal
    assert "\x1b" not in quiet.err
    assert "8,192 reports" not in quiet.err
