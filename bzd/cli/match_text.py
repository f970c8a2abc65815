# SPDX-License-Identifier: Apache-2.0
"""Encounters for people: first in words, then as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from bzd.cli import contact_table, output, table
from bzd.cli.match_result import Result
from bzd.cli.table import Column
from bzd.matching.encounters import Encounter
from bzd.matching.rules import DEFAULT_RULE, Assessed, DaySummary
from bzd.matching.windows import day_of

LATE_S = 600
"""Seconds that an ID may stay on the air beyond its time (GAEN rotates after 10 to 20 minutes); more is told."""


def show(result: Result, day_offset_s: float) -> None:
    """Write what was found to stdout."""
    for text in sentences(result, day_offset_s):
        output.line(output.printable(text))
    if not (result.days or result.undated or result.withdrawn):
        output.line(output.printable(_nothing(result)))
    if result.dated:
        output.line()
        _table(result.dated, result)
    if result.undated:
        output.line()
        output.line("From before a badge's clock was known to be right, so that the times are guesses:")
        output.line()
        _table(result.undated, result)


def sentences(result: Result, day_offset_s: float) -> list[str]:
    """The days on which a case was near, and what is withdrawn, a sentence each."""
    days = [_sentence(day, result) for day in result.days]
    return [*days, *dict.fromkeys(_withdrawn(found, result, day_offset_s) for found in result.withdrawn)]


def tell(result: Result) -> None:
    """Say on stderr what was tried, and what was left out and why."""
    counts = result.counts
    # Without a file the badges themselves are the cases (`match --graph`).
    whose = _number(result.files, "file") if result.files or result.earlier else "these badges"
    contacts, stores = _number(counts.contacts, "contact"), _number(len(result.stores), "store")
    earlier = f"; {_number(result.earlier, 'file')} had been tried before" if result.earlier else ""
    output.note(f"tried {_number(counts.keys, 'key')} of {whose} on {contacts} of {stores}{earlier}")
    if counts.suspicious:
        left = _number(counts.suspicious, "contact")
        output.warning(f"{left} left out: what was heard beside the ID is not what the case's badge can have sent")
    if counts.out_of_time:
        hours = f"{result.tolerance_s / 3600:g} h"
        left = _number(counts.out_of_time, "contact")
        output.warning(f"{left} left out: heard over {hours} from the time of the ID, by a wrong clock or a replay")
    late = [item for item in result.assessed if abs(item.encounter.offset_s) > LATE_S]
    if late:
        most = max(abs(item.encounter.offset_s) for item in late) / 60
        what = _number(len(late), "encounter")
        output.warning(f"{what} heard up to {most:.0f} minutes from the time of the ID: a wrong clock, or a replay")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _who(store: str, result: Result) -> str:
    return f"badge {store} was" if len(result.stores) > 1 else "you were"


def day_text(day: date) -> str:
    """A day as people write it: 3 July 2020. Not in the order of any country's numbers."""
    return f"{day.day} {day:%B} {day.year}"


def _sentence(day: DaySummary, result: Result) -> str:
    who, when = _who(day.store, result), day_text(day.date)
    of_day = [item.encounter.key.key for item in result.dated if (item.encounter.store, item.date) == _name(day)]
    cases = "a case" if len(set(of_day)) <= 1 else "cases"
    if day.near_s:
        what = f"within {result.near_m:g} m of {cases} for {_minutes(day.near_s)}"
    else:
        what = f"near {cases} for {_minutes(day.duration_s)}, but not within {result.near_m:g} m"
    by = "" if result.rule == DEFAULT_RULE else f"; {day.minutes:.1f} of {result.threshold:g} minutes by {result.rule}"
    return f"On {when} {who} {what} ({day.risk} risk{by})."


def _name(day: DaySummary) -> tuple[str, date]:
    return day.store, day.date


def _minutes(seconds: float) -> str:
    return _number(round(seconds / 60), "minute") if seconds >= 30 else "less than a minute"


def _withdrawn(found: Encounter, result: Result, day_offset_s: float) -> str:
    day = day_of(found.start, day_offset_s)
    said = f"On {day_text(day)} {_who(found.store, result)}"
    if any((of.store, of.date) == (found.store, day) for of in result.days):
        return f"{said} also near somebody whose key has been withdrawn, which no longer counts."
    return f"{said} near somebody whose key has been withdrawn: if there was a warning, it no longer holds."


def _nothing(result: Result) -> str:
    whose = "of yours" if len(result.stores) == 1 else f"of these {len(result.stores)} badges"
    counts = result.counts
    if not counts.contacts:
        return f"No encounter: there are no contacts {whose}."
    one = "the one contact" if counts.contacts == 1 else f"none of the {counts.contacts:,} contacts"
    was = "is not" if counts.contacts == 1 else "is"
    number = result.files + result.earlier
    of = _number(number, "file") if result.earlier else _number(counts.keys, "key")
    return f"No encounter: {one} {whose} {was} with a case of these {of}."


def _table(found: Sequence[Assessed], result: Result) -> None:
    titles = ["start", "minutes", "near minutes", "about m", "contacts", "after onset", "report", "risk"]
    columns = [Column(title, right=title in titles[1:6]) for title in titles]
    several = len(result.stores) > 1
    rows = [[*_cells(item), *([item.encounter.store] if several else [])] for item in found]
    table.show([*columns, *([Column("store")] if several else [])], rows)


def _cells(item: Assessed) -> list[str]:
    found = item.encounter
    onset = found.key.days_since_onset
    return [
        output.local(found.start) + ("" if found.synced else f" {contact_table.UNSYNCED}"),
        contact_table.minutes(found.duration_s),
        contact_table.near(found.near_s),
        contact_table.metres(found.distance_m),
        str(found.contacts),
        "-" if onset is None else f"{onset:+d} d",
        found.key.report_type.name.lower().replace("_", " "),
        str(item.risk),
    ]
