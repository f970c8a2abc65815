# SPDX-License-Identifier: Apache-2.0
"""What a match found, for whatever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bzd.config import Config
from bzd.matching.configured import configured_joining
from bzd.matching.encounters import Encounter, encounters
from bzd.matching.matcher import MatchCounts, Matcher
from bzd.matching.risk import Risk
from bzd.matching.rules import Assessed, DaySummary, assess, daily_summaries, load_rule


@dataclass(frozen=True, slots=True)
class Result:
    """What a match found.

    Attributes:
        stores: labels of the stores.
        files: number of key files that were tried.
        earlier: number of those that were tried some other time, of which the findings are here.
        counts: what was tried, and what was left out.
        rule: name of the rule.
        threshold: minutes in its weighting from which a day is high.
        near_m: metres that count as near.
        tolerance_s: seconds by which an ID may be heard too early or too late.
        assessed: encounters with their risk, undated ones included.
        days: days on which there was an encounter.
        withdrawn: encounters with those whose keys were revoked.
    """

    stores: Sequence[str]
    files: int
    earlier: int
    counts: MatchCounts
    rule: str
    threshold: float
    near_m: float
    tolerance_s: float
    assessed: Sequence[Assessed]
    days: Sequence[DaySummary]
    withdrawn: Sequence[Encounter]

    @property
    def dated(self) -> list[Assessed]:
        """Encounters of a clock that was known to be right."""
        return [item for item in self.assessed if item.encounter.synced]

    @property
    def undated(self) -> list[Assessed]:
        """Encounters whose time is a guess."""
        return [item for item in self.assessed if not item.encounter.synced]

    @property
    def risk(self) -> Risk:
        """The highest risk of all."""
        return max([day.risk for day in self.days] + [item.risk for item in self.undated], default=Risk.NONE)


def result(  # noqa: PLR0913  what was tried, each by its name
    matcher: Matcher, config: Config, rule: str, *, stores: Sequence[str], files: int = 0, earlier: int = 0
) -> Result:
    """What a matcher has found, judged.

    Args:
        matcher: knows what was found.
        config: how it is judged.
        rule: name of the rule, or a file.
        stores: labels of the stores.
        files: number of key files that were tried.
        earlier: number of those that were tried some other time.

    Raises:
        ConfigError: if the rule or the calibration cannot be read.
    """
    of, by, joining = config.match, load_rule(rule), configured_joining(config)
    found = encounters(matcher.hits(), joining)
    return Result(
        stores=stores,
        files=files,
        earlier=earlier,
        counts=matcher.counts,
        rule=rule,
        threshold=by.threshold,
        near_m=config.ranging.near_m,
        tolerance_s=of.tolerance_s,
        assessed=assess(found, by, day_offset_s=of.day_offset_s),
        days=daily_summaries(found, by, day_offset_s=of.day_offset_s),
        withdrawn=encounters(matcher.withdrawn(), joining),
    )
