# SPDX-License-Identifier: Apache-2.0
"""What a badge runs on, which tests and benchmarks replace: its clocks and its radio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bzd.clock import BadgeClock, Clock
from bzd.config import Config
from bzd.daemon.pausing import Pausing
from bzd.model import Advertisement
from bzd.radio.broadcast import Broadcast
from bzd.radio.state import RadioState


class LiveRadio(Protocol):
    """What the badge needs of a radio; `bzd.radio.radio.Radio` is one."""

    @property
    def state(self) -> RadioState:
        """How it is now."""
        ...

    async def run(self) -> None:
        """Scan and advertise until cancelled."""
        ...

    def pause(self) -> None:
        """Go off the air."""
        ...

    def resume(self) -> None:
        """Go on, under a new rolling ID."""
        ...

    def rotate(self) -> None:
        """Replace the rolling ID now."""
        ...

    def reconsider(self) -> None:
        """Ask again what was found of this radio's privacy."""
        ...


MakeRadio = Callable[[Config, Broadcast, Callable[[Advertisement], None], Clock], LiveRadio]
"""Makes a radio that dates its reports by a clock and hands them to a sink."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a badge runs on, which tests replace.

    Attributes:
        clock: both clocks.
        synchronised: asks whether the wall clock is known to be right.
        make_radio: makes the radio.
        pausing: whether the wearer paused it, remembered.
    """

    clock: BadgeClock
    synchronised: Callable[[], Awaitable[bool]]
    make_radio: MakeRadio
    pausing: Pausing
