# SPDX-License-Identifier: Apache-2.0
"""Encounters as JSON and JSON Lines with the field names of the contract.

An encounter (`bzd.encounter/1` as a line, in the list `encounters` of `bzd.encounters/1`) has::

    date                  day that it begins on, of UTC unless `match.day_offset_s` says otherwise
    start, end            first and last sighting, RFC 3339 UTC with milliseconds and Z
    duration_s, near_s    seconds of presence, and those within `ranging.near_m`
    contacts              number of contacts that it joins
    attenuation_min       dB at its closest
    attenuation_typical   dB, mean weighted by sightings
    report_type           how the case became one, in the words of export.proto, small
    days_since_onset      or null
    score                 minutes in the weighting of the rule, of this encounter alone
    risk                  low or high: of its day, to which other encounters may contribute
    protocol              name
    store                 label
    distance_m            estimated typical distance in metres, or null
    synced                false: the badge's clock was not known to be right, so that its time is a guess
    offset_s              seconds by which an ID was heard before (negative) or after its own time, at most

`bzd.encounters/1` also has `rule`, its `days` (date, store, minutes in the rule's weighting, risk, duration_s, near_s,
encounters), the encounters `withdrawn` since their keys were revoked (without score and risk), and `counts`.
"""

from __future__ import annotations

from typing import Any

from bzd.cli import output
from bzd.cli.match_result import Result
from bzd.clock import rfc3339
from bzd.matching.encounters import Encounter
from bzd.matching.rules import Assessed, DaySummary

ENCOUNTER_SCHEMA = "bzd.encounter/1"
"""`schema` of one encounter in JSON Lines."""
ENCOUNTERS_SCHEMA = "bzd.encounters/1"
"""`schema` of the object that `--json` prints."""


def write(form: str, result: Result) -> None:
    """Write what was found to stdout.

    Args:
        form: `json` or `jsonl`.
        result: what was found.
    """
    if form == "jsonl":
        for item in result.assessed:
            output.jsonl(ENCOUNTER_SCHEMA, encounter(item))
    else:
        output.line(output.json_text({"schema": ENCOUNTERS_SCHEMA, **_whole(result)}))


def _whole(result: Result) -> dict[str, Any]:
    counts = result.counts
    return {
        "rule": result.rule,
        "encounters": [encounter(item) for item in result.assessed],
        "days": [_day(day) for day in result.days],
        "withdrawn": [_plain(of) for of in result.withdrawn],
        "counts": {
            "files": result.files,
            "earlier_files": result.earlier,
            "keys": counts.keys,
            "contacts": counts.contacts,
            "undated": counts.undated,
            "suspicious": counts.suspicious,
            "out_of_time": counts.out_of_time,
        },
    }


def encounter(item: Assessed) -> dict[str, Any]:
    """An encounter with the fields of the contract."""
    judged = {"score": round(item.score, 3), "risk": str(item.risk)}
    return {"date": item.date.isoformat(), **_plain(item.encounter), **judged}


def _plain(found: Encounter) -> dict[str, Any]:
    return {
        "start": rfc3339(found.start),
        "end": rfc3339(found.end),
        "duration_s": found.duration_s,
        "near_s": found.near_s,
        "contacts": found.contacts,
        "attenuation_min": round(found.attenuation_min, 1),
        "attenuation_typical": round(found.attenuation_typical, 1),
        "report_type": found.key.report_type.name.lower(),
        "days_since_onset": found.key.days_since_onset,
        "protocol": found.key.protocol,
        "store": found.store,
        "distance_m": None if found.distance_m is None else round(found.distance_m, 2),
        "synced": found.synced,
        "offset_s": found.offset_s,
    }


def _day(day: DaySummary) -> dict[str, Any]:
    return {
        "date": day.date.isoformat(),
        "store": day.store,
        "minutes": round(day.minutes, 3),
        "risk": str(day.risk),
        "duration_s": day.duration_s,
        "near_s": day.near_s,
        "encounters": day.encounters,
    }
