# SPDX-License-Identifier: Apache-2.0
"""Where built things are kept between runs: outside the repository, each with the fingerprint of what it came from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.host.shell import BuildError, step

ROOT = Path(__file__).resolve().parents[3]
"""The checkout."""


def folder() -> Path:
    """`bzd-e2e` in the user's cache (XDG base directory specification: ~/.cache unless XDG_CACHE_HOME says other)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "bzd-e2e"


_PATIENCE_S = 6 * 3600.0
"""Seconds to wait for another run; one with everything in both suites, of which a hundred rotations, load and the week
are most, takes hours."""


@contextmanager
def reserved() -> Iterator[None]:
    """Keep other runs on this machine waiting: they share the cache, and two guests at once are too slow.

    Raises:
        BuildError: if another run goes on for too long.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        patience = time.monotonic() + _PATIENCE_S
        for number in itertools.count():
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if number == 0:
                step("waiting for another run to end")
            if time.monotonic() > patience:
                raise BuildError(f"another run has held {lock.name} for {_PATIENCE_S / 3600:.0f} h")
            time.sleep(1.0)
        yield


def fingerprint(paths: Iterable[Path], *more: str) -> str:
    """SHA-256 (hex) over names and contents of files, and over further texts."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    for text in more:
        digest.update(f"\0{text}".encode())
    return digest.hexdigest()


def sources(*folders: Path) -> list[Path]:
    """All files below folders of the checkout that git would not ignore by habit: no byte code."""
    return [path for top in folders for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def keep(target: Path, mark: str, build: Callable[[Path], None]) -> Path:
    """Make the folder `target` by `build`, unless it was already made from the same things.

    Args:
        target: the folder; made anew as a whole, and visible only when it is complete.
        mark: fingerprint of all that it is built from.
        build: fills the empty folder that it is given.

    Returns:
        `target`.
    """
    stamp = target / "fingerprint"
    if stamp.is_file() and stamp.read_text() == mark:
        return target
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    build(unfinished)
    (unfinished / "fingerprint").write_text(mark)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    return target
