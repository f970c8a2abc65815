# SPDX-License-Identifier: Apache-2.0
"""A trace made by the test bed: badges that come nearer and go away, each at its own pace; the odd ones leave early."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

from bzd.model import Advertisement
from bzd.traces.writer import JsonlWriter
from tests.e2e.guest.listening import proximity_data

BADGES = 12
"""Each has one rolling ID, and so one contact."""
_START = 1_700_000_000.0
_STEP_S = 0.5
_SEED = 1


def write(trace: Path, seconds: float) -> None:
    """Write a trace of so many seconds, with two reports a second from each badge; always the same."""
    with trace.open("wb") as file:
        writer = JsonlWriter(file)
        for advertisement in _walk(round(seconds / _STEP_S)):
            writer.write(advertisement)


def _walk(steps: int) -> Iterator[Advertisement]:
    chance = random.Random(_SEED)
    for step in range(steps):
        for badge in range(BADGES):
            if badge % 2 and step > steps / 2:
                continue
            time = _START + _STEP_S * (step + badge / BADGES)
            rssi = round(-65 + 12 * math.sin(step / (8 + badge)) + chance.gauss(0, 3))
            data = proximity_data(bytes([badge + 1] * 20))
            yield Advertisement(time, f"1A:00:00:00:00:{badge:02X}", "random", rssi, data)
