# SPDX-License-Identifier: Apache-2.0
"""`bzd match --graph`: who met whom, as a CSV edge list: case, badge, day, minutes, near_minutes, risk.

One line for each case, badge and day. Both sides are labels; a case whose own store is not among those read is
`unknown`, since a key tells no name, and all unknown ones of a day are together. The risk is that of the badge's day.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from itertools import groupby

from bzd.cli.match_result import Result
from bzd.matching.risk import Risk
from bzd.matching.rules import Assessed, daily_summaries

FIELDS = ("case", "badge", "day", "minutes", "near_minutes", "risk")
"""The columns."""
UNKNOWN = "unknown"
"""The case of a key that is in no store that was read."""

Owners = Mapping[tuple[str, bytes], str]
"""Label of the badge by protocol and daily key."""


def write(result: Result, owners: Owners, *, only_high: bool, day_offset_s: float) -> None:
    """Write the edge list to stdout.

    Args:
        result: what was found; undated encounters have no day, and are left out.
        owners: whose keys they are.
        only_high: leave out what does not meet the rule: the list of whom to quarantine.
        day_offset_s: seconds by which days are ahead of UTC's.
    """

    def whose(item: Assessed) -> str:
        key = item.encounter.key
        return owners.get((key.protocol, key.key), UNKNOWN)

    risks = {(day.store, day.date): day.risk for day in result.days}
    rows = []
    for case, of_case in groupby(sorted(result.dated, key=whose), key=whose):
        for day in daily_summaries([item.encounter for item in of_case], day_offset_s=day_offset_s):
            risk = risks[day.store, day.date]
            if risk == Risk.HIGH or not only_high:
                minutes, near = round(day.duration_s / 60, 1), round(day.near_s / 60, 1)
                rows.append([case, day.store, day.date.isoformat(), minutes, near, str(risk)])
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([FIELDS, *rows])
