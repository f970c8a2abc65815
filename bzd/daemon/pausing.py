# SPDX-License-Identifier: Apache-2.0
"""The wearer's silence: until when the badge is paused, kept so that no restart, update or reboot ends it.

Two files named `paused`, of two numbers each. That in /run/bzd is for this boot: until when by CLOCK_BOOTTIME, and
until when by the wall clock where that decides as well. That in the state directory is for the boots to come: until
when by the wall clock, and for how many seconds the pause was asked. `inf` is until resumed, `nan` is not known.

Within the boot in which it was asked, the time since boot alone decides, so that setting the clock changes nothing.
After a reboot the wall clock does where it is known to be right; but a pause never takes longer from there than it was
asked for, so that a badge without a time server comes back as well.
"""

from __future__ import annotations

import os
from contextlib import suppress
from math import inf, nan
from pathlib import Path

from bzd.daemon import runtime
from bzd.daemon.timekeeping import TimeKeeper
from bzd.store.state import output_error, sync_directory, write_new

PAUSE_FILE = "paused"
"""In the state directory and in /run/bzd."""
PAUSE_MAX_S = 366 * 86400.0
"""Longest pause that ends by itself."""
_LONGEST = 100


class Pausing:
    """Whether the badge is paused, and until when.

    Args:
        state: the state directory.
        folder: /run/bzd, None without one.
        time: both clocks.

    Attributes:
        active: whether it is paused.
    """

    def __init__(self, state: Path, folder: Path | None, time: TimeKeeper) -> None:
        self._for_good = state / PAUSE_FILE
        self._for_now = None if folder is None else folder / PAUSE_FILE
        self._time = time
        self._kept = True
        self._until_boot, self._until_wall = inf, nan
        self._line = ""
        self.active = False
        self.active = self._recall()

    @property
    def until(self) -> float:
        """Until when, as CLOCK_BOOTTIME in seconds; infinite until resumed. Of meaning only while `active`."""
        by_wall = max(self._until_wall - self._time.wall() + self._time.boottime(), 0.0)
        return by_wall if self._time.synced and by_wall < self._until_boot else self._until_boot

    @property
    def over(self) -> bool:
        """Whether it is paused and its time is up."""
        return self.active and self._time.boottime() >= self.until

    def begin(self, seconds: float) -> None:
        """Pause for so many seconds from now, infinite until resumed; `keep` has to follow."""
        self.active, self._kept = True, False
        self._until_boot, self._until_wall = self._time.boottime() + seconds, nan
        wall = self._time.wall() + seconds if self._time.synced else nan
        self._line = f"{wall!r} {seconds!r}\n"

    def end(self) -> None:
        """No longer paused; `keep` has to follow."""
        self.active, self._kept, self._line = False, False, ""

    def keep(self) -> None:
        """Have it outlive this process and this boot; does nothing if that is done.

        Raises:
            OutputError: if that cannot be had: the pause then holds for this boot, or its end does.
        """
        if self._kept:
            return
        self._keep_for_now()
        _put_for_good(self._for_good, self._line)
        self._kept = True

    def _recall(self) -> bool:
        found = None if self._for_now is None else _read(self._for_now)
        if found is not None:
            self._set(found[0], found[1])
            return True
        found = _read(self._for_good)
        if found is None:
            return False
        until_wall, seconds = found
        self._set(self._time.boottime() + (seconds if seconds > 0 else inf), until_wall)
        self.active = True
        self._keep_for_now()
        return True

    def _set(self, until_boot: float, until_wall: float) -> None:
        """Take times from a file; one that cannot be true is until resumed, and then no clock ends it."""
        sane = 0 <= until_boot <= self._time.boottime() + PAUSE_MAX_S
        self._until_boot, self._until_wall = (until_boot, until_wall) if sane else (inf, nan)

    def _keep_for_now(self) -> None:
        """What a restart of the service needs, also if the card is full. Not being able to is no news: it is memory."""
        if self._for_now is not None:
            with suppress(OSError):
                _put(self._for_now, f"{self._until_boot!r} {self._until_wall!r}\n" if self.active else "")


def _put(path: Path, text: str) -> None:
    if text:
        runtime.write(path, text)
    else:
        path.unlink(missing_ok=True)


def _put_for_good(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        if text:
            write_new(new, text.encode())
            new.replace(path)
        else:
            path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise output_error(path, error) from error


def _read(path: Path) -> tuple[float, float] | None:
    """The two numbers of a file; None if there is none. A file of nonsense is a pause until resumed."""
    if not os.path.lexists(path):
        return None
    try:
        # A pipe of that name is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="ascii") as file:
            first, second = (float(word) for word in file.read(_LONGEST).split())
    except (OSError, ValueError):
        return inf, inf
    return first, second
