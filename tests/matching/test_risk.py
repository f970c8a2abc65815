# SPDX-License-Identifier: Apache-2.0
"""Rules and presets: Corona-Warn-App's own cases, and days whose risk can be worked out by hand."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bzd.errors import ConfigError
from bzd.matching import cwa
from bzd.matching.encounters import encounters
from bzd.matching.keys import ReportType
from bzd.matching.matcher import Matcher
from bzd.matching.risk import Risk
from bzd.matching.rules import RULES, AttenuationRule, NearRule, assess, daily_summaries, load_rule
from bzd.matching.windows import ExposureWindow, Infectiousness, WindowScan

if TYPE_CHECKING:
    from bzd.matching.encounters import Encounter
    from tests.matching.conftest import Cases

TODAY = date(2020, 12, 1)
CASES = 28
"""The number of cases that the app's authors publish."""


def risk_file(shared: Path) -> dict[str, Any]:
    """The app's test cases."""
    path = shared / "data" / "risk" / "exposure-windows-risk-calculation.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def window(raw: dict[str, Any]) -> ExposureWindow:
    """A window as the file states it."""
    scans = [
        WindowScan(scan["minAttenuation"], scan["typicalAttenuation"], scan["secondsSinceLastScan"])
        for scan in raw["scanInstances"]
    ]
    day = TODAY - timedelta(days=raw["ageInDays"])
    kind, infectious = ReportType(raw["reportType"]), Infectiousness(raw["infectiousness"])
    return ExposureWindow(day, kind, infectious, raw["calibrationConfidence"], tuple(scans))


@pytest.mark.parametrize("number", range(CASES))
def test_corona_warn_apps_cases(shared: Path, number: int) -> None:
    """Each official case gives its expected total risk, days and numbers of distinct encounters."""
    case = risk_file(shared)["testCases"][number]
    result = cwa.calculate(window(raw) for raw in case["exposureWindows"])
    days = {risk: result.days(risk) for risk in (Risk.LOW, Risk.HIGH)}
    ages = {risk: (TODAY - of[-1]).days if of else None for risk, of in days.items()}
    # The app knows no day without risk: what is not high in total is low.
    assert (Risk.HIGH if days[Risk.HIGH] else Risk.LOW) == case["expTotalRiskLevel"]
    assert ages[Risk.LOW] == case["expAgeOfMostRecentDateWithLowRisk"]
    assert ages[Risk.HIGH] == case["expAgeOfMostRecentDateWithHighRisk"]
    assert len(days[Risk.LOW]) == case["expNumberOfDaysWithLowRisk"]
    assert len(days[Risk.HIGH]) == case["expNumberOfDaysWithHighRisk"]
    assert result.low_encounters == case["expTotalMinimumDistinctEncountersWithLowRisk"]
    assert result.high_encounters == case["expTotalMinimumDistinctEncountersWithHighRisk"]


def test_the_preset_is_the_apps_configuration(shared: Path) -> None:
    """The numbers of `CwaConfig` are those that the app's file states, and there are as many cases as are tried."""
    document = risk_file(shared)
    stated, config = document["defaultRiskCalculationConfiguration"], cwa.CwaConfig()
    assert len(document["testCases"]) == CASES
    weights = [
        (row["attenuationRange"]["min"], row["attenuationRange"]["max"], row["weight"])
        for row in stated["minutesAtAttenuationWeights"]
    ]
    assert list(config.weights) == weights
    factors = {
        row["transmissionRiskLevel"]: row["transmissionRiskValue"] for row in stated["transmissionRiskValueMapping"]
    }
    assert config.factors == factors
    assert {
        row["riskLevel"]: row["normalizedTimeRange"]["min"] for row in stated["normalizedTimePerDayToRiskLevelMapping"]
    } == {
        Risk.LOW: config.low_from,
        Risk.HIGH: config.high_from,
    }
    encoding = stated["trlEncoding"]
    assert config.report_offsets[ReportType.CONFIRMED_TEST] == encoding["reportTypeOffsetConfirmedTest"]
    assert config.report_offsets[ReportType.RECURSIVE] == encoding["reportTypeOffsetRecursive"]
    assert config.infectiousness_offsets[Infectiousness.HIGH] == encoding["infectiousnessOffsetHigh"]


