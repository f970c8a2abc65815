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
if sys.argv[1] != "root":
    import os
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (int(sys.argv[2]), int(sys.argv[2])))
why = memory.lock()
with open("/proc/self/status") as file:
    locked = next(line.split()[1] for line in file if line.startswith("VmLck:"))
print(why is None, locked != "0", why)
"""


def attempt(user: str, limit: int) -> str:
    """What locking came to in a process of its own: done, whether anything is locked, and why not."""
    words = [sys.executable, "-c", LOCKED, user, str(limit)]
    root = Path(__file__).resolve().parents[1]
    return subprocess.run(words, check=True, capture_output=True, text=True, cwd=root).stdout.strip()


def test_memory_is_locked() -> None:
    """The kernel counts locked memory afterwards, where the limit allows it."""
    outcome = attempt("root", resource.getrlimit(resource.RLIMIT_MEMLOCK)[1])
    if outcome.startswith("False"):
        pytest.skip(f"locking memory is not permitted here: {outcome}")
    assert outcome == "True True None"


def test_a_limit_is_said_and_no_error() -> None:
    """Without the privilege and above the limit it says what to change."""
    try:
        outcome = attempt("nobody", 65536)
    except subprocess.CalledProcessError:
        pytest.skip("only root can become nobody")
    assert outcome.startswith("False False")
    assert "LimitMEMLOCK" in outcome
