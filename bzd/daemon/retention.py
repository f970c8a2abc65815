# SPDX-License-Identifier: Apache-2.0
"""Deleting what is too old, but only by a clock that can be believed: what is deleted is gone for ever."""

from __future__ import annotations

import logging
from pathlib import Path

from bzd.daemon.keeper import Keeper
from bzd.daemon.timekeeping import TimeKeeper
from bzd.errors import BzdError

GAP_DAYS = 2
"""So many whole days without any record are believed at once; more may be a clock that was set wrong."""
AGREEMENT_S = 86400.0
"""How long a clock that skipped days must say the same before anything is deleted by it."""
SAME_S = 60.0
"""A clock that was set by less says the same."""
RETRY_S = 600.0
"""A purge that a reader kept from completing is tried again after this."""

_log = logging.getLogger(__name__)


class Retention:
    """Purges once a UTC day.

    Args:
        state: the state directory.
        keeper: knows which days there are.
        time: data time.
    """

    def __init__(self, state: Path, keeper: Keeper, time: TimeKeeper) -> None:
        self._state = state
        self._keeper = keeper
        self._time = time
        self._done: int | None = None
        self._odd: tuple[float, float] | None = None
        """Since when (boottime) the clock has said something odd, and by how many seconds it differs from boottime."""
        self._retry_at = 0.0

    def due(self) -> bool:
        """Whether to purge now: once a day, and only if the clock can be believed."""
        if not self._time.synced or self._time.stepped():
            return False
        if self._time.day() == self._done or self._time.boottime() < self._retry_at:
            return False
        return self._believable()

    def run(self, days: int) -> None:
        """Purge what ended more than so many days ago; may take seconds and run in another thread."""
        from bzd.store import purge  # noqa: PLC0415  loaded with the store

        now, today = self._time.wall(), self._time.day()
        try:
            with self._keeper.alone:
                result = purge(self._state, days=None, before=now - days * 86400, now=now)
        except BzdError as error:
            _log.warning("cannot delete what is older than %d days: %s; trying again", days, error)
            self._retry_at = self._time.boottime() + RETRY_S
            return
        self._done = today
        if result.segments:
            _log.info("deleted what is older than %d days: %d records", days, result.records)

    def _believable(self) -> bool:
        boot, today = self._time.boottime(), self._time.day()
        offset_s = self._time.now() - boot
        if self._odd is not None and abs(self._odd[1] - offset_s) <= SAME_S:
            return boot - self._odd[0] >= AGREEMENT_S
        newest = self._keeper.newest_day(today)
        if newest is None or today - newest <= GAP_DAYS + 1:
            self._odd = None
            return True
        self._odd = (boot, offset_s)
        _log.warning("the clock went forward by %d days; nothing is deleted by it for a day", today - newest)
        return False