def met(
    cases: type[Cases], minutes: float, *, number: int = 1, rssi: int = -55, start: float = 43200.0
) -> list[Encounter]:
    """A meeting of so many minutes with a case, at 63 dB of attenuation unless `rssi` is another."""
    key = cases.key(number, report_type=ReportType.CONFIRMED_TEST, days_since_onset=0)
    at = cases.midnight + start
    matcher = Matcher({"badge": cases.contacts(cases.heard(key, at, at + minutes * 60, rssi=rssi))})
    matcher.match([key])
    return encounters(matcher.hits())


@pytest.mark.parametrize(("minutes", "risk"), [(14, Risk.LOW), (15, Risk.HIGH)])
def test_fifteen_minutes_within_two_metres_are_high(cases: type[Cases], minutes: float, risk: Risk) -> None:
    """The default rule: exactly 15 near minutes are enough, 14 are not."""
    (day,) = daily_summaries(met(cases, minutes))
    assert day.minutes == pytest.approx(minutes)
    assert (day.risk, day.date) == (risk, date(2020, 7, 2))


def test_minutes_are_summed_over_all_cases(cases: type[Cases]) -> None:
    """Ten minutes with each of two cases are high, though neither is alone; both encounters say so."""
    both = met(cases, 10) + met(cases, 10, number=2, start=50000.0)
    (day,) = daily_summaries(both)
    assert (day.risk, day.encounters) == (Risk.HIGH, 2)
    assert day.near_s == pytest.approx(1200)
    assert [of.score for of in assess(both)] == pytest.approx([10, 10])
    assert {of.risk for of in assess(both)} == {Risk.HIGH}


def test_far_away_is_low_however_long(cases: type[Cases]) -> None:
    """Two hours at 90 dB are a low risk: a case was there, but never near."""
    (day,) = daily_summaries(met(cases, 120, rssi=-82))
    assert (day.risk, day.near_s) == (Risk.LOW, 0)
    assert day.duration_s == pytest.approx(7200)


def test_nobody_met_is_no_day() -> None:
    """Without an encounter there is no day, thus no risk."""
    assert daily_summaries([]) == []


def test_undated_encounters_do_not_warn(cases: type[Cases]) -> None:
    """An hour at an unknown time is shown but makes no day high."""
    key = cases.key(1)
    matcher = Matcher({"badge": [cases.contact(key, cases.day + 50, synced=False, seconds=3600.0)]})
    matcher.match([key])
    found = encounters(matcher.hits())
    assert daily_summaries(found) == []
    assert [of.risk for of in assess(found)] == [Risk.LOW]


def test_the_days_start_can_be_moved(cases: type[Cases]) -> None:
    """20 minutes around 17:00 UTC are one day by UTC, and two of 10 minutes in Vietnam."""
    around = met(cases, 20, start=17 * 3600 - 600)
    assert [day.minutes for day in daily_summaries(around)] == [pytest.approx(20)]
    vietnam = daily_summaries(around, day_offset_s=7 * 3600)
    assert [(day.date.day, day.risk) for day in vietnam] == [(2, Risk.LOW), (3, Risk.LOW)]
    assert [day.minutes for day in vietnam] == [pytest.approx(10, abs=1)] * 2


@pytest.mark.parametrize(
    ("rule", "attenuation", "weight"),
    [
        ("narrow-v1", 55, 1.5), ("narrow-v1", 63, 1.0), ("narrow-v1", 70, 0.4), ("narrow-v1", 71, 0.0),
        ("narrow-v2", 55, 1.75), ("narrow-v2", 67, 1.0), ("narrow-v2", 75, 0.33), ("narrow-v2", 76, 0.0),
        ("wide", 55, 2.0), ("wide", 70, 1.0), ("wide", 80, 0.25), ("wide", 81, 0.0),
        ("swisscovid", 50, 1.0), ("swisscovid", 55, 0.5), ("swisscovid", 56, 0.0),
    ],
)  # fmt: skip
def test_public_parameter_sets(rule: str, attenuation: int, weight: float) -> None:
    """Ten minutes of a highly infectious case, at each attenuation where the weight changes."""
    preset = RULES[rule]
    assert isinstance(preset, AttenuationRule)
    scans = (WindowScan(attenuation, attenuation, 300),) * 2
    of = ExposureWindow(TODAY, ReportType.CONFIRMED_TEST, Infectiousness.HIGH, 0, scans)
    assert preset.window_minutes(of) == pytest.approx(10 * weight)


