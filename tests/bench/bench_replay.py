# SPDX-License-Identifier: Apache-2.0
"""The whole replay against pure decoding, and its memory, as whole processes on the same capture.

Run `python tests/bench/bench_replay.py [RUNS]`. For captures of 200,000 and 1,000,000 reports (75 % with a proximity
ID, 150 badges that change their IDs, 60 other devices; btsnoop) it times, in turn and RUNS times (default 5):

- `read`: iterate over the advertisements of the trace and do nothing,
- `replay`: `bzd replay --state` into a fresh store: decode, track, seal, commit.

It prints the best processor time of each, reports a second, the ratio of the two rates (aim: at least a third), and
the peak resident memory of the replay (aim: below 60 MB, whatever the size).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bzd.model import Advertisement, Identifier
from bzd.protocols import protocols
from bzd.protocols.ad import build
from bzd.traces.writer import BtsnoopWriter

SIZES = (200_000, 1_000_000)
BADGES, OTHERS, SHARE = 150, 60, 0.75
REPORTS_PER_SECOND = 200.0
"""A crowded hall: each badge is heard once a second."""
READ = (
    "import collections, sys; from bzd.traces import open_trace; collections.deque(open_trace(sys.argv[1]), maxlen=0)"
)


class Cost(NamedTuple):
    """What a process took: processor seconds (user and system), and its peak resident memory in MB."""

    seconds: float
    megabytes: float


def main() -> None:
    """Measure and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{'reports':>10} {'':8} {'CPU s':>8} {'reports/s':>12} {'ratio':>7} {'peak MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            capture = Path(folder) / f"{size}.btsnoop"
            write_capture(capture, size)
            reads, replays = zip(*[(read(capture), replay(capture, Path(folder))) for _ in range(runs)], strict=True)
            print_rows(size, min(reads), min(replays))
            capture.unlink()


def print_rows(size: int, reading: Cost, replaying: Cost) -> None:
    """Two lines of the table, of the best run of each."""
    for name, cost in (("read", reading), ("replay", replaying)):
        ratio = reading.seconds / cost.seconds
        print(
            f"{size:10,} {name:8} {cost.seconds:8.2f} {size / cost.seconds:12,.0f} {ratio:7.2f} {cost.megabytes:9.1f}"
        )


def read(capture: Path) -> Cost:
    """Decode a capture and do nothing with it."""
    return cost([sys.executable, "-c", READ, str(capture)])


def replay(capture: Path, folder: Path) -> Cost:
    """Replay a capture into a fresh store."""
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    bzd = [sys.executable, "-m", "bzd"]
    subprocess.run([*bzd, "init", "--state", state], check=True, capture_output=True)
    return cost([*bzd, "replay", "--state", str(state), str(capture)])


def cost(command: Sequence[str]) -> Cost:
    """Run a process to its end and ask the kernel what it took (wait4(2); Linux gives the memory in KiB)."""
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            said.seek(0)
            sys.exit(f"{command} failed: {said.read().decode()}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def write_capture(path: Path, reports: int) -> None:
    """Write a capture of that many reports; the same at every call."""
    with path.open("wb") as file:
        writer = BtsnoopWriter(file)
        for advertisement in hall(reports):
            writer.write(advertisement)


def hall(reports: int) -> Iterator[Advertisement]:
    """What a badge hears in a crowded hall."""
    draw = random.Random(1)
    time = 1_591_788_600.0
    badges = [_badge(draw, time) for _ in range(BADGES)]
    others = [(_address(draw), build(flags=6, manufacturer_data={0x4C: draw.randbytes(12)})) for _ in range(OTHERS)]
    for _ in range(reports):
        time += draw.expovariate(REPORTS_PER_SECOND)
        if draw.random() < SHARE:
            index = draw.randrange(BADGES)
            until, address, data = badges[index]
            if time >= until:
                until, address, data = badges[index] = _badge(draw, time)
        else:
            address, data = draw.choice(others)
        yield Advertisement(round(time, 6), address, "random", draw.randint(-95, -40), data)


def _badge(draw: random.Random, time: float) -> tuple[float, str, bytes]:
    """A badge's next 10 to 20 minutes: until when, under which address, and what it broadcasts."""
    data = protocols()["gaen"].encode(Identifier("gaen", draw.randbytes(16), draw.randbytes(4)), flags=0x1A)
    return time + draw.uniform(600, 1200), _address(draw), data


def _address(draw: random.Random) -> str:
    return ":".join(f"{octet:02X}" for octet in draw.randbytes(6))


if __name__ == "__main__":
    main()
