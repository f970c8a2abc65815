# SPDX-License-Identifier: Apache-2.0
"""What flows through bzd: advertisement, sighting, scan instance, contact.

Everything here is immutable and knows nothing of I/O. `Advertisement` and `Sighting` are named tuples, not frozen
dataclasses, because one of each is made per report and a tuple is made three times as fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

RSSI_MIN_DBM = -126
"""Lowest RSSI that can be true; -127 is what BlueZ reports for "unknown" (Core specification Vol 4 Part E 7.7.65.2)."""
RSSI_MAX_DBM = 20
"""Highest RSSI an LE controller may report (Core specification Vol 4 Part E 7.7.65.2); 127 is "not available"."""


ContactKey = tuple[str, bytes, float]
"""Protocol, rolling ID and start: what names a contact."""


class Advertisement(NamedTuple):
    """One received advertising report.

    Attributes:
        time: when it was received, UTC unix seconds.
        address: the advertiser's device address as BlueZ prints it, `AA:BB:CC:DD:EE:FF`; empty if the PDU has none.
        address_type: `public`, `random` or None where the source does not say.
        rssi: received signal strength in dBm, None where the source has none.
        data: the advertising data, a sequence of AD structures (Core specification Vol 3 Part C 11).
        tx_power: transmit power in dBm that the report or its TX Power AD structure states, None without one.
    """

    time: float
    address: str
    address_type: str | None
    rssi: int | None
    data: bytes
    tx_power: int | None = None


class Identifier(NamedTuple):
    """What a protocol reads from advertising data: its name, the rolling ID and the metadata beside it (or b"")."""

    protocol: str
    rolling_id: bytes
    metadata: bytes = b""


class Sighting(NamedTuple):
    """An advertisement that a protocol recognised, with an RSSI that can be true.

    Attributes:
        time: UTC unix seconds.
        protocol: name of the protocol, for example `gaen`.
        rolling_id: what the protocol broadcasts and rotates (12 or 16 bytes).
        metadata: what travels beside it (GAEN's 4 bytes of AEM), or b"".
        rssi: dBm, within [RSSI_MIN_DBM, RSSI_MAX_DBM] and never 0.
        address: see `Advertisement`.
        address_type: see `Advertisement`.
    """

    time: float
    protocol: str
    rolling_id: bytes
    metadata: bytes
    rssi: int
    address: str = ""
    address_type: str | None = None


@dataclass(frozen=True, slots=True)
class ScanInstance:
    """The sightings of one rolling ID in one short stretch of listening, summed up.

    Every number is quantised where it is made (`bzd.proximity`), so that a record that stores whole milliseconds and
    eighths of a decibel gives back the very same floats.

    Attributes:
        offset_s: seconds from the start of its contact to its first sighting; a whole number of milliseconds divided
            by 1000, from 0 to below 2**32 ms. Offsets never decrease along a contact.
        seconds: how much time it stands for (design of GAEN's ScanInstance: seconds since the last scan), which ends at
            its last sighting or, before a cut, at the cut; quantised and bounded like `offset_s`.
        sightings: number of sightings, 1 to 65535 (a larger number is stated as 65535).
        rssi_mean: arithmetic mean of their RSSI in dBm, a multiple of 1/8 dB.
        rssi_max: strongest RSSI in dBm.
    """

    offset_s: float
    seconds: float
    sightings: int
    rssi_mean: float
    rssi_max: int


@dataclass(frozen=True, slots=True)
class Contact:
    """A run of scan instances of one rolling ID without a long gap, that passed the RSSI and duration filter.

    It lies within one UTC day: a run that goes on over midnight is cut there, and then `end` of the one contact and
    `start` of the next are both midnight; the day of a contact is therefore that of its `start`.

    Attributes:
        protocol: name of the protocol.
        rolling_id: the ID that was heard.
        metadata: the first metadata heard beside it, or b"".
        start: first sighting, or the cut that it begins with, UTC unix seconds; a whole number of milliseconds divided
            by 1000.
        end: last sighting, or the cut that it ends with, UTC unix seconds; quantised like `start`.
        near_s: seconds within the configured distance, at most `duration_s`; a whole number of milliseconds divided by
            1000. A preview, computed anew when the tx power is known.
        distance_m: estimated typical distance in metres, a whole number of centimetres divided by 100 from 0.1 to 100;
            None where there is no estimate. A preview as well.
        synced: whether the wall clock was known to be right.
        scans: its scan instances in order of time, at least one.
    """

    protocol: str
    rolling_id: bytes
    metadata: bytes
    start: float
    end: float
    near_s: float
    distance_m: float | None
    synced: bool
    scans: tuple[ScanInstance, ...]

    @property
    def key(self) -> ContactKey:
        """What names a contact from its first sighting on, while it grows and when it is closed."""
        return (self.protocol, self.rolling_id, self.start)

    @property
    def duration_s(self) -> float:
        """Seconds of presence, absence not counted: what the scan instances stand for, to the millisecond."""
        return round(sum(scan.seconds for scan in self.scans), 3)

    @property
    def sightings(self) -> int:
        """Number of sightings in all scan instances."""
        return sum(scan.sightings for scan in self.scans)

    @property
    def rssi_max(self) -> int:
        """Strongest RSSI in dBm."""
        return max(scan.rssi_max for scan in self.scans)

    @property
    def rssi_mean(self) -> float:
        """Mean of the instance means in dBm, weighted by sightings."""
        return sum(scan.rssi_mean * scan.sightings for scan in self.scans) / self.sightings


@dataclass(frozen=True, slots=True)
class DailyKey:
    """A daily key of the badge's own.

    Attributes:
        protocol: name of the protocol whose rolling IDs derive from it.
        key: the secret, `key_bytes` of its protocol long.
        start: first instant it is used for, UTC unix seconds, on an interval boundary.
        end: instant after the last it is used for, UTC unix seconds, at most one day after `start`.
    """

    protocol: str
    key: bytes
    start: float
    end: float


def plausible_rssi(rssi: int | None) -> bool:
    """Whether an RSSI can be true.

    0 is what some stacks report for "none yet" (microG #1655), -127 and 127 are BlueZ's and the controller's
    "unknown", and one Raspberry Pi data set holds values near -2**32.
    """
    return rssi is not None and rssi != 0 and RSSI_MIN_DBM <= rssi <= RSSI_MAX_DBM