def test_infectiousness_weighs(cases: type[Cases]) -> None:
    """Narrow and wide count a day of standard infectiousness 30 %, and none not at all; SwissCovid counts all alike."""
    scans = (WindowScan(40, 40, 600),)
    found = {
        name: [
            rule.window_minutes(ExposureWindow(TODAY, ReportType.CONFIRMED_TEST, infectious, 0, scans))
            for infectious in Infectiousness
        ]
        for name, rule in RULES.items()
        if isinstance(rule, AttenuationRule)
    }
    assert found["wide"] == [0, pytest.approx(6), 20]
    assert found["swisscovid"] == [10, 10, 10]
    # 63 dB is near by narrow-v1 and medium by neither: 15 minutes at weight 1 are just enough.
    (day,) = daily_summaries(met(cases, 15), RULES["narrow-v1"])
    assert day.risk == Risk.HIGH
    assert day.minutes == pytest.approx(15)


def test_report_types_weigh() -> None:
    """As a rule file says; a revoked key weighs nothing by any rule."""
    scans = (WindowScan(40, 40, 600),)
    rule = AttenuationRule((50, 60, 70), (1, 1, 1, 1), report_weights=(0.5, 1, 0.25, 0, 2))
    found = {
        kind: rule.window_minutes(ExposureWindow(TODAY, kind, Infectiousness.HIGH, 0, scans)) for kind in ReportType
    }
    assert list(found.values()) == [5, 10, 2.5, 0, 20, 0]


def test_short_windows_are_ignored(cases: type[Cases]) -> None:
    """Windows of fewer weighted minutes than the rule wants add nothing to their day, which is still told."""
    five, ten = met(cases, 5), met(cases, 10, number=2, start=50000.0)
    rule = AttenuationRule((55, 70, 80), (1, 1, 1, 1), min_window_minutes=6)
    assert [day.minutes for day in daily_summaries(five, rule)] == [0]
    assert [day.minutes for day in daily_summaries([*five, *ten], rule)] == [pytest.approx(10)]


def test_corona_warn_app_as_a_rule(cases: type[Cases]) -> None:
    """At 63 dB a minute of a tested, highly infectious case is 0.3 times 1.6: 31 minutes are not enough, 32 are."""
    assert [daily_summaries(met(cases, minutes), RULES["cwa"])[0].risk for minutes in (31, 32)] == [Risk.LOW, Risk.HIGH]


def test_a_rule_from_a_file(tmp_path: Path) -> None:
    """The fields of an attenuation rule, in TOML."""
    path = tmp_path / "fleet.toml"
    path.write_text("thresholds = [50, 60, 70]\nweights = [1, 1, 0.5, 0]\nthreshold = 10\n")
    assert load_rule(str(path)) == AttenuationRule((50, 60, 70), (1, 1, 0.5, 0), threshold=10)
    assert load_rule("near") == NearRule()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "thresholds and weights are missing"),
        ("thresholds = [1, 2]\nweights = [1, 1, 1, 1]", "thresholds must be 3 numbers"),
        ("thresholds = [3, 2, 1]\nweights = [1, 1, 1, 1]", "must not decrease"),
        ("thresholds = [1, 2, 3]\nweights = [1, 1, 1, 9]", "weights must be from 0 to 2.5"),
        ("thresholds = [1, 2, nan]\nweights = [1, 1, 1, 1]", "thresholds must be 3 numbers"),
        ("treshold = 3", "unknown key treshold"),
        ("thresholds = [", "not valid TOML"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each names the file and what is wrong."""
    path = tmp_path / "rule.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_rule(str(path))


@pytest.mark.parametrize("name", ["nerves", "absent.toml"])
def test_an_unknown_rule_is_refused(name: str) -> None:
    """A name that is none, and a file that is not there."""
    with pytest.raises(ConfigError, match=name):
        load_rule(name)
