# SPDX-License-Identifier: Apache-2.0
"""What a match found, for whatever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bzd.matching.encounters import Encounter
from bzd.matching.matcher import MatchCounts
from bzd.matching.risk import Risk
from bzd.matching.rules import Assessed, DaySummary


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
