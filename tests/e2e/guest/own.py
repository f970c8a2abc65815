# SPDX-License-Identifier: Apache-2.0
"""bzd's own scanner and radio, driven without its daemon."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from bzd.clock import SystemClock
from bzd.config import Config
from bzd.model import Advertisement, DailyKey
from bzd.protocols import gaen
from bzd.radio import scanner
from bzd.radio.broadcast import Broadcast
from bzd.radio.bus import Bus, Signal
from bzd.radio.radio import Radio
from bzd.radio.state import RadioState

_TX_POWER_DBM = 0


class OwnScanner:
    """Listens with `bzd.radio.scanner` while it is entered.

    Attributes:
        heard: what arrived, in order.
    """

    MODES = tuple(reversed(scanner.MODES))

    def __init__(self, mode: str, adapter: str) -> None:
        self.heard: list[Advertisement] = []
        self._mode = mode
        self._bus = Bus(_ignore)
        self._scanner = scanner.Scanner(self._bus, adapter, SystemClock(), self.heard.append)

    @property
    def pid(self) -> int:
        """This process."""
        return os.getpid()

    @property
    def callbacks(self) -> int:
        """How many reports arrived."""
        return len(self.heard)

    @property
    def counts(self) -> scanner.ScanCounts:
        """What was dropped."""
        return self._scanner.counts

    async def __aenter__(self) -> Self:
        await self._bus.connect(_nothing)
        await self._scanner.start(self._mode)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._scanner.stop()
        self._bus.close()


class OwnRadio:
    """bzd's whole radio, scanning and advertising on one adapter while it is entered.

    Attributes:
        heard: what arrived, in order.
        keys: the daily keys that it advertised under.
    """

    def __init__(self, adapter: str, mode: str, protocol: str = gaen.NAME) -> None:
        self.heard: list[Advertisement] = []
        self.keys: list[DailyKey] = []
        clock = SystemClock()
        broadcast = Broadcast(protocol, _TX_POWER_DBM, clock=clock, boottime=clock.boottime, keep=self.keys.append)
        standard = Config()
        config = replace(
            standard,
            radio=replace(standard.radio, adapter=adapter),
            scan=replace(standard.scan, mode=mode),
        )
        self._radio = Radio(config, broadcast, self.heard.append, clock=clock)
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> RadioState:
        """What the radio says of itself."""
        return self._radio.state

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._radio.run())
        await self.until(lambda: self.state.advertising and self.state.scanning)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def rotate(self) -> float:
        """Change the rolling ID; returns the seconds for which nothing was listened to."""
        done = self.state.rotations
        self._radio.rotate()
        await self.until(lambda: self.state.rotations > done and self.state.scanning)
        return self.state.rotation_gap_s or 0.0

    async def pause(self) -> None:
        """Go off the air."""
        self._radio.pause()
        await self.until(lambda: self.state.off_air)

    def resume(self) -> None:
        """Go on, under another ID."""
        self._radio.resume()

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> float:
        """Wait for a condition; returns the seconds that it took.

        Raises:
            TimeoutError: if it does not come true in time; the message holds the radio's troubles.
        """
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"waited {seconds:g} s for the radio: {self.state.troubles or 'no troubles'}")
            if self._task is not None and self._task.done():
                self._task.result()
            await asyncio.sleep(0.02)
        return time.monotonic() - started


def _ignore(_: Signal) -> None:
    """Signals are the daemon's business."""


def _nothing() -> None:
    """Nobody has to be told that the bus is gone."""
