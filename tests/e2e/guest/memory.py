# SPDX-License-Identifier: Apache-2.0
"""What a process holds: memory, files, threads, and what it wrote; from /proc (proc_pid_status(5) and its like)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_KIB_PER_MB = 1000**2 / 1024


class Holding(NamedTuple):
    """What a process holds.

    Attributes:
        rss_mb: resident memory, MB (10**6 bytes).
        pss_mb: the same with pages shared with other processes divided among them.
        files: open files.
        threads: threads.
        written_bytes: bytes that it has made the kernel send to a disk so far.
    """

    rss_mb: float
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
            round(_number(rollup, "Pss") / _KIB_PER_MB, 1),
            len(list((process / "fd").iterdir())),
            _number(status, "Threads"),
            _number(io, "write_bytes"),
        )


def _number(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name} in {text!r}")
    return int(found[1])
