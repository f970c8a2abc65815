# SPDX-License-Identifier: Apache-2.0
"""What a process holds: memory, files, threads, and what it wrote; from /proc (proc_pid_status(5) and its like)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.e2e.guest.bed import Bed

MEMORY_MB = 45.0
"""Resident memory of the daemon stays below this, in MB of 10**6 bytes: a tenth of the smallest board that it is for, a
Raspberry Pi Zero 2 W with 512 MB."""
_KIB_PER_MB = 1000**2 / 1024


class Holding(NamedTuple):
    """What a process holds.

    Attributes:
        rss_mb: resident memory, MB (10**6 bytes).
        peak_mb: the most that it has been so far.
        pss_mb: the same with pages shared with other processes divided among them.
        files: open files.
        threads: threads.
        written_bytes: bytes that it has made the kernel send to a disk so far.
    """

    rss_mb: float
    peak_mb: float
    pss_mb: float
    files: int
    threads: int
    written_bytes: int

    @classmethod
    def of(cls, pid: int) -> Holding:
        """What the process holds now."""
        process = Path(f"/proc/{pid}")
        status, rollup, io = ((process / name).read_text() for name in ("status", "smaps_rollup", "io"))
        return cls(
            round(_number(status, "VmRSS") / _KIB_PER_MB, 1),
            round(_number(status, "VmHWM") / _KIB_PER_MB, 1),
            round(_number(rollup, "Pss") / _KIB_PER_MB, 1),
            len(list((process / "fd").iterdir())),
            _number(status, "Threads"),
            _number(io, "write_bytes"),
        )


def check_memory(bed: Bed, whose: str, mb: float) -> None:
    """Check that the daemon's resident memory is below the bound."""
    bed.check(f"{whose} takes less than {MEMORY_MB:g} MB", mb < MEMORY_MB, f"{mb} MB")


def _number(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name} in {text!r}")
    return int(found[1])
