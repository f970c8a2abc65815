# SPDX-License-Identifier: Apache-2.0
"""Files named on the command line: small ones read whole, output written completely or not at all."""

from __future__ import annotations

import io
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from bzd.cli.failure import DISK_FULL
from bzd.errors import DiskFullError, InputError, OutputError

STDIO = "-"
"""The file name that means standard input or output."""
SMALL_BYTES = 65536
"""More than any key or passphrase file holds; what is larger is none, and is not read into memory."""
PRIVATE = 0o600
"""Mode of whatever bzd writes for its user: contacts, stores and identities are nobody else's business."""


def read_small(path: Path, what: str) -> bytes:
    """Read a key or passphrase file.

    Args:
        path: the file, or `-` for standard input.
        what: what it should be, for the error: `identity`.

    Raises:
        InputError: if it cannot be read or is larger than any such file.
    """
    try:
        if str(path) == STDIO:
            data = sys.stdin.buffer.read(SMALL_BYTES + 1)
        else:
            with path.open("rb") as stream:
                data = stream.read(SMALL_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror}") from error
    if len(data) > SMALL_BYTES:
        raise InputError(f"{path} is no {what}: it is larger than {SMALL_BYTES} bytes", "check the path")
    return data


@contextmanager
def output_file(path: Path, *, force: bool | None = None, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is complete, and not at all if the block raises.

    Args:
        path: the file, or `-` for standard output. What is no regular file (a device, a pipe) is written in place.
        force: replace a file that is there; None where the command has no `--force` to offer.
        mode: its permissions.

    Raises:
        OutputError: if it cannot be written, is there already, or is a directory.
    """
    if str(path) == STDIO:
        yield sys.stdout.buffer
        return
    with _named(path):
        special = _special(path, force=force)
        target = Path(os.path.realpath(path))
        part = path if special else target.with_name(f".bzd-{secrets.token_hex(8)}.part")
        flags = os.O_WRONLY if special else os.O_WRONLY | os.O_CREAT | os.O_EXCL
        raw = io.FileIO(os.open(part, flags | os.O_CLOEXEC, mode), "w")
        raw.name = str(path)  # what errors call it; nobody knows the part
        stream = io.BufferedWriter(raw)
    try:
        with _named(path), stream:
            yield stream
            stream.flush()
            if not special:
                os.fsync(stream.fileno())
                part.replace(target)
    except BaseException:
        if not special:
            part.unlink(missing_ok=True)
        raise


@contextmanager
def text_file(path: Path, *, force: bool | None = None) -> Iterator[TextIO]:
    """Write a UTF-8 text file; everything else is as with `output_file`."""
    if str(path) == STDIO:
        yield sys.stdout
        return
    with output_file(path, force=force) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def require_outside(path: Path, states: Iterable[Path]) -> None:
    """Refuse an output inside a state directory or over the store that is read: --force must not cost a store.

    Raises:
        OutputError: if so.
    """
    target = os.path.realpath(path)
    for state in states:
        base = os.path.realpath(state)
        if str(path) != STDIO and base in {target, os.path.dirname(target)}:  # noqa: PTH120  beside realpath
            raise OutputError(f"{path} is in the state directory {state}", "name a file elsewhere")


def _special(path: Path, *, force: bool | None) -> bool:
    """Whether the path is there and is no regular file; refuses directories, and files that must not be replaced."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(kind):
        raise OutputError(f"{path} is a directory", "name a file in it")
    if stat.S_ISREG(kind) and not force:
        raise OutputError(
            f"{path} exists", "name another file" + (", or replace it with --force" if force is False else "")
        )
    return not stat.S_ISREG(kind)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the system says about writing a file into an error that names the file."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        kind = DiskFullError if error.errno in DISK_FULL else OutputError
        hint = None if kind is DiskFullError else "check the path and its permissions"
        raise kind(f"cannot write {path}: {error.strerror or error}", hint) from error
