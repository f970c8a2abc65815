# SPDX-License-Identifier: Apache-2.0
"""What the tests of matching share: cases that are heard, and files of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bzd.config import ProximityConfig, RangingConfig
from bzd.matching.keys import DiagnosisKey
from bzd.matching.signing import SigningKey
from bzd.model import Contact, ScanInstance, Sighting
from bzd.protocols import gaen
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker


class Cases:
    """Cases and what is heard of them.

    Attributes:
        midnight: 2 July 2020, 00:00 UTC, unix seconds.
        day: its first interval.
        tx_power: dBm that their metadata states.
    """

    midnight = 1_593_648_000.0
    day = int(midnight) // 600
    tx_power = 8

    @staticmethod
    def key(number: int, *, day: int = 0, intervals: int = 144, **other: object) -> DiagnosisKey:
        """A key of a day counted from `midnight`, told from others by its number."""
        return DiagnosisKey(number.to_bytes(16, "big"), Cases.day + 144 * day, intervals, **other)  # type: ignore[arg-type]

    @staticmethod
    def contact(
        key: DiagnosisKey,
        interval: int,
        *,
        at: float | None = None,
        tx_power: int = 8,
        synced: bool = True,
        seconds: float = 60.0,
    ) -> Contact:
        """A contact with the owner of a key: at -60 dBm, a minute long, when its interval begins unless `at`."""
        (rolling_id,) = gaen.PROTOCOL.rolling_ids(key.key, interval, 1)
        start = float(interval * 600) if at is None else at
        scans = (ScanInstance(0.0, seconds, 6, -60.0, -58),)
        aem = gaen.seal(key.key, rolling_id, gaen.Metadata(tx_power))
        return Contact("gaen", rolling_id, aem, start, start + seconds, seconds, 1.0, synced, scans)

    @staticmethod
    def heard(
        key: DiagnosisKey, start: float, end: float, *, period: float = 10.0, rotation: float = 600.0, rssi: int = -55
    ) -> Iterator[Sighting]:
        """Sightings of a key's owner every `period` seconds, whose ID changes every `rotation` seconds from `start`."""
        count = int((end - start) / period)
        for number in range(count + 1):
            time = start + number * period
            begun = start + min(time - start, end - start - 1) // rotation * rotation
            (rolling_id,) = gaen.PROTOCOL.rolling_ids(key.key, int(begun // 600), 1)
            aem = gaen.seal(key.key, rolling_id, gaen.Metadata(Cases.tx_power))
            yield Sighting(time, "gaen", rolling_id, aem, rssi)

    @staticmethod
    def contacts(sightings: Iterable[Sighting], *, scan_period_s: float = 0.0) -> list[Contact]:
        """The contacts that bzd makes of sightings."""
        tracker = Tracker(ProximityConfig(), Ranging(RangingConfig()), scan_period_s=scan_period_s)
        found = [closed for sighting in sightings for closed in tracker.feed(sighting)]
        return [*found, *tracker.finish()]


@pytest.fixture(scope="session")
def cases() -> type[Cases]:
    """Cases and what is heard of them."""
    return Cases


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """A health authority's key."""
    return SigningKey.generate()


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    """The folder of key files that others published."""
    return shared / "data" / "diagnosis-keys"
