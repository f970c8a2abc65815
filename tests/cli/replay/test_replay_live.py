# SPDX-License-Identifier: Apache-2.0
"""`bzd replay` while it runs: pipes, signals, pace, terminals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from array import array
from pathlib import Path
from typing import Any

import pytest


def _start(*arguments: object, **settings: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bzd", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)


@pytest.mark.parametrize("form", [["--jsonl"], []])
def test_a_pipe_prints_contacts_before_its_end(form: list[str], written: Any, sent: Any) -> None:
    """A contact whose time is over appears while the pipe is still open; the open one at the end of it."""
    stream = [*sent(range(10)), *sent(range(500, 510), rolling_id=b"x" * 16)]
    data = written("t", stream).read_bytes()
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
def test_a_signal_on_a_pipe_keeps_what_was_read(
    state: Path, recording: Path, number: signal.Signals, stored: Any
) -> None:
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
    assert len(stored(state)) > 20


_HASTY = "import bzd.cli.replay_run as run; run.FLUSH_S = 0.2; from bzd.cli.entry import main; main()"
"""The command line with less time between two sealings, so that a test need not last a minute."""


@pytest.mark.parametrize("silent", [False, True])
def test_a_live_pipe_is_sealed_as_it_comes(
    bzd: Any, state: Path, written: Any, sent: Any, stored: Any, *, silent: bool
) -> None:
    """Contacts closed and in progress are there for readers while the pipe is open, even if it is silent; and stay."""
    stream = [*sent(range(60)), *sent(range(500, 560), rolling_id=b"x" * 16)]
    data = written("t", stream).read_bytes()
    late = b"" if silent else written("u", sent([561], rolling_id=b"x" * 16)).read_bytes()[16:]
    command = [sys.executable, "-c", _HASTY, "replay", "--state", str(state), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(data)
        running.stdin.flush()
        seen: list[float] = []
        deadline = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            running.stdin.write(late)
            running.stdin.flush()
            seen = [json.loads(line)["duration_s"] for line in stored(state)]
        running.kill()
    assert seen[0] == 59
    assert seen[1] >= 56  # the sightings of the last second wait for their order
    assert len(stored(state)) == 2
    assert bzd("replay", "--state", state, written("v", sent(range(9)))).code == 0
    assert len(stored(state)) == 3


def test_a_replay_in_real_time_can_be_watched_and_killed(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """With --speed readers see contacts as they are sealed; a file that was killed can be replayed again from new."""
    command = [sys.executable, "-c", _HASTY, "replay", "--state", str(state), str(recording), "--speed", "600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 30
        while not stored(state) and time.monotonic() < deadline:
            time.sleep(0.1)
        running.kill()
    assert stored(state)
    assert bzd("replay", "--state", state, recording).code == 0
    assert sorted(stored(state)) == sorted(bzd("replay", recording, "--jsonl").out.splitlines())


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


def test_an_interrupted_file_leaves_the_store_as_it_was(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """Ctrl-C in the middle of a file: nothing of it is kept, and replaying it again gives all of it once."""
    with _start("replay", "--state", state, recording, "--speed", "60") as running:
        _wait_until_replaying(running, recording)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert b"nothing was added" in err
    assert stored(state) == []
    assert bzd("replay", "--state", state, recording).code == 0
    assert sorted(stored(state)) == sorted(bzd("replay", recording, "--jsonl").out.splitlines())


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


def test_a_killed_replay_leaves_nothing_behind(bzd: Any, state: Path, recording: Path, stored: Any) -> None:
    """SIGKILL in the middle, then the same again: every contact is there once."""
    expected = sorted(bzd("replay", recording, "--jsonl").out.splitlines())
    with _start("replay", "--state", state, recording, "--speed", "1200") as running:
        _wait_until_replaying(running, recording)
        running.kill()
    assert bzd("replay", "--state", state, recording).code == 0
    assert sorted(stored(state)) == expected


def test_speed_plays_in_time(bzd: Any, written: Any, sent: Any) -> None:
    """Two minutes at sixty times real time take two seconds, and give the same contacts."""
    path = written("t", sent(range(121)))
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
    assert re.search(rb"[1-9]\d*%", terminal)
    assert "\x1b" not in quiet.err
    assert "8,192 reports" not in quiet.err
