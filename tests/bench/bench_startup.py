# SPDX-License-Identifier: Apache-2.0
"""How long bzd takes to start, as whole processes, beside an empty Python.

Run `python tests/bench/bench_startup.py [RUNS]`. Prints one line per command: best and median wall time of RUNS
(default 10), best CPU time (user and system), that as a multiple of an empty Python's, and what loads longest.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bzd.model import Contact, ScanInstance
from bzd.store import open_appender

CONTACTS = 100
"""A day of a badge in a quiet place: the small store."""
SLOWEST = 3
"""Modules that are named for each command."""


def main() -> None:
    """Measure and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        state = small_store(Path(folder))
        bzd = [str(Path(sys.executable).parent / "bzd")]
        _, empty = timed([sys.executable, "-c", "pass"], runs)
        print(f"{'command':28} {'best':>8} {'median':>8} {'CPU':>8} {'x python':>9}  loads longest (own time)")
        for words in (["--help"], ["--version"], ["config"], ["contacts", "--state", str(state)]):
            wall, cpu = timed([*bzd, *words], runs)
            shown = " ".join(["bzd", *words]).replace(str(state), "DIR")
            print(
                f"{shown:28} {min(wall):5.0f} ms {statistics.median(wall):5.0f} ms {min(cpu):5.0f} ms"
                f" {min(cpu) / min(empty):9.1f}  {slowest(words)}"
            )
        print(f"an empty Python takes {min(empty):.0f} ms of CPU; the small store holds {CONTACTS} contacts")


def small_store(folder: Path) -> Path:
    """A store of `CONTACTS` contacts with its identity beside it; gives its state directory."""
    state = folder / "state"
    subprocess.run([sys.executable, "-m", "bzd", "init", "--state", state], check=True, capture_output=True)
    scan = ScanInstance(0.0, 60.0, 6, -70.0, -65)
    with open_appender(state) as appender:
        appender.commit(
            add=[
                Contact("gaen", bytes([n] * 16), bytes(4), 1.8e9 + n * 60, 1.8e9 + n * 60 + 60, 0.0, 3.0, True, (scan,))
                for n in range(CONTACTS)
            ]
        )
    return state


def timed(command: list[str], runs: int) -> tuple[list[float], list[float]]:
    """Wall and CPU times of a command in milliseconds, `runs` of each after one that fills the caches."""
    wall, cpu = [], []
    for _ in range(runs + 1):
        before, begin = children_cpu(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall.append((time.perf_counter() - begin) * 1000)
        cpu.append((children_cpu() - before) * 1000)
    return wall[1:], cpu[1:]


def children_cpu() -> float:
    """CPU seconds, user and system, of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def slowest(words: list[str]) -> str:
    """The modules whose own code takes longest to load, by `-X importtime`."""
    command = [sys.executable, "-X", "importtime", "-m", "bzd", *words]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", report, re.MULTILINE)
    longest = sorted(((int(own), name) for own, name in found), reverse=True)[:SLOWEST]
    return ", ".join(f"{name} {own / 1000:.0f} ms" for own, name in longest)


if __name__ == "__main__":
    main()
