# SPDX-License-Identifier: Apache-2.0
"""Asking whether the clock is right, also from within a sandbox that hides it."""

from __future__ import annotations

import logging

from bzd.clock import BadgeClock
from bzd.errors import RadioError

_NAME, _PATH = "org.freedesktop.timedate1", "/org/freedesktop/timedate1"
"""systemd-timedated, which starts on demand and judges by the kernel (org.freedesktop.timedate1(5))."""
_TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)


class Synchronised:
    """Asks the clock itself, and systemd-timedated where that cannot tell.

    Args:
        clock: the badge's clock.
    """

    def __init__(self, clock: BadgeClock) -> None:
        self._clock = clock

    async def __call__(self) -> bool:
        """Whether a time server keeps the clock right; where nobody can tell, it counts as wrong."""
        known = self._clock.synchronised()
        return await self._timedated() if known is None else known

    async def _timedated(self) -> bool:
        from bzd.radio.bus import PROPERTIES, Bus  # noqa: PLC0415  dbus-next is slow to load, and seldom needed here

        bus = Bus(lambda _: None)
        try:
            await bus.connect(lambda: None)
            answer = await bus.call(
                _PATH, PROPERTIES, "Get", "ss", _NAME, "NTPSynchronized", destination=_NAME, timeout_s=_TIMEOUT_S
            )
        except RadioError as error:
            _log.debug("nobody can say whether the clock is right: %s", error)
            return False
        finally:
            bus.close()
        return bool(answer)
