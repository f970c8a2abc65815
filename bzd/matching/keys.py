# SPDX-License-Identifier: Apache-2.0
"""Diagnosis keys: daily keys that were published because their owner is a case."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import IntEnum
from typing import NamedTuple

from bzd.model import DailyKey
from bzd.protocols import gaen, protocols

INTERVALS_PER_KEY = gaen.INTERVALS_PER_KEY
MAX_TIME = 253_402_128_000
"""No key holds later: two days before dates end (year 9999), so that every day, also a shifted one, can be said."""
MAX_ONSET_DAYS = 14
"""Days since onset run from -14 to 14 (Exposure Notification server, docs/tek_validation.md)."""


class ReportType(IntEnum):
    """How somebody became a case (export.proto of the Exposure Notification server, `ReportType`)."""

    UNKNOWN = 0
    CONFIRMED_TEST = 1
    CONFIRMED_CLINICAL_DIAGNOSIS = 2
    SELF_REPORT = 3
    RECURSIVE = 4
    REVOKED = 5


class DiagnosisKey(NamedTuple):
    """A daily key that was published, and what was published with it.

    Attributes:
        key: the secret, `key_bytes` of its protocol long. No longer secret, but it names a case: never shown.
        first: first interval that it holds for; intervals are absolute (`bzd.protocols.interface`).
        intervals: number of intervals that it holds for, at least 1.
        protocol: name of the protocol.
        report_type: how its owner became a case.
        days_since_onset: days from the onset of symptoms to the key's day, None where that was not said.
        transmission_risk: 0 to 8, deprecated but still written by old servers; None where it was not said.
    """

    key: bytes
    first: int
    intervals: int
    protocol: str = gaen.NAME
    report_type: ReportType = ReportType.UNKNOWN
    days_since_onset: int | None = None
    transmission_risk: int | None = None

    @property
    def start(self) -> float:
        """First instant that it holds for, UTC unix seconds."""
        return float(self.first * protocols()[self.protocol].interval_s)

    @property
    def end(self) -> float:
        """The instant after the last that it holds for, UTC unix seconds."""
        return float((self.first + self.intervals) * protocols()[self.protocol].interval_s)


def diagnosis_key(
    daily: DailyKey, *, report_type: ReportType = ReportType.UNKNOWN, onset: date | None = None
) -> DiagnosisKey:
    """A badge's own daily key as it is published.

    Args:
        daily: the key; its start and end are interval boundaries.
        report_type: how its owner became a case.
        onset: the UTC day on which symptoms began; a key more than 14 days from it says nothing of it.
    """
    interval_s = protocols()[daily.protocol].interval_s
    first, end = int(daily.start // interval_s), int(-(-daily.end // interval_s))
    days = None if onset is None else (datetime.fromtimestamp(daily.start, UTC).date() - onset).days
    known = days if days is not None and abs(days) <= MAX_ONSET_DAYS else None
    return DiagnosisKey(daily.key, first, end - first, daily.protocol, report_type, known)
