# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios one after the other in the guest: `python -m tests.e2e.guest [--after-cut] smoke/legacy …`.

Each has a process of its own, is killed with all its children when its time is over, and leaves the journal of what
went wrong.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.e2e.plan import AFTER_CUT, Scenario, scenarios

_JOURNAL_LINES = 40


def main(titles: Sequence[str]) -> int:
    """Run the named scenarios; returns 0 if all passed, else 1."""
    known = {scenario.title: scenario for scenario in scenarios()}
    part = "after_cut" if AFTER_CUT in titles else "run"
    chosen = [known[title] for title in titles if title != AFTER_CUT]
    return int(any([_failed(scenario, part) for scenario in chosen]))  # noqa: C419  all, not up to the first


def _failed(scenario: Scenario, part: str) -> bool:
    started, since = time.monotonic(), time.time()
    print(f"{scenario.title}: {scenario.proves}", flush=True)
    command = [sys.executable, "-u", "-m", "tests.e2e.guest.one", scenario.title, part]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        status = process.wait(scenario.limit_s)
    except subprocess.TimeoutExpired:
        print(f"FAIL {scenario.title}: not finished after {scenario.limit_s:g} s", flush=True)
        status = 1
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if status:
        _show_journal(since)
    print(f"{scenario.title}: {time.monotonic() - started:.0f} s", flush=True)
    return bool(status)


def _show_journal(since: float) -> None:
    sys.stdout.flush()
    options = ["--no-pager", "--output=short-monotonic", f"--lines={_JOURNAL_LINES}", f"--since=@{since:.0f}"]
    subprocess.run(["journalctl", *options], check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
