# SPDX-License-Identifier: Apache-2.0
"""Asking whether the clock is right, also from within a sandbox that hides it.

The kernel knows. Where it may not be asked (`ProtectClock=`), systemd-timedated asks it for whoever wants to know. Only
where that does not answer either, the mark counts that systemd-timesyncd leaves at each synchronisation. It stays when
a hand sets the clock afterwards: so it counts only while it is recent, and after a step only once there is a newer one.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from bzd.clock import BadgeClock
from bzd.daemon.timekeeping import STEP_S
from bzd.errors import BusError, RadioError

TIMESYNCD = Path("/run/systemd/timesync/synchronized")
"""Touched whenever systemd-timesyncd has synchronised the clock (systemd-timesyncd.service(8))."""

MARK_S = 4096.0
"""How old a mark may be: timesyncd asks at least every 2048 s (PollIntervalMaxSec= of timesyncd.conf(5)), and may miss
an answer. One that is older, or of a time to come, may be that of another time than the clock shows now."""

_NAME, _PATH = "org.freedesktop.timedate1", "/org/freedesktop/timedate1"
"""systemd-timedated, which starts on demand and judges by the kernel (org.freedesktop.timedate1(5))."""
_TIMEOUT_S = 5.0
"""A small board needs some seconds to start it."""

_log = logging.getLogger(__name__)


class Synchronised:
    """Asks the clock itself, and others where that cannot tell.

    Args:
        clock: the badge's clock.
    """

    def __init__(self, clock: BadgeClock) -> None:
        self._clock = clock
        self._difference_s = self._difference()
        self._outdated: int | None = None
        """The mark of timesyncd that is older than the last time the clock was set."""

    async def __call__(self) -> bool:
        """Whether a time server keeps the clock right; where nobody can tell, it counts as wrong."""
        self._follow()
        known = self._clock.synchronised()
        if known is None:
            known = await self._timedated()
        if known is None:
            known = self._vouched_for()
        return known

    def _vouched_for(self) -> bool:
        mark = _mark()
        if mark is None or mark == self._outdated:
            return False
        return 0 <= self._clock.now() - mark / 1e9 <= MARK_S

    def _follow(self) -> None:
        """Notice that the clock was set since it was last asked about."""
        before, self._difference_s = self._difference_s, self._difference()
        if abs(self._difference_s - before) > STEP_S:
            self._outdated = _mark()

    def _difference(self) -> float:
        return self._clock.now() - self._clock.boottime()

    async def _timedated(self) -> bool | None:
        """What it says; None if it does not answer."""
        from bzd.radio.bus import PROPERTIES, Bus  # noqa: PLC0415  dbus-next is slow to load, and seldom needed here

        bus = Bus(lambda _: None)
        try:
            await bus.connect(lambda: None)
            with suppress(BusError):
                await bus.activate(_NAME)  # it ends after half a minute without a question, and calls start nobody
            answer = await bus.call(
                _PATH, PROPERTIES, "Get", "ss", _NAME, "NTPSynchronized", destination=_NAME, timeout_s=_TIMEOUT_S
            )
        except RadioError as error:
            _log.debug("systemd-timedated does not say whether the clock is right: %s", error)
            return None
        finally:
            bus.close()
        return bool(answer)


def _mark() -> int | None:
    """When timesyncd last left its mark, in nanoseconds by the clock of that moment; None if there is none."""
    try:
        return TIMESYNCD.stat().st_mtime_ns
    except OSError:
        return None
