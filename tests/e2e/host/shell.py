# SPDX-License-Identifier: Apache-2.0
"""Running programs of the build machine: quiet while they succeed, with all they said when they fail."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

_START = time.monotonic()


class BuildError(Exception):
    """A program failed; the message holds its command line and the end of its output."""


def step(text: str) -> None:
    """Tell on stderr what is being done, with the seconds since the start."""
    print(f"[{time.monotonic() - _START:4.0f} s] {text}", file=sys.stderr, flush=True)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        BuildError: if it cannot be started or its exit status is not 0.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise BuildError(f"{' '.join(words)}: exit status {done.returncode}\n{_end(done.stderr + done.stdout)}")
    return done.stdout


def make_disk(image: Path, tree: Path, *, spare_mib: int) -> None:
    """Write the contents of `tree` as an ext4 file system into the file `image`, with `spare_mib` MiB to spare.

    The guest's writes go to a snapshot that is thrown away, so a journal would only cost time.
    """
    used = int(run("du", "-sm", tree).split()[0])
    size = f"{used * 12 // 10 + spare_mib}M"
    image.unlink(missing_ok=True)
    run("mke2fs", "-qF", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0", "-d", tree, image, size)


def _end(text: str, lines: int = 30) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
