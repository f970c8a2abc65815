# SPDX-License-Identifier: Apache-2.0
"""Running programs of the build machine: quiet while they succeed, with all they said when they fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

_START = time.monotonic()
_LIMIT_S = 900.0
"""Seconds that any program may take; the longest, a Debian over a slow line, takes some minutes."""

_PAUSE_S = 10.0
"""Seconds until a network that failed is tried again."""
_NETWORK = re.compile(
    r"Could not (?:resolve|connect)|Unable to connect|Failed to fetch|Temporary failure|Connection (?:failed|timed out)"
    r"|NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ConnectionError|ProxyError"
)
"""What apt and pip say when they cannot reach their archive."""


class BuildError(Exception):
    """A program failed; the message holds its command line and the end of its output."""


class UnavailableError(BuildError):
    """What a build needs of the network is not to be had from here; nothing is wrong with the project."""


def step(text: str) -> None:
    """Tell on stderr what is being done, with the seconds since the start."""
    print(f"[{time.monotonic() - _START:4.0f} s] {text}", file=sys.stderr, flush=True)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        BuildError: if it cannot be started, does not end in time, or its exit status is not 0.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{' '.join(words)}: not finished after {_LIMIT_S:.0f} s") from error
    except OSError as error:
        raise BuildError(f"{words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise BuildError(f"{' '.join(words)}: exit status {done.returncode}\n{_end(done.stderr + done.stdout)}")
    return done.stdout


def fetch(*command: str | Path, into: Path | None = None) -> str:
    """Run a program that loads files from the network; once more if the network fails.

    Args:
        command: the program and its arguments.
        into: a folder that it makes, and that must not be there when it is run again.

    Raises:
        UnavailableError: if the network fails again.
        BuildError: as `run`.
    """
    for last in (False, True):
        try:
            return run(*command)
        except BuildError as error:
            if not _NETWORK.search(str(error)):
                raise
            if last:
                raise UnavailableError(f"the network fails: {error}") from error
            step(f"once more, the network failed: {error}")
            if into is not None:
                shutil.rmtree(into, ignore_errors=True)
            time.sleep(_PAUSE_S)
    raise AssertionError


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
