# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: systemd, signals, reloading, killing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon.service import RADIO_STALLED_S
from bzd.protocols import gaen
from bzd.radio.radio import POLL_S, STEP_MAX_S
from bzd.radio.scanner import START_TIMEOUT_S
from bzd.store import open_reader, requests
from bzd.store import state as layout
from bzd.store.identity import Identity

PROGRAM = Path(__file__).with_name("airborne.py")
UMASK = 0o027
"""That of the unit."""


class Daemon:
    """A daemon that was started, and what it says to systemd."""

    def __init__(self, folder: Path, state: Path, flush_s: float, look_s: float = 5.0, umask: int = -1) -> None:
        self.state, self.runtime, self.config = state, folder / "run", folder / "bzd.toml"
        self.config.touch()
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(str(folder / "notify"))
        self._channel.settimeout(10)
        self.said: list[str] = []
        self.journal = (folder / "journal").open("w+b")
        status = os.fstat(self.journal.fileno())
        systemd = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "3000000",
            "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}",
        }
        words = (PROGRAM, state, self.runtime, self.config, flush_s, look_s)
        command = [sys.executable, "-W", "error", *map(str, words)]
        self.process = subprocess.Popen(command, stderr=self.journal, env=os.environ | systemd, umask=umask)

    def hear(self, word: str) -> None:
        """Wait until systemd has been told something."""
        while not any(word in said for said in self.said):
            self.said.append(self._channel.recv(4096).decode())

    def hears(self, word: str, seconds: float) -> bool:
        """Whether systemd is told something in the seconds that come."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._channel.settimeout(left)
            try:
                if word in self._channel.recv(4096).decode():
                    return True
            except TimeoutError:
                break
        return False

    def log(self) -> str:
        """The journal so far."""
        self.journal.seek(0)
        return self.journal.read().decode()

    def logged(self, words: str, seconds: float = 10.0) -> None:
        """Wait until the journal has some words."""
        end = time.monotonic() + seconds
        while words not in self.log():
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def status(self) -> Any:
        """What `status.json` says."""
        return json.loads((self.runtime / "status.json").read_text(encoding="utf-8"))

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and wait; gives how long the end took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(10)
        return time.monotonic() - begun

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        self._channel.close()
        self.journal.close()


Start = Callable[..., Daemon]


@pytest.fixture
def start(tmp_path: Path, state: Path) -> Iterator[Start]:
    """Starts a daemon and waits until it is ready."""
    made: list[Daemon] = []

    def begin(flush_s: float = 50.0, umask: int = -1) -> Daemon:
        made.append(Daemon(tmp_path, state, flush_s, umask=umask))
        made[-1].hear("READY=1")
        return made[-1]

    yield begin
    for daemon in made:
        daemon.close()


def _contacts(state: Path, identity: Identity) -> list[Any]:
    with open_reader(state, [identity]) as reader:
        found = list(reader.contacts())
        assert reader.problems == []
    return found


def test_from_start_to_stop(start: Start, state: Path, identity: Identity) -> None:
    """Ready with a status in words, the watchdog fed, and on SIGTERM all stored and gone within 2 s."""
    daemon = start()
    daemon.hear("WATCHDOG=1")
    assert "STATUS=listening (full), advertising" in daemon.said[0]
    time.sleep(1)
    assert daemon.end() < 2.0
    assert daemon.process.returncode == 0
    daemon.hear("STOPPING=1")
    (contact,) = _contacts(state, identity)
    assert contact.sightings >= 5


def test_a_radio_that_hangs_lets_the_watchdog_starve(start: Start) -> None:
    """Though the daemon itself goes on: systemd then starts it again, instead of a badge that only looks alive."""
    daemon = start()
    assert daemon.hears("WATCHDOG=1", 3.0)
    assert daemon.hears("WATCHDOG=1", 3.0)
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.logged("the radio has done nothing for 1 s")
    while daemon.hears("WATCHDOG=1", 0.01):
        pass
    assert not daemon.hears("WATCHDOG=1", 3.0)
    assert daemon.log().count("the radio has done nothing") == 1
    assert daemon.end() < 2.0


def test_the_longest_step_of_the_radio_is_no_hang() -> None:
    """Nor is its sleep after it; and the watchdog is starved before its patience is that of an admin."""
    assert STEP_MAX_S > START_TIMEOUT_S
    assert STEP_MAX_S + POLL_S < RADIO_STALLED_S <= 120


def test_killed(start: Start, state: Path, identity: Identity) -> None:
    """SIGKILL costs what came after the last flush, the store opens without repair, and another daemon goes on."""
    daemon = start(flush_s=0.5)
    daemon.logged("started")
    time.sleep(5)
    daemon.end(signal.SIGKILL)
    (contact,) = _contacts(state, identity)
    assert contact.duration_s > 2.0  # a tick, what waits for its order, and a flush that waits for a purge: 1 s each
    daemon.close()
    (daemon.config.parent / "notify").unlink()
    again = start()
    time.sleep(1)
    again.end()
    assert len(_contacts(state, identity)) == 2


def test_a_card_that_lost_the_last_minutes_is_told(start: Start, state: Path) -> None:
    """The journal is then the only one who knows of them: the file is made anew, and readers find nothing wrong."""
    (state / "store.sqlite-recent").write_bytes(bytes(100) + b"noise")
    daemon = start()
    daemon.logged("<4>")
    assert "store.sqlite-recent cannot be read, so that the last minutes may be missing" in daemon.log()
    assert daemon.end() < 2.0
    assert not (state / "store.sqlite-recent").exists()


def test_bad_configuration_is_kept_out(start: Start) -> None:
    """SIGHUP with a fault in the file changes nothing and says so; with the fault mended it takes effect."""
    daemon = start()
    daemon.config.write_text("[proximity]\nmax_gap = 5\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.hear("RELOADING=1")
    daemon.logged("unknown key proximity.max_gap; the nearest is max_gap_s")
    daemon.hear("the configuration file has a fault")
    daemon.config.write_text(f"[metrics]\ntextfile = '{daemon.config.parent}/bzd.prom'\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.logged("configuration read again")
    end = time.monotonic() + 5
    while not (daemon.config.parent / "bzd.prom").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert "bzd_advertising 1" in (daemon.config.parent / "bzd.prom").read_text()
    assert daemon.end() < 2.0
    assert not (daemon.config.parent / "bzd.prom").exists()


def test_recipients_change_while_it_runs(start: Start, state: Path, identity: Identity) -> None:
    """After SIGHUP what comes is sealed to the new ones, the journal names them, and the old still open the old."""
    daemon = start(flush_s=0.5)
    time.sleep(1.5)
    other = Identity.generate()
    for folder in (layout.RECIPIENTS, layout.KEY_RECIPIENTS):
        for path in (state / folder).iterdir():
            path.unlink()
        (state / folder / "other.pub").write_bytes(other.public.dumps())
    daemon.process.send_signal(signal.SIGHUP)
    daemon.logged(f"contacts are sealed to {other.public.fingerprint}")
    time.sleep(1.5)
    daemon.end()
    with open_reader(state, [other]) as reader:
        assert len(list(reader.contacts())) == 1
    with open_reader(state, [identity]) as reader:
        assert len(list(reader.contacts())) <= 1
        assert len(list(reader.keys())) == 1


def test_metrics_that_are_no_longer_wanted_are_removed(start: Start) -> None:
    """Nobody would keep them true; the same where another file is named."""
    daemon = start()
    old, new = daemon.config.parent / "old.prom", daemon.config.parent / "new.prom"
    for path, gone in ((old, new), (new, old), (None, new)):
        daemon.config.write_text(f"[metrics]\ntextfile = '{path}'\n" if path else "")
        daemon.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while gone.exists() or (path and not path.exists()):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert daemon.end() < 2.0


def test_the_journal_the_status_and_the_metrics_name_nobody(start: Start, state: Path, identity: Identity) -> None:
    """Lines have a priority and no time of their own; nowhere is an ID of the neighbour or the badge, or an address."""
    daemon = start(umask=UMASK)
    metrics = daemon.config.parent / "bzd.prom"
    daemon.config.write_text(f"[metrics]\ntextfile = '{metrics}'\nsocial = true\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.logged("configuration read again")
    time.sleep(2.5)
    status = daemon.status()
    assert len(status["neighbours"]) == 1
    assert (daemon.runtime / "status.json").stat().st_mode & 0o777 == 0o640
    assert metrics.stat().st_mode & 0o777 == 0o644
    text = json.dumps(status) + metrics.read_text()
    assert requests.ask(state, "pause 60") == "paused for 60 s"
    daemon.end()
    lines = daemon.log().splitlines()
    assert lines
    assert all(line.startswith(("<6>", "<4>")) for line in lines)
    assert "202" not in daemon.log()
    text = (text + daemon.log()).lower()
    (contact,) = _contacts(state, identity)
    assert contact.rolling_id == bytes([1] * 16)
    with open_reader(state, [identity]) as reader:
        keys = list(reader.keys())
    own = [each for key in keys for each in gaen.PROTOCOL.rolling_ids(key.key, int(key.start // 600), 144)]
    assert len(own) > 1
    assert not [
        secret.hex() for secret in (contact.rolling_id, *own, *(key.key for key in keys)) if secret.hex() in text
    ]
    assert "aa:bb" not in text
