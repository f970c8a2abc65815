# SPDX-License-Identifier: Apache-2.0
"""`bzd purge`: delete days for ever."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bzd as package
from bzd.cli import options, output, times
from bzd.cli.options import session, state_dir
from bzd.clock import rfc3339
from bzd.errors import BzdError, StateError

if TYPE_CHECKING:  # sqlite3 and cryptography take 60 ms to load
    from bzd.store import PurgeResult

IDLE_DAYS = 7
"""Days that a badge may lie unused before a script no longer counts back from its clock: more than a long weekend, and
fewer than the 14 days that contacts are kept, so that a clock that leapt ahead cannot empty a store."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Before when to delete.

    Attributes:
        time: UTC unix seconds.
        relative: whether it was counted back from the clock, which then must be right.
    """

    time: float
    relative: bool

    def __str__(self) -> str:
        return f"all days that ended before {rfc3339(self.time)}"


class BoundType(click.ParamType[Bound]):
    """A duration before now, or a UTC day."""

    name = "bound"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bound:
        """The bound, or a usage error that says what to write."""
        if isinstance(value, Bound):
            return value
        if times.DURATION.fullmatch(value):
            return Bound(session(ctx or click.get_current_context()).clock.now() - times.duration(value), relative=True)
        return Bound(_begin(self._day(value, param, ctx)), relative=False)

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
@click.option("--force", is_flag=True, help="Count back from the clock though the newest day is long ago.")
@options.state_option
@click.pass_context
def purge(  # noqa: PLR0913  one argument an option
    ctx: click.Context, *, before: Bound | None, days: tuple[date, ...], everything: bool, yes: bool, force: bool
) -> None:
    """Delete contacts and own keys for ever, by UTC days.

    Deletes the keys that the days are sealed with, then the days. Nothing opens them again, not even the identity.
    Copies elsewhere, such as exported stores, are not touched; and flash memory may keep what nobody can erase.

    --before 14d counts back from this machine's clock, and a badge may have a wrong one. It is refused if the clock is
    before the newest day in the store; and with --yes also if it is more than a week after it, unless --force is given.
    """
    if [before is not None, bool(days), everything].count(True) != 1:
        raise click.UsageError("say what to delete: one of --before, --day and --all", ctx)
    state, now = state_dir(ctx), session(ctx).clock.now()
    if os.path.isfile(state):  # noqa: PTH113  Path.is_file raises where the folder may not be entered
        raise StateError(f"{state} is a file, and purge is for state directories", "delete an exported store as a file")
    from bzd import store  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    if before is not None and before.relative:
        _require_right_clock(state, now, trusted=force, asked=not yes)
        output.note(f"counting back from {rfc3339(now)}: {before}")
    if not (yes or _confirmed(_describe(before, days), state)):
        output.note("nothing was deleted")
        ctx.exit(BzdError.exit_code)
    result = store.purge(state, days=days or None, before=before.time if before else None, now=now)
    output.note(_outcome(result))


def _describe(before: Bound | None, days: tuple[date, ...]) -> str:
    if before is not None:
        return str(before)
    return ", ".join(day.isoformat() for day in sorted(set(days))) if days else "all days"


def _confirmed(what: str, state: Path) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("there is no terminal to ask on; add --yes to delete without being asked")
    return click.confirm(f"delete {what} from {output.printable(str(state))} for ever?", err=True)


def _require_right_clock(state: Path, now: float, *, trusted: bool, asked: bool) -> None:
    """Refuse to count back from a clock that is evidently wrong: a badge has no battery that keeps it.

    Args:
        state: the state directory.
        now: what the clock says, UTC unix seconds.
        trusted: the user says that the clock is right, though it is far ahead of the store.
        asked: the user will be asked, and sees what is told here.

    Raises:
        StateError, StoreError: if there is no store or it is damaged.
        BzdError: if the clock shows a time before this version or before what the store holds; or far after it.
    """
    from bzd import store  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    days = [_begin(day) for day in store.days(state)]
    newest = max([_begin(date.fromisoformat(package.__date__)), *days])
    if now < newest:
        raise BzdError(f"the clock says {rfc3339(now)}, but it is {rfc3339(newest)} at least", _NAME_DAY)
    if days and now >= days[-1] + (1 + IDLE_DAYS) * 86400 and not trusted:
        last = datetime.fromtimestamp(days[-1], UTC).date()
        ahead = f"the clock says {rfc3339(now)}, but the newest day in the store is {last}"
        if not asked:
            raise BzdError(ahead, f"{_NAME_DAY}; if the clock is right, add --force")
        output.warning(ahead)


_NAME_DAY = "set the clock, or name a day: `bzd purge --before 2020-06-11`"


def _begin(day: date) -> float:
    """When a UTC day begins, UTC unix seconds."""
    return datetime.combine(day, datetime.min.time(), UTC).timestamp()


def _outcome(result: PurgeResult) -> str:
    """What was deleted, in a sentence."""
    if not result.segments:
        return "nothing to delete there"
    days = [day.isoformat() for day in result.days]
    spans = [days[0] if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"] if days else []
    spans += [f"{result.undated} stretches without a date"] if result.undated else []
    return f"deleted {' and '.join(spans)}: {result.records} records"
