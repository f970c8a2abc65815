# SPDX-License-Identifier: Apache-2.0
"""The wall clock, injected: whatever needs to know the time is given a Clock, so that tests and simulations own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells UTC unix seconds."""

    def now(self) -> float:
        """The wall clock, UTC unix seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """The wall clock, UTC unix seconds."""
        return time.time()


class FixedClock:
    """A clock that stands still until it is set; for tests and simulations."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        """What it was set to, UTC unix seconds."""
        return self.time
