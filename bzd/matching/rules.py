# SPDX-License-Identifier: Apache-2.0
"""Rules for a warning: from encounters to days and their risk.

==============  =====================================================================================================
name            high if, on one day, summed over all cases
==============  =====================================================================================================
near            15 minutes within 2 m (`ranging.near_m`): the rule of 2020, and the default
narrow-v1       15 weighted minutes; attenuation to 55, 63, 70 dB weighs 1.5, 1, 0.4; beyond 0
narrow-v2       likewise with 55, 67, 75 dB and 1.75, 1, 0.33
wide            likewise with 55, 70, 80 dB and 2, 1, 0.25
swisscovid      15 weighted minutes; to 50 and 55 dB weighs 1 and 0.5, beyond 0; every day of a case alike
cwa             15 normalised minutes of Corona-Warn-App (`bzd.matching.cwa`)
==============  =====================================================================================================

narrow and wide also weigh by infectiousness: days -2 to 3 after onset 100 %, -4, -3, 4 and 5 30 %, others 0; unknown
onset counts as standard (30 %). Sources: Linux Foundation Public Health, gaen-risk-scoring, risk-scoring.md; DP-3T,
Exposure Score Calculation. Another rule is a TOML file with the fields of `AttenuationRule`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Interface

from bzd.errors import ConfigError
from bzd.matching import cwa
from bzd.matching.encounters import Encounter
from bzd.matching.keys import ReportType
from bzd.matching.risk import Risk
from bzd.matching.windows import ExposureWindow, Infectiousness, day_of, windows

DEFAULT_RULE = "near"
DAY_MINUTES = 15.0
"""What all public rules call long: 15 minutes in a day (WHO and ECDC, "close contact", 2020)."""

_MAX_WEIGHT = 2.5
"""Weights are 0 to 2.5, and three thresholds 0 to 255 dB, in version 2 of the API (DailySummariesConfig)."""
_MAX_ATTENUATION_DB = 255
_MAX_RULE_FILE = 1 << 16


class Rule(Interface):
    """Tells how much exposure each day was, and from how much on it is high."""

    @property
    def threshold(self) -> float:
        """Minutes from which a day is high."""
        ...

    def minutes(self, encounters: Sequence[Encounter], day_offset_s: float = 0.0) -> Mapping[date, float]:
        """Minutes of each day, in the rule's own weighting, of the encounters of one store."""
        ...


@dataclass(frozen=True, slots=True)
class NearRule:
    """So many minutes within the configured distance.

    Attributes:
        threshold: minutes.
    """

    threshold: float = DAY_MINUTES

    def minutes(self, encounters: Sequence[Encounter], day_offset_s: float = 0.0) -> Mapping[date, float]:
        """See `Rule`."""
        found: dict[date, float] = {}
        for encounter in encounters:
            for piece in encounter.slices:
                day = day_of(piece.time, day_offset_s)
                found[day] = found.get(day, 0.0) + (piece.seconds / 60 if piece.near else 0.0)
        return found


@dataclass(frozen=True, slots=True)
class AttenuationRule:
    """Daily summaries of Exposure Notification version 2 (DailySummaryUtils.java).

    Attributes:
        thresholds: three attenuations in dB, not decreasing: up to the first is immediate, the second near, the third
            medium; beyond is other. Typical attenuations are compared.
        weights: of a minute in each of the four, 0 to 2.5.
        infectiousness_weights: of none, standard and high infectiousness.
        report_weights: of unknown, confirmed test, clinical diagnosis, self report and recursive.
        min_window_minutes: windows of fewer weighted minutes are ignored.
        threshold: weighted minutes from which a day is high.
    """

    thresholds: tuple[float, ...]
    weights: tuple[float, ...]
    infectiousness_weights: tuple[float, ...] = (0.0, 0.3, 1.0)
    report_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    min_window_minutes: float = 0.0
    threshold: float = DAY_MINUTES

    def minutes(self, encounters: Sequence[Encounter], day_offset_s: float = 0.0) -> Mapping[date, float]:
        """See `Rule`."""
        found: dict[date, float] = {}
        for window in windows(encounters, day_offset_s=day_offset_s):
            found.setdefault(window.date, 0.0)
            minutes = self.window_minutes(window)
            found[window.date] += minutes if minutes >= self.min_window_minutes else 0.0
        return found

    def window_minutes(self, window: ExposureWindow) -> float:
        """The weighted minutes of a window."""
        seconds = sum(self._weight(scan.typical_attenuation) * scan.seconds for scan in window.scans)
        report = 0.0 if window.report_type == ReportType.REVOKED else self.report_weights[window.report_type]
        return seconds / 60 * report * self.infectiousness_weights[window.infectiousness]

    def _weight(self, attenuation: float) -> float:
        place = next((i for i, upto in enumerate(self.thresholds) if attenuation <= upto), len(self.thresholds))
        return self.weights[place]


@dataclass(frozen=True, slots=True)
class CwaRule:
    """Corona-Warn-App's calculation.

    Attributes:
        config: its numbers.
    """

    config: cwa.CwaConfig

    @property
    def threshold(self) -> float:
        """See `Rule`."""
        return self.config.high_from

    def minutes(self, encounters: Sequence[Encounter], day_offset_s: float = 0.0) -> Mapping[date, float]:
        """See `Rule`."""
        return cwa.calculate(windows(encounters, day_offset_s=day_offset_s), self.config).minutes


