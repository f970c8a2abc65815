# SPDX-License-Identifier: Apache-2.0
"""bzd's own scanner and advertiser, driven without its daemon."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from bzd.clock import SystemClock
from bzd.model import Advertisement
from bzd.radio import scanner
from bzd.radio.advertiser import Advertiser
from bzd.radio.bus import Bus, Signal


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

    async def pause(self) -> None:
        """Stop listening for a while."""
        await self._scanner.stop()

    async def resume(self) -> None:
        """Listen again."""
        await self._scanner.start(self._mode)


class OwnAdvertiser:
    """Advertises with `bzd.radio.advertiser` while it is entered."""

    def __init__(self, adapter: str) -> None:
        self._bus = Bus(_ignore)
        self.released = asyncio.Event()
        self._advertiser = Advertiser(self._bus, f"/org/bluez/{adapter}", self.released.set)

    async def __aenter__(self) -> Self:
        await self._bus.connect(_nothing)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._advertiser.unregister()
        self._bus.close()

    async def change(self, data: bytes) -> None:
        """Take the present advertisement off the air and put `data` (without flags) on it."""
        await self._advertiser.unregister()
        await self._advertiser.register(data)


def _ignore(_: Signal) -> None:
    """Signals are the daemon's business."""


def _nothing() -> None:
    """Nobody has to be told that the bus is gone."""
