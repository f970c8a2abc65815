# SPDX-License-Identifier: Apache-2.0
"""The folder that key files are fetched into: which of them are to be looked at now.

What was matched is known to the store alone. Here it is only remembered which file looked how when it was last looked
at, so that those that did not change are not opened again, and one that was refused is not tried for ever.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nsmallest
from math import inf
from pathlib import Path

SUFFIX = ".zip"
"""What key files end in; whatever is being fetched has another name, or begins with a dot."""
FILES_MAX = 10_000
"""Most files that are looked at: twenty for each hour of 14 days, and as many again. More is no feed."""

Mark = tuple[int, int, int]
"""What tells whether a file was changed: inode, size in bytes, and time of the last change in nanoseconds."""


@dataclass(slots=True)
class _Looked:
    """How a file looked, why it was refused (empty if it was not), and when (boottime) it is due again."""

    mark: Mark
    refused: str
    due: float


class Folder:
    """Remembers what became of the files of a folder.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked: dict[str, _Looked] = {}
        self._there: dict[str, Mark] = {}

    @property
    def refused(self) -> Mapping[str, str]:
        """Files that cannot be used, and why."""
        return {name: looked.refused for name, looked in self._looked.items() if looked.refused}

    @property
    def matched(self) -> int:
        """How many files are matched."""
        return sum(not looked.refused for looked in self._looked.values())

    def look(self) -> bool:
        """See which files there are; False if there is no such folder, or it may not be read."""
        try:
            with os.scandir(self.path) as entries:
                files = (each.name for each in entries if each.name.endswith(SUFFIX) and each.name[0] != ".")
                names = nsmallest(FILES_MAX, files)  # whoever fetches may be somebody else's by now
        except OSError:
            self._there = {}
            return False
        self._there = {name: mark for name in names if (mark := _mark(self.path / name)) is not None}
        self._looked = {name: looked for name, looked in self._looked.items() if name in self._there}
        return True

    def due(self, boottime: float) -> list[str]:
        """Files that are new, changed, or to be matched again, in order of their names."""
        return [name for name, mark in self._there.items() if self._is_due(name, mark, boottime)]

    def settle(self, name: str, due: float) -> None:
        """A file is matched, and due again at a boottime, infinite for never."""
        self._remember(name, "", due)

    def refuse(self, name: str, why: str) -> bool:
        """A file cannot be used as it is; gives whether that is news."""
        before = self._looked.get(name)
        self._remember(name, why, inf)
        return before is None or before.refused != why or before.mark != self._there.get(name)

    def forget(self) -> None:
        """All matched files are due, since what they were judged by has changed."""
        self._looked = {name: looked for name, looked in self._looked.items() if looked.refused}

    def _is_due(self, name: str, mark: Mark, boottime: float) -> bool:
        looked = self._looked.get(name)
        return looked is None or looked.mark != mark or looked.due <= boottime

    def _remember(self, name: str, refused: str, due: float) -> None:
        # As it looked before it was read: what changed meanwhile is looked at again.
        if name in self._there:
            self._looked[name] = _Looked(self._there[name], refused, due)


def _mark(path: Path) -> Mark | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
