# SPDX-License-Identifier: Apache-2.0
"""What is known of each address that was fetched: one change a line, of which the last one holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bzd.feed.transfer import Known

FILE = re.compile(r"[A-Za-z0-9_-]{1,64}\.[0-9a-f]{16}\.zip")
"""What fetched files are called; nothing else in a folder is ever removed."""

_MOST = 64 << 20
"""Bytes that are read; notes of 4096 addresses of 2 kB take 10 MB, and are written anew when they are twice that."""
_TYPES: dict[str, tuple[type, ...]] = {
    "url": (str,),
    "file": (str,),
    "size": (int,),
    "sha256": (str,),
    "last_modified": (int, float, type(None)),
    "etag": (str,),
    "as_of": (int, float, type(None)),
    "fetched": (int, float, type(None)),
    "removed": (bool,),
}


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of an address.

    Attributes:
        url: the address.
        file: name of the file that came from there.
        size: its bytes.
        sha256: of it, hex.
        last_modified: see `bzd.feed.transfer.Known`.
        etag: as well.
        as_of: the midnight before it was last looked for, UTC unix seconds; None if the clocks did not agree then.
        fetched: when it came, unix seconds; None while no clock was known to be right since.
        removed: whether the file was removed, since it was old.
    """

    url: str
    file: str
    size: int
    sha256: str
    last_modified: float | None = None
    etag: str = ""
    as_of: float | None = None
    fetched: float | None = None
    removed: bool = False

    def known(self, midnight: float) -> Known:
        """What matters when asking for it again.

        On another day it is asked for without a condition: a file may be replaced by one that is newer, but looks older
        than the last look, since it was prepared before and uploaded with its time.

        Args:
            midnight: the last one, UTC unix seconds.
        """
        return Known(self.size, self.last_modified, self.etag, self.as_of if self.as_of == midnight else None)

    def line(self) -> bytes:
        """The line that says so."""
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"

    def without_file(self) -> Note:
        """The same once the file is removed."""
        return replace(self, removed=True)


def read(path: Path) -> tuple[dict[str, Note], int]:
    """The notes in a file by address, and its number of lines.

    A line that the power cut short, or that is none, is as if it were not there: its file is fetched once more.
    """
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST).splitlines()
    except OSError:
        return {}, 0
    return {note.url: note for note in _parsed(lines)}, len(lines)


def _parsed(lines: list[bytes]) -> Iterator[Note]:
    for line in lines:
        try:
            values: Any = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if (
            isinstance(values, dict)
            and values.keys() == _TYPES.keys()
            and all(type(values[name]) in kinds for name, kinds in _TYPES.items())
            and FILE.fullmatch(values["file"])
        ):
            yield Note(**values)
