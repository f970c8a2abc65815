# SPDX-License-Identifier: Apache-2.0
"""What does a part of another process's work does not outlive it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALONE = "import os; from bzd import lineage; lineage.die_with_parent(os.getppid() + 1)"
SEARCH = """
from bzd.matching.intervals import Wanted
from bzd.matching.keys import DiagnosisKey
from bzd.matching.parallel import search_all
from bzd.matching.search import Haystack

keys = [DiagnosisKey(number.to_bytes(16, "big"), 2_600_000, 144) for number in range(1_000_000)]
search_all({"gaen": Haystack(frozenset([bytes(16)]), Wanted([], everything=True))}, keys, processes=2)
"""


def test_a_parent_that_has_ended_before() -> None:
    """Its death is no longer told, so that it is looked whether it is still there."""
    assert subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, check=False).returncode == 1


def test_a_search_that_is_killed() -> None:
    """Its workers end with it, though nobody tells them."""
    with subprocess.Popen([sys.executable, "-c", SEARCH], cwd=ROOT) as process:
        workers = _until_there_are(process.pid, 2)
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while any(map(_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert [_alive(worker) for worker in workers] == [False, False]


def _until_there_are(parent: int, number: int) -> list[int]:
    """The workers of a process, once they are at work: they take processor time."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        if len(workers) == number and all(_seconds(worker) > 1 for worker in workers):
            return workers
        time.sleep(0.05)
    pytest.fail("the search has no workers")


def _seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) / 100


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
