# SPDX-License-Identifier: Apache-2.0
"""The risk calculation of Corona-Warn-App, Germany's, on exposure windows.

Each window has a transmission risk level, the sum of what its report type and infectiousness add; a table turns it into
a factor. The minutes of a window, weighted by their least attenuation, times the factor are its normalised time;
thresholds on that give the risk of the window, and thresholds on a day's sum that of the day. Source: the published
configuration and the 28 test cases of corona-warn-app/cwa-app-android and cwa-documentation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from bzd.matching.keys import ReportType
from bzd.matching.risk import Risk
from bzd.matching.windows import ExposureWindow, Infectiousness


@dataclass(frozen=True, slots=True)
class CwaConfig:
    """The numbers of the calculation; the defaults are the app's own.

    Attributes:
        weights: rows of attenuation in dB (from, included, to, excluded) and the weight of a minute there.
        low_from: normalised minutes from which the risk is low.
        high_from: normalised minutes from which it is high.
        report_offsets: what a report type adds to the transmission risk level.
        infectiousness_offsets: what infectiousness adds.
        factors: the factor of each transmission risk level; 0 for one that is not in it.
    """

    weights: Sequence[tuple[float, float, float]] = ((0, 55, 1.0), (55, 63, 0.5), (63, 73, 0.3))
    low_from: float = 5.0
    high_from: float = 15.0
    report_offsets: Mapping[ReportType, int] = field(
        default_factory=lambda: MappingProxyType(
            {
                ReportType.RECURSIVE: 0,
                ReportType.SELF_REPORT: 2,
                ReportType.CONFIRMED_CLINICAL_DIAGNOSIS: 4,
                ReportType.CONFIRMED_TEST: 6,
            }
        )
    )
    infectiousness_offsets: Mapping[Infectiousness, int] = field(
        default_factory=lambda: MappingProxyType({Infectiousness.STANDARD: 1, Infectiousness.HIGH: 2})
    )
    factors: Mapping[int, float] = field(
        default_factory=lambda: MappingProxyType({1: 0.0, 2: 0.0, 3: 0.6, 4: 0.8, 5: 1.0, 6: 1.2, 7: 1.4, 8: 1.6})
    )

    def level(self, window: ExposureWindow) -> int:
        """The transmission risk level of a window, 1 to 8; 0 for a report type or infectiousness that has none."""
        report = self.report_offsets.get(window.report_type)
        infectious = self.infectiousness_offsets.get(window.infectiousness)
        return 0 if report is None or infectious is None else report + infectious

    def minutes(self, window: ExposureWindow) -> float:
        """The normalised time of a window, minutes. Scans of negative length, from clocks put back, count nothing."""
        seconds = sum(self._weight(scan.min_attenuation) * max(scan.seconds, 0) for scan in window.scans)
        return seconds / 60 * self.factors.get(self.level(window), 0.0)

    def _weight(self, attenuation: float) -> float:
        return next((weight for low, high, weight in self.weights if low <= attenuation < high), 0.0)

    def risk(self, minutes: float) -> Risk:
        """The risk of so many normalised minutes, of a window or a day."""
        if minutes >= self.high_from - _EPSILON:
            return Risk.HIGH
        return Risk.LOW if minutes >= self.low_from - _EPSILON else Risk.NONE


_EPSILON = 1e-9
"""Minutes; ten times 0.6 and the like must not fall short of a threshold by the last bit of a float."""


@dataclass(frozen=True, slots=True)
class CwaResult:
    """What the calculation says.

    Attributes:
        minutes: normalised minutes by day.
        risks: risk by day.
        low_encounters: at least so many different encounters of low risk: windows that differ in day, transmission
            risk level or calibration confidence.
        high_encounters: likewise of high risk.
    """

    minutes: Mapping[date, float]
    risks: Mapping[date, Risk]
    low_encounters: int
    high_encounters: int

    def days(self, risk: Risk) -> list[date]:
        """The days of a risk, in order."""
        return sorted(day for day, of_day in self.risks.items() if of_day == risk)


def calculate(windows: Iterable[ExposureWindow], config: CwaConfig | None = None) -> CwaResult:
    """The risk of each day on which there are exposure windows."""
    config = config or CwaConfig()
    minutes: dict[date, float] = defaultdict(float)
    distinct: dict[Risk, set[tuple[date, int, int]]] = defaultdict(set)
    for window in windows:
        of_window = config.minutes(window)
        minutes[window.date] += of_window
        distinct[config.risk(of_window)].add((window.date, config.level(window), window.confidence))
    risks = {day: config.risk(of_day) for day, of_day in minutes.items()}
    return CwaResult(dict(minutes), risks, len(distinct[Risk.LOW]), len(distinct[Risk.HIGH]))