_ALL_ALIKE = (1.0,) * len(Infectiousness)
RULES: Mapping[str, Rule] = {
    "near": NearRule(),
    "narrow-v1": AttenuationRule((55, 63, 70), (1.5, 1.0, 0.4, 0.0)),
    "narrow-v2": AttenuationRule((55, 67, 75), (1.75, 1.0, 0.33, 0.0)),
    "wide": AttenuationRule((55, 70, 80), (2.0, 1.0, 0.25, 0.0)),
    "swisscovid": AttenuationRule((50, 55, 55), (1.0, 0.5, 0.0, 0.0), infectiousness_weights=_ALL_ALIKE),
    "cwa": CwaRule(cwa.CwaConfig()),
}
"""The named rules; the table above says where their numbers come from."""


@dataclass(frozen=True, slots=True)
class DaySummary:
    """A day on which somebody was near a case.

    Attributes:
        store: label of the store.
        date: the day.
        minutes: what the rule makes of it.
        risk: `high` if the rule is met, else `low`.
        duration_s: seconds near any case, each case counted.
        near_s: of them, seconds within the configured distance.
        encounters: number of encounters that day.
    """

    store: str
    date: date
    minutes: float
    risk: Risk
    duration_s: float
    near_s: float
    encounters: int


def daily_summaries(
    encounters: Iterable[Encounter], rule: Rule | None = None, *, day_offset_s: float = 0.0
) -> list[DaySummary]:
    """Each day of each store on which there was an encounter, by store, then day.

    Undated encounters are left out: their day is a guess, and no warning should hang on it.
    """
    rule = rule or RULES[DEFAULT_RULE]
    dated = sorted((encounter for encounter in encounters if encounter.synced), key=lambda encounter: encounter.store)
    found: list[DaySummary] = []
    for store, of in groupby(dated, key=lambda encounter: encounter.store):
        of_store = list(of)
        minutes = rule.minutes(of_store, day_offset_s)
        for day, (duration_s, near_s, number) in sorted(_totals(of_store, day_offset_s).items()):
            score = minutes.get(day, 0.0)
            risk = Risk.HIGH if score >= rule.threshold - _EPSILON else Risk.LOW
            found.append(DaySummary(store, day, score, risk, round(duration_s, 3), round(near_s, 3), number))
    return found


class Assessed(NamedTuple):
    """An encounter and what a rule makes of it.

    Attributes:
        encounter: the encounter.
        date: the day that it begins on.
        score: minutes in the rule's weighting, of this encounter alone.
        risk: of that day, to which other encounters may contribute; `low` if it is undated.
    """

    encounter: Encounter
    date: date
    score: float
    risk: Risk


def assess(encounters: Iterable[Encounter], rule: Rule | None = None, *, day_offset_s: float = 0.0) -> list[Assessed]:
    """Each encounter with its score and its day's risk, in the order given."""
    rule = rule or RULES[DEFAULT_RULE]
    together = list(encounters)
    summaries = daily_summaries(together, rule, day_offset_s=day_offset_s)
    risks = {(summary.store, summary.date): summary.risk for summary in summaries}
    found: list[Assessed] = []
    for encounter in together:
        day = day_of(encounter.start, day_offset_s)
        score = math.fsum(rule.minutes([encounter], day_offset_s).values())
        risk = risks[encounter.store, day] if encounter.synced else Risk.LOW
        found.append(Assessed(encounter, day, score, risk))
    return found


_EPSILON = 1e-9
"""Minutes; a sum of exactly 15 must not fall short by the last bit of a float."""


def _totals(encounters: Sequence[Encounter], day_offset_s: float) -> dict[date, tuple[float, float, int]]:
    totals: dict[date, tuple[float, float, int]] = {}
    for encounter in encounters:
        days = set()
        for piece in encounter.slices:
            day = day_of(piece.time, day_offset_s)
            duration_s, near_s, number = totals.get(day, (0.0, 0.0, 0))
            new = day not in days
            days.add(day)
            near = piece.seconds if piece.near else 0.0
            totals[day] = (duration_s + piece.seconds, near_s + near, number + new)
    return totals


def load_rule(name: str) -> Rule:
    """A rule by its name, or from a TOML file with the fields of `AttenuationRule`.

    Raises:
        ConfigError: if there is no such rule, or the file is none.
    """
    if name in RULES:
        return RULES[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"no rule named {name!r}", f"rules are {', '.join(RULES)}, or a file that ends in .toml")
    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(_MAX_RULE_FILE).decode())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "mend the line it names") from error
    return _rule(table, str(path))


def _rule(table: Mapping[str, Any], name: str) -> AttenuationRule:
    lengths = {"thresholds": 3, "weights": 4, "infectiousness_weights": 3, "report_weights": 5}
    known = {entry.name for entry in fields(AttenuationRule)}
    hint = f"a rule has {', '.join(sorted(known))}; thresholds and weights at least"
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{name}: unknown key {key}", hint)
        wanted = lengths.get(key)
        numbers = value if isinstance(value, list) and wanted else [value]
        if not all(_is_number(number) for number in numbers) or len(numbers) != (wanted or 1):
            raise ConfigError(f"{name}: {key} must be {f'{wanted} numbers' if wanted else 'a number'}", hint)
        high = _MAX_WEIGHT if "weights" in key else _MAX_ATTENUATION_DB if key == "thresholds" else math.inf
        if not all(0 <= number <= high for number in numbers):
            raise ConfigError(f"{name}: {key} must be from 0 to {high}", hint)
    if not {"thresholds", "weights"} <= table.keys():
        raise ConfigError(f"{name}: thresholds and weights are missing", hint)
    if any(low > high for low, high in pairwise(table["thresholds"])):
        raise ConfigError(f"{name}: thresholds must not decrease", hint)
    values: dict[str, Any] = {key: tuple(value) if key in lengths else value for key, value in table.items()}
    return AttenuationRule(**values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
