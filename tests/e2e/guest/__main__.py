# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios one after the other in the guest: `python -m tests.e2e.guest [--after-cut] smoke/legacy …`.

Each has a process of its own, is killed with all its children when its time is over, and leaves the journal of what
went wrong.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.e2e.guest.bed import HOMES
from tests.e2e.guest.trouble import Trouble, journal
from tests.e2e.plan import AFTER_CUT, CHECKS_FAILED, DONE, TROUBLE, Scenario, scenarios

_LINES = 60
_DEATH_S = 10.0
"""Seconds until a process that was killed is gone; a kernel that hangs may keep it for ever."""


def main(titles: Sequence[str]) -> int:
    """Run the named scenarios; returns 0 if all passed, else 1."""
    known = {scenario.title: scenario for scenario in scenarios()}
    part = "after_cut" if AFTER_CUT in titles else "run"
    chosen = [known[title] for title in titles if title != AFTER_CUT]
    return int(any([_failed(scenario, part) for scenario in chosen]))  # noqa: C419  all, not up to the first


def _failed(scenario: Scenario, part: str) -> bool:
    print(f"{scenario.title}: {scenario.proves}", flush=True)
    shutil.rmtree(HOMES, ignore_errors=True)
    HOMES.mkdir(parents=True)
    started = time.monotonic()
    with Trouble() as trouble:
        failed = _run(scenario, part)
    if failed:
        if found := trouble.found():
            print(f"{TROUBLE} {scenario.title}: {found}", flush=True)
        _show(trouble)
    print(f"{DONE} {scenario.title}: {time.monotonic() - started:.0f} s", flush=True)
    return failed


def _run(scenario: Scenario, part: str) -> bool:
    """Run it in a session of its own; what is left of that is killed at the end. Whether it failed."""
    command = [sys.executable, "-u", "-m", "tests.e2e.guest.one", scenario.title, part]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        status = process.wait(scenario.limit_s)
        # One that dies tells of no check that failed, and those before its death may all have passed.
        untold = "" if status in {0, CHECKS_FAILED} else f"its process ended with exit status {status}"
    except subprocess.TimeoutExpired:
        status, untold = None, f"not finished after {scenario.limit_s:g} s"
    if untold:
        print(f"FAIL {scenario.title}: {untold}", flush=True)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_DEATH_S)
    return status != 0


def _show(trouble: Trouble) -> None:
    """Print the end of the journal, and of what badges said on stderr."""
    print(f"longest standstill {trouble.standstill_s:.1f} s; journal:", flush=True)
    print(journal("--output=short-monotonic", f"--lines={_LINES}", *trouble.since()), end="", flush=True)
    for log in sorted(HOMES.glob("*/log")):
        said = log.read_text(errors="replace").splitlines()[-_LINES:]
        print("\n".join([f"{log.parent.name} said:", *said]), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
