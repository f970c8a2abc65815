# SPDX-License-Identifier: Apache-2.0
"""What the proximity tests share: sightings in one line, and a tracker fed to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Contact, Sighting
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker

Sight = Callable[..., Sighting]
Track = Callable[..., list[Contact]]


def _sight(time: float, rolling_id: int | bytes = 1, rssi: int = -60, metadata: bytes = b"meta") -> Sighting:
    raw = rolling_id if isinstance(rolling_id, bytes) else rolling_id.to_bytes(16, "big")
    return Sighting(time, "gaen", raw, metadata, rssi)


def _tracker(*, scan_period_s: float = 0.0, **config: float) -> Tracker:
    return Tracker(ProximityConfig(**config), Ranging(RangingConfig()), scan_period_s=scan_period_s)  # type: ignore[arg-type]


def _track(sightings: Iterable[Sighting], *, scan_period_s: float = 0.0, **config: float) -> list[Contact]:
    tracker = _tracker(scan_period_s=scan_period_s, **config)
    contacts = [contact for sighting in sightings for contact in tracker.feed(sighting)]
    return sorted([*contacts, *tracker.finish()], key=lambda contact: (contact.start, contact.key))


@pytest.fixture(scope="session")
def sight() -> Sight:
    """Make a sighting: `sight(time, rolling_id=1, rssi=-60)`."""
    return _sight


@pytest.fixture(scope="session")
def make_tracker() -> Callable[..., Tracker]:
    """Make a tracker: `make_tracker(scan_period_s=0, **proximity_options)`."""
    return _tracker


@pytest.fixture(scope="session")
def track() -> Track:
    """All contacts of sightings in order of start: `track(sightings, scan_period_s=0, **proximity_options)`."""
    return _track
