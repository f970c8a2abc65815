# SPDX-License-Identifier: Apache-2.0
"""Memory stays out of swap."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

LOCKED = """
import resource, sys
from bzd import memory
resource.setrlimit(resource.RLIMIT_MEMLOCK, (int(sys.argv[1]), int(sys.argv[1])))
why = memory.lock()
with open("/proc/self/status") as file:
    locked = next(line.split()[1] for line in file if line.startswith("VmLck:"))
print(why is None, locked != "0", why)
"""

RESIDENT = """
import mmap, resource
from bzd import memory
def kib(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
resource.getrlimit = lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY)  # which root need not keep to
unused = mmap.mmap(-1, 64 << 20)
before = kib("VmRSS:")
print(memory.lock(), kib("VmLck:"), kib("VmRSS:") - before)
"""


def attempt(limit: int) -> str:
    """What locking came to in a process of its own: done, whether anything is locked, and why not."""
    words = [sys.executable, "-c", LOCKED, str(limit)]
    root = Path(__file__).resolve().parents[1]
    return subprocess.run(words, check=True, capture_output=True, text=True, cwd=root).stdout.strip()


def test_memory_is_locked() -> None:
    """The kernel counts locked memory afterwards, where there is no limit."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] != resource.RLIM_INFINITY:
        pytest.skip("the limit of locked memory cannot be lifted here; tried in the test bed")
    outcome = attempt(resource.RLIM_INFINITY)
    if outcome.startswith("False"):
        pytest.skip(f"locking memory is not permitted here: {outcome}")
    assert outcome == "True True None"


def test_only_what_is_used_is_locked() -> None:
    """MCL_ONFAULT: 64 MB that nobody has touched cost nothing."""
    root = Path(__file__).resolve().parents[1]
    told = subprocess.run([sys.executable, "-c", RESIDENT], check=True, capture_output=True, text=True, cwd=root).stdout
    why, *locked_kib, grown_kib = told.split()
    if why != "None":
        pytest.skip(f"locking memory is not permitted here: {told}")
    assert int(locked_kib[0]) > 0
    assert int(grown_kib) < 8 << 10


def test_under_a_limit_nothing_is_locked() -> None:
    """Or the next allocation beyond it would fail; it says what to change."""
    outcome = attempt(65536)
    assert outcome.startswith("False False")
    assert "LimitMEMLOCK" in outcome


def test_a_crash_is_given_to_nobody() -> None:
    """Locked or not, the kernel then counts this process among those that no core_pattern is called for."""
    words = "import ctypes; from bzd import memory; memory.lock(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    root = Path(__file__).resolve().parents[1]
    told = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True, cwd=root).stdout
    assert told.strip() == "0"
