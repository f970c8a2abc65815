# SPDX-License-Identifier: Apache-2.0
"""`bzd purge`: delete days for ever."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bzd.cli import options, output, times
from bzd.cli.options import session, state_dir
from bzd.errors import BzdError

if TYPE_CHECKING:  # sqlite3 and cryptography take 60 ms to load
    from bzd.store import PurgeResult

RELEASED = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
"""UTC unix seconds of the day this version was written: a clock that shows an earlier time is wrong."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Before when to delete.

    Attributes:
        time: UTC unix seconds.
        relative: whether it was counted back from the clock, which then must be right.
    """

    time: float
    relative: bool


class BoundType(click.ParamType[Bound]):
    """A duration before now, or a UTC day."""

    name = "bound"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bound:
        """The bound, or a usage error that says what to write."""
        if isinstance(value, Bound):
            return value
        if times.DURATION.fullmatch(value):
            return Bound(session(ctx or click.get_current_context()).clock.now() - times.duration(value), relative=True)
        return Bound(
            datetime.combine(self._day(value, param, ctx), datetime.min.time(), UTC).timestamp(), relative=False
        )

    def _day(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return utc_day(value)
        except ValueError:
            self.fail(f"{value!r} is neither; write for example 14d or 2020-06-11", param, ctx)


class DayType(click.ParamType[date]):
    """A UTC day."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day, or a usage error that says what to write."""
        try:
            return value if isinstance(value, date) else utc_day(value)
        except ValueError:
            self.fail(f"{value!r} is no day; write for example 2020-06-11", param, ctx)


def utc_day(text: str) -> date:
    """A day written as 2020-06-11.

    Raises:
        ValueError: if it is none.
    """
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    return date.fromisoformat(text)


@click.command(epilog=options.examples("bzd purge --before 14d", "bzd purge --day 2020-06-11 --yes", "bzd purge --all"))
@click.option("--before", type=BoundType(), metavar="14d|DAY", help="All days that ended before this.")
@click.option("--day", "days", type=DayType(), multiple=True, metavar="DAY", help="This UTC day. Repeatable.")
@click.option("--all", "everything", is_flag=True, help="All days. The store stays, and its recipients.")
@click.option("--yes", is_flag=True, help="Do not ask. Scripts need it.")
@options.state_option
@click.pass_context
def purge(ctx: click.Context, *, before: Bound | None, days: tuple[date, ...], everything: bool, yes: bool) -> None:
    """Delete contacts and own keys for ever, by UTC days.

    Deletes the keys that the days are sealed with, then the days. Nothing opens them again, not even the identity.
    Copies elsewhere, such as exported stores, are not touched; and flash memory may keep what nobody can erase.
    """
    if [before is not None, bool(days), everything].count(True) != 1:
        raise click.UsageError("say what to delete: one of --before, --day and --all", ctx)
    state, now = state_dir(ctx), session(ctx).clock.now()
    from bzd import store  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    if before is not None and before.relative:
        _require_right_clock(state, now)
    if not (yes or _confirmed(_describe(before, days), state)):
        output.note("nothing was deleted")
        ctx.exit(BzdError.exit_code)
    result = store.purge(state, days=days or None, before=before.time if before else None, now=now)
    output.note(_outcome(result))


def _describe(before: Bound | None, days: tuple[date, ...]) -> str:
    if before is not None:
        return f"all days that ended before {output.rfc3339(before.time)}"
    return ", ".join(day.isoformat() for day in sorted(set(days))) if days else "all days"


def _confirmed(what: str, state: Path) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("there is no terminal to ask on; add --yes to delete without being asked")
    return click.confirm(f"delete {what} from {output.printable(str(state))} for ever?", err=True)


def _require_right_clock(state: Path, now: float) -> None:
    """Refuse to count back from a clock that is evidently wrong: a badge has no battery that keeps it.

    Raises:
        StateError, StoreError: if there is no store or it is damaged.
        BzdError: if the clock shows a time before this version, or before what the store holds already.
    """
    newest = max([RELEASED, *_days_begun(state)])
    if now < newest:
        raise BzdError(
            f"the clock says {output.rfc3339(now)}, but it is {output.rfc3339(newest)} at least",
            "set the clock, or name a day: `bzd purge --before 2020-06-11`",
        )


def _days_begun(state: Path) -> list[float]:
    """When the days in the store began, UTC unix seconds."""
    from bzd.store import container  # noqa: PLC0415  sqlite3 takes 10 ms to load
    from bzd.store.opening import segment_rows  # noqa: PLC0415  see above
    from bzd.store.state import store_file  # noqa: PLC0415  see above

    file = store_file(state)
    with container.open_reader(file) as connection, container.translated(file):
        return [row.place.day * 86400.0 for row in segment_rows(connection, b"") if row.place.day is not None]


def _outcome(result: PurgeResult) -> str:
    """What was deleted, in a sentence."""
    if not result.segments:
        return "nothing to delete there"
    days = [day.isoformat() for day in result.days]
    spans = [days[0] if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"] if days else []
    spans += [f"{result.undated} stretches without a date"] if result.undated else []
    return f"deleted {' and '.join(spans)}: {result.records} records"
