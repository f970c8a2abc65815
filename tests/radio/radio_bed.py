# SPDX-License-Identifier: Apache-2.0
"""A radio on the fake BlueZ, for the tests of the whole radio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from bzd.clock import FixedClock
from bzd.config import load
from bzd.model import Advertisement, DailyKey
from bzd.protocols import ad
from bzd.radio.broadcast import Broadcast
from bzd.radio.radio import Radio

from .conftest import until
from .fake_bluez import FakeBluez

UUID = ad.uuid_16(0xFD6F)
NOW = 1_728_043_200.0


class Bed:
    """A radio, what it hears, and the BlueZ that it works with."""

    def __init__(self, bluez: FakeBluez, *settings: str, keep: Callable[[DailyKey], None], **more: Any) -> None:
        self.bluez = bluez
        self._task: asyncio.Task[None] | None = None
        self.clock = FixedClock(NOW)
        self.boot = 100.0
        self.heard: list[Advertisement] = []
        self.broadcast = Broadcast("gaen", 0, clock=self.clock, boottime=lambda: self.boot, keep=keep)
        config = load(None, settings).config
        more.setdefault("main_conf", Path("/nonexistent"))
        self.radio = Radio(config, self.broadcast, self.heard.append, clock=self.clock, random=Random(1), **more)

    def on_air(self) -> bool:
        """Whether it advertises and scans."""
        return self.radio.state.advertising and self.radio.state.scanning

    def begin(self) -> None:
        """Let it run."""
        self._task = asyncio.create_task(self.radio.run())

    async def end(self) -> None:
        """Cancel it, as at the end of the daemon. Harmless again."""
        assert self._task is not None
        assert self._task.cancelled() or not self._task.done(), "it ended by itself"
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def has_registered(self, times: int) -> bool:
        """Whether so many registrations worked."""
        return self.radio.state.rotations == times

    def has_rotated(self, times: int) -> bool:
        """Whether so many registrations worked, and it is on air."""
        return self.radio.state.rotations == times and self.on_air()

    def has_stepped(self, since: float) -> bool:
        """Whether its heart has beaten since."""
        return self.radio.state.stepped > since

    async def up(self) -> None:
        """Wait until it is on air: within the 5 s that the project promises."""
        await until(self.on_air)

    def off_air(self) -> bool:
        """Whether BlueZ holds nothing of the badge."""
        return not (self.bluez.adverts or self.bluez.monitors or self.bluez.discovering)

    def later(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.clock.time += seconds
        self.boot += seconds


@asynccontextmanager
async def a_bed(
    bluez: FakeBluez | None = None, *settings: str, started: bool = True, **more: Any
) -> AsyncIterator[Bed]:
    """A radio that runs on a fake BlueZ, and ends with the block; `started` says whether BlueZ is there at first."""
    bluez = bluez or FakeBluez()
    if started:
        await bluez.start()
    more.setdefault("keep", lambda _: None)
    bed = Bed(bluez, *settings, **more)
    bed.begin()
    try:
        yield bed
    finally:
        await bed.end()
        if bluez._bus is not None:
            await until(bed.off_air)
            await bluez.stop()
