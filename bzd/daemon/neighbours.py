# SPDX-License-Identifier: Apache-2.0
"""Who is near now, without saying who: how many, how strong, how long ago; and how much is heard at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable
from typing import NamedTuple

from bzd.model import Advertisement, plausible_rssi
from bzd.protocols import recognise

NEAR_S = 60.0
"""Heard within this time is near now: six of BlueZ's slowest reports (`bzd.radio.scanner`)."""
NEIGHBOURS_MAX = 512
"""Most that are remembered; 500 badges were seen to saturate bluetoothd."""
RATE_S = 60.0
"""Time over which sightings are counted."""
_WEIGHT = 0.2
"""Share of a new RSSI in the smoothed one, so that a display does not flicker."""


class Neighbour(NamedTuple):
    """Somebody near: smoothed RSSI in dBm, and when last heard in CLOCK_BOOTTIME seconds."""

    rssi: float
    heard: float


class Neighbours:
    """Looks at what is heard. All times are CLOCK_BOOTTIME in seconds."""

    def __init__(self) -> None:
        self._near: dict[bytes, Neighbour] = {}
        self._rate: deque[tuple[float, int]] = deque()

    def hear(self, advertisements: Iterable[Advertisement], boottime: float, own: Container[bytes] = ()) -> None:
        """Take in what was heard just now.

        Args:
            advertisements: what was heard.
            boottime: now.
            own: rolling IDs of this badge.
        """
        count = 0
        for advertisement in advertisements:
            rssi = advertisement.rssi
            for identifier in recognise(advertisement.data):
                if rssi is None or not plausible_rssi(rssi) or identifier.rolling_id in own:
                    continue
                count += 1
                self._hear(identifier.rolling_id, rssi, boottime)
        if count:
            self._rate.append((boottime, count))

    def near(self, boottime: float) -> list[Neighbour]:
        """Who is near, the strongest first."""
        self._near = {key: one for key, one in self._near.items() if boottime - one.heard <= NEAR_S}
        return sorted(self._near.values(), reverse=True)

    def per_minute(self, boottime: float) -> int:
        """Sightings of the last minute."""
        while self._rate and boottime - self._rate[0][0] > RATE_S:
            self._rate.popleft()
        return sum(count for _, count in self._rate)

    def _hear(self, rolling_id: bytes, rssi: int, boottime: float) -> None:
        # Taken out and put in again, so that the first is the one silent longest.
        known = self._near.pop(rolling_id, None)
        smooth = float(rssi) if known is None else known.rssi + _WEIGHT * (rssi - known.rssi)
        self._near[rolling_id] = Neighbour(smooth, boottime)
        if len(self._near) > NEIGHBOURS_MAX:
            del self._near[next(iter(self._near))]
