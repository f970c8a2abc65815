# SPDX-License-Identifier: Apache-2.0
"""RSSI to closeness: the one unit to replace when accuracy is worked on.

1. The level of an instance is the weighted median of the mean RSSI of the instances that begin within `smoothing_s`
   of it. A median keeps the edges of a visit and forgets a single outlier; a mean would smear both. An instance
   weighs as many as its sightings, at most 10: further ones say more of the same place and posture.
   Phones that listen every few minutes have nothing to smooth, and none is made up.
2. Distance follows the log-distance path-loss model, `d = 10 ** ((rssi_1m - level) / (10 * exponent))`
   (Rappaport, Wireless Communications, section 4.9), kept within 0.1 to 100 m.
3. `near_s` adds up the seconds of the instances whose level says at most `near_m`; `distance_m` is that of the median
   level over the contact's seconds.

What to expect, measured by `tests/bench/bench_ranging.py` for single instances:

* Two Raspberry Pi 3 in line of sight (NIST; constants fitted to Device A, these are Device B's figures): the estimate
  is typically wrong by a factor of 1.43. Of the seconds at 1.5 and 2 m, 92 and 94 % count as near; of those at 2.5 and
  3 m 70 and 27 % do, wrongly; of those at 3.5 m and beyond at most 2 %.
* Phones in pockets and hands (DP-3T's experiment 5, tx power known): a factor of 1.8 to 1.9. Of the seconds at about
  1 m 67 to 91 % count as near; of those at 4 to 6 m 35 to 55 % do, wrongly, because at that distance only the
  strongest advertisements are heard at all. Such a contact's metres tell near from far no better than that.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bzd.config import RangingConfig
from bzd.model import ScanInstance

_WEIGHT_MAX = 10
"""Sightings beyond this do not make an instance weigh more."""
_DISTANCE_MIN_M, _DISTANCE_MAX_M = 0.1, 100.0
"""Closer is within the antennas' near field (2.4 GHz: 12 cm wavelength); further is beyond BLE's range at 0 dBm."""


class Range(NamedTuple):
    """How close a contact was.

    Attributes:
        near_s: seconds within the configured distance, whole milliseconds divided by 1000.
        distance_m: typical distance in metres, whole centimetres divided by 100; None without an instance.
    """

    near_s: float
    distance_m: float | None


class Ranging:
    """Estimates closeness from scan instances.

    Args:
        config: the constants; `rssi_1m_dbm` is the reference that RSSI is compared with.
    """

    def __init__(self, config: RangingConfig) -> None:
        self._config = config
        self._near_level = config.rssi_1m_dbm - 10 * config.exponent * math.log10(config.near_m)

    def calibrated(self, rssi_1m_dbm: float) -> Ranging:
        """The same estimator against another reference, for example when metadata has revealed the tx power."""
        return Ranging(replace(self._config, rssi_1m_dbm=rssi_1m_dbm))

    def estimate(self, scans: Sequence[ScanInstance]) -> Range:
        """How close the contact with these instances, in order of time, was."""
        if not scans:
            return Range(0.0, None)
        levels = self.levels(scans)
        near = math.fsum(scan.seconds for scan, level in zip(scans, levels, strict=True) if level >= self._near_level)
        spans = [scan.seconds for scan in scans]
        weights = spans if any(spans) else [_weight(scan) for scan in scans]
        return Range(round(near, 3), self.distance(weighted_median(levels, weights)))

    def levels(self, scans: Sequence[ScanInstance]) -> list[float]:
        """The smoothed level of each instance in dBm."""
        if len(scans) == 1:
            return [scans[0].rssi_mean]
        times = [scan.offset_s for scan in scans]
        means = [scan.rssi_mean for scan in scans]
        weights = [_weight(scan) for scan in scans]
        reach = self._config.smoothing_s
        windows = (slice(bisect_left(times, time - reach), bisect_right(times, time + reach)) for time in times)
        return [weighted_median(means[window], weights[window]) for window in windows]

    def distance(self, level: float) -> float:
        """The distance in metres, to the centimetre, that a level in dBm says."""
        decades = (self._config.rssi_1m_dbm - level) / (10 * self._config.exponent)
        return round(min(max(math.pow(10, decades), _DISTANCE_MIN_M), _DISTANCE_MAX_M), 2)


def weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """The value with half the weight on either side; between two, their mean. At least one weight is positive."""
    half = sum(weights) / 2
    below = 0.0
    ordered = sorted(zip(values, weights, strict=True))
    for position, (value, weight) in enumerate(ordered):
        below += weight
        if below > half:
            return value
        if below == half:
            return (value + _next_weighing(ordered, position)) / 2
    return ordered[-1][0]


def _next_weighing(ordered: Sequence[tuple[float, float]], position: int) -> float:
    return next((value for value, weight in ordered[position + 1 :] if weight > 0), ordered[position][0])


def _weight(scan: ScanInstance) -> float:
    return min(scan.sightings, _WEIGHT_MAX)
