# SPDX-License-Identifier: Apache-2.0
"""Exporting a store as one consistent file, still sealed; needs no identity."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from bzd.errors import StateError
from bzd.store import container
from bzd.store.merging import apply, together
from bzd.store.recent import beside
from bzd.store.state import output_error, store_file, write_new

T = TypeVar("T")


def backup(source: Path, out: Path | BinaryIO) -> None:
    """Copy a store into one file that needs nothing beside it, while writers go on.

    Args:
        source: a state directory or an exported file.
        out: a path where nothing is yet (the file gets mode 0600), or a file open for writing bytes.

    Raises:
        StateError, StoreError: if the source cannot be read.
        OutputError: if the copy cannot be written, or is there already; then nothing is left of it.
    """
    if isinstance(out, Path):
        _copy(store_file(source), out)
        return
    by_way_of_a_file(lambda path: _copy(store_file(source), path), out)


def by_way_of_a_file(make: Callable[[Path], T], out: BinaryIO) -> T:
    """Make a file in the temporary folder, and write what it holds to a stream; BrokenPipeError is the caller's.

    The file has no name any more while it is written to the stream, which takes as long as its reader likes: whatever
    kills this process then, nothing of it stays.

    Args:
        make: makes the file at a path, where there is none, and returns what this returns.
        out: the stream.

    Raises:
        OutputError: if the stream cannot be written to.
    """
    with tempfile.TemporaryDirectory(prefix="bzd-") as folder:
        path = Path(folder) / "store.bzd"
        made = make(path)
        file = path.open("rb")
    with file:
        try:
            shutil.copyfileobj(file, out)
            out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise output_error(Path(getattr(out, "name", "output")), error) from error
    return made


def _copy(source: Path, target: Path) -> None:
    with container.open_reader(source) as connection:
        write_new(target, b"")
        try:
            with container.translated(target):
                _fill(connection, source, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _fill(connection: sqlite3.Connection, source: Path, target: Path) -> None:
    copy = container.connect(target, "mode=rw")

    def read() -> None:
        # One step copies all pages from one state of the source; in several a writer would make it begin again.
        connection.backup(copy, pages=-1)

    try:
        store_id, _ = container.store_row(connection, source)
        try:
            _, half = together(source, store_id, read)
            copy.execute("BEGIN")  # else each row is a transaction
            apply(copy, half)
            copy.execute("COMMIT")
        except ValueError:  # what is recent is damaged: whoever reads the store where it is learns that
            read()
        except OSError as error:
            raise StateError(
                f"cannot read {beside(source)}: {error.strerror}", "run as the user that owns it"
            ) from error
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
