# SPDX-License-Identifier: Apache-2.0
"""What stands in for a machine under a badge: both clocks by hand, and a radio that hears what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bzd.clock import Clock
from bzd.model import Advertisement, Identifier
from bzd.protocols import protocols
from bzd.radio.broadcast import Broadcast, Payload
from bzd.radio.state import RadioState

NOON = 1_606_046_400.0
"""2020-11-22T12:00:00Z."""


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self, wall: float = NOON, boot: float = 1000.0, *, right: bool = True) -> None:
        self.wall, self.boot, self.right = wall, boot, right

    def now(self) -> float:
        """The wall clock."""
        return self.wall

    def boottime(self) -> float:
        """Seconds since boot."""
        return self.boot

    def boot_id(self) -> bytes:
        """Always the same boot."""
        return b"one boot of many"

    def synchronised(self) -> bool | None:
        """Whether it is right."""
        return self.right

    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.boot += seconds


class BenchRadio:
    """A radio that is always well: it draws a payload at its start and each rotation, and hears what it is told."""

    def __init__(self, broadcast: Broadcast, sink: Callable[[Advertisement], None], clock: Clock) -> None:
        self.broadcast, self.sink, self.clock = broadcast, sink, clock
        self.state = RadioState("hci9", scanning=True, mode="full")
        self.on_air: list[Payload] = []
        self._renew = asyncio.Event()

    async def run(self) -> None:
        """Rotate when asked to, until cancelled."""
        self._renew.set()
        while True:
            await self._renew.wait()
            self._renew.clear()
            if not self.state.paused:
                self.on_air.append(self.broadcast.draw())
                self.state.advertising = True

    def pause(self) -> None:
        """Off the air."""
        self.state.paused, self.state.advertising, self.state.scanning = True, False, False

    def resume(self) -> None:
        """Back on air."""
        self.state.paused, self.state.scanning = False, True
        self._renew.set()

    def rotate(self) -> None:
        """Another payload."""
        self._renew.set()

    def reconsider(self) -> None:
        """Nothing was ever found of this radio."""

    def hear(self, rssi: int = -60, number: int = 1) -> None:
        """Hear badge so-and-so now."""
        data = protocols()["gaen"].encode(Identifier("gaen", bytes([number] * 16), b"meta"))
        self.sink(Advertisement(self.clock.now(), "AA:BB:CC:DD:EE:FF", "random", rssi, data))
