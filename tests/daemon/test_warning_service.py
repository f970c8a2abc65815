# SPDX-License-Identifier: Apache-2.0
"""A daemon as a process that matches by itself: from a file to a warning, stopped and killed while it is at it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bzd.daemon import runtime
from bzd.store.identity import Identity
from tests.daemon.matching_badge import MET, MatchingBadge
from tests.daemon.test_service import Daemon
from tests.matching.conftest import Cases

KILLS = 8
LOOK_S = 0.2


class Service:
    """A badge, and one daemon after the other on it."""

    def __init__(self, folder: Path, identity: Identity, *, met: int) -> None:
        self.folder = folder
        self.badge = MatchingBadge(folder, identity, met=met)
        (folder / "bzd.toml").write_text(
            f"[match]\nverify_keys = ['{self.badge.authority}']\nfeed_folder = '{self.badge.feed}'\n"
            "[store]\nretention_days = 3650\n"
        )
        self.daemon: Daemon | None = None

    def start(self) -> Daemon:
        """Start one, ready to match."""
        self.close()
        self.daemon = Daemon(self.folder, self.badge.state, 50.0, LOOK_S)
        self.daemon.hear("READY=1")
        return self.daemon

    def close(self) -> None:
        """Leave none behind."""
        if self.daemon is not None:
            self.daemon.close()
            (self.folder / "notify").unlink()
            self.daemon = None


@pytest.fixture
def service(tmp_path: Path, identity: Identity) -> Iterator[Service]:
    """A badge that met six cases."""
    made = Service(tmp_path, identity, met=6)
    yield made
    made.close()


def test_a_warning_stands_through_restarts(service: Service) -> None:
    """It is made, told once, there again after /run was emptied; the status has no word of it."""
    service.badge.publish(MET[0])
    daemon = service.start()
    daemon.logged("there is a warning: a case was near")
    assert (service.badge.run / "warning").read_text() == runtime.WARNING_TEXT
    time.sleep(2.5)
    told = daemon.status()["matching"]
    assert told == {
        "by_itself": True, "words": "by itself: 1 key files matched", "matched": 1, "refused": {}, "trouble": None,
    }  # fmt: skip
    assert daemon.end() < 2.0
    (service.badge.run / "warning").unlink()
    service.start().logged("there is a warning: a case was near")
    log = service.start()
    time.sleep(2.0)
    assert "warning" not in log.log()
    assert (service.badge.run / "warning").exists()


def test_it_stops_in_time_while_it_matches(service: Service) -> None:
    """Whatever the matching process is at, the daemon is gone within 2 s, and all that it had is stored."""
    for number in range(6):
        service.badge.publish(
            *(Cases.key(key) for key in range(1000 * number, 1000 * (number + 9))), name=f"{number}.zip"
        )
    daemon = service.start()
    time.sleep(0.8)
    assert daemon.end() < 2.0
    assert daemon.process.returncode == 0


def test_killed_at_any_instant(service: Service) -> None:
    """Each key file is matched to its end once, whenever the daemon is killed, and none is skipped."""
    names = [f"{number}.zip" for number in range(6)]
    for name, key in zip(names, MET, strict=False):
        service.badge.publish(key, *(Cases.key(number) for number in range(100, 1100)), name=name)
    rng = random.Random(6)
    matched: list[str] = []
    for _ in range(KILLS):
        daemon = service.start()
        time.sleep(rng.uniform(0.3, 2.0))
        daemon.end(signal.SIGKILL)
        time.sleep(0.1)  # in which what it left behind, if anything, would go on
        matched += [line.split()[3] for line in daemon.log().splitlines() if "matched key file" in line]
        found = service.badge.findings()
        assert sum(len(of) for of in found.keys.values()) == len(found.files)
        assert len(matched) <= len(found.files)
    service.start()
    end = time.monotonic() + 20
    while len(service.badge.findings().files) < len(names):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert len(set(matched)) == len(matched)
    assert {key.key for of in service.badge.findings().keys.values() for key in of} == {key.key for key in MET[:6]}
