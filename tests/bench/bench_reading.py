# SPDX-License-Identifier: Apache-2.0
"""How fast a large capture is read: `bzd trace info` against `btmon -r` and `tshark -T fields` on the same file.

    python tests/bench/bench_reading.py [--reports 200000] [--rounds 5]

Each is timed as a whole command, start-up included, in turn within each round, so that whatever else the machine does
meets all alike. The best round counts; CPU time is user plus system of the process. The capture is made from a fixed
seed: three quarters of the reports are Exposure Notification of 150 badges, the others of 60 other devices.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

EPOCH_US = 0x00DCDDB30F2F8000
"""1970 in btsnoop's microseconds since the year 0."""
BADGES, OTHERS, BADGE_SHARE = 150, 60, 0.75
SEED = 20200611


class Run(NamedTuple):
    """One run of a command: wall-clock and CPU seconds, peak memory in MiB, and the number of reports it saw."""

    wall: float
    cpu: float
    memory: float
    reports: int


class Reader(NamedTuple):
    """A program that reads the capture, and what its output tells."""

    name: str
    command: list[str]
    reports: Callable[[bytes], int]
    """Reports that a line of its output tells of."""


def build(path: Path, reports: int) -> None:
    """Write the capture: btsnoop of the Linux monitor, one LE Advertising Report an event."""
    chance = random.Random(SEED)
    badges = [(chance.randbytes(6), bytes.fromhex("03036ffd17166ffd") + chance.randbytes(20)) for _ in range(BADGES)]
    others = [(chance.randbytes(6), bytes.fromhex("0201061aff4c00") + chance.randbytes(23)) for _ in range(OTHERS)]
    stamp = 1_600_000_000_000_000 + EPOCH_US
    with path.open("wb") as file:
        file.write(b"btsnoop\0" + struct.pack(">II", 1, 2001))
        file.write(struct.pack(">IIIIQBB6s8s", 16, 16, 0, 0, stamp, 0, 1, bytes(6), b"hci0"))
        for _ in range(reports):
            address, data = chance.choice(badges if chance.random() < BADGE_SHARE else others)
            stamp += chance.randrange(500, 10_000)
            head = struct.pack("<BBBBBB6sB", 0x3E, 12 + len(data), 2, 1, 3, 1, address, len(data))
            event = head + data + bytes((256 - chance.randrange(40, 95),))
            file.write(struct.pack(">IIIIQ", len(event), len(event), 3, 0, stamp) + event)


def readers(path: Path) -> list[Reader]:
    """Bzd and those of the others that are installed; says which are not."""
    fields = ["-e", "frame.time_epoch", "-e", "bthci_evt.bd_addr", "-e", "bthci_evt.rssi"]
    fields += ["-e", "btcommon.eir_ad.entry.service_data"]
    every = [
        Reader("bzd trace info", [sys.executable, "-m", "bzd", "trace", "info", str(path)], _shown_by_bzd),
        Reader("btmon -r", ["btmon", "-r", str(path)], lambda line: line.count(b"LE Advertising Report")),
        Reader(
            "tshark -T fields",
            ["tshark", "-r", str(path), "-Y", "bthci_evt.le_meta_subevent", "-T", "fields", *fields],
            lambda line: line.count(b"\n"),
        ),
    ]
    for reader in every:
        if shutil.which(reader.command[0]) is None:
            print(f"{reader.command[0]} is not installed and is left out")
    return [reader for reader in every if shutil.which(reader.command[0])]


def _shown_by_bzd(line: bytes) -> int:
    found = re.search(rb"advertising reports: ([\d,]+)", line)
    return int(found[1].replace(b",", b"")) if found else 0


def run(reader: Reader, output: Path) -> Run:
    """Run a command once, its output going to a file so that no pipe slows it."""
    with output.open("wb") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(reader.command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    # Line by line: what this process holds in memory counts as peak memory of the next command that it starts.
    with output.open("rb") as out_lines:
        reports = sum(map(reader.reports, out_lines)) if process.returncode == 0 else 0
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, reports)


def main() -> None:
    """Build the capture, time every reader, print the table."""
    parser = argparse.ArgumentParser(description="time reading a large capture")
    parser.add_argument("--reports", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.btsnoop"
        build(path, wanted.reports)
        print(f"{wanted.reports:,} reports, {path.stat().st_size / 1e6:.1f} MB, best of {wanted.rounds} rounds in turn")
        found = readers(path)
        runs: dict[str, list[Run]] = {reader.name: [] for reader in found}
        for _ in range(wanted.rounds):
            for reader in found:
                runs[reader.name].append(run(reader, Path(folder) / "output"))
    _table(runs, wanted.reports)


def _table(runs: dict[str, list[Run]], reports: int) -> None:
    ours = min(one.cpu for one in runs["bzd trace info"])
    print(f"{'command':<18}{'wall s':>8}{'CPU s':>8}{'reports/CPU s':>15}{'us/report':>11}{'MiB':>7}{'bzd is':>16}")
    for name, each in runs.items():
        cpu, wall = min(one.cpu for one in each), min(one.wall for one in each)
        memory = max(one.memory for one in each)
        ratio = "" if name == "bzd trace info" else f"{cpu / ours:.2f} x as fast"
        rate = f"{reports / cpu:,.0f}"
        print(f"{name:<18}{wall:>8.2f}{cpu:>8.2f}{rate:>15}{cpu / reports * 1e6:>11.2f}{memory:>7.0f}{ratio:>16}")
        if (seen := {one.reports for one in each}) != {reports}:
            print(f"  {name} showed {sorted(seen)} reports: its time does not count")


if __name__ == "__main__":
    main()
