# SPDX-License-Identifier: Apache-2.0
"""The own daily keys of a case's badge, on their way out: which of them, and whether the wearer consents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bzd.cli import output
from bzd.cli.identities import load_identities
from bzd.cli.options import session, state_paths
from bzd.cli.purge import DayType
from bzd.errors import InputError
from bzd.model import DailyKey

if TYPE_CHECKING:  # sqlite3 and cryptography take 60 ms to load
    from bzd.store import Reader
    from bzd.store.identity import Identity

F = TypeVar("F", bound=Callable[..., Any])

DAYS = 14
"""How far back an export goes if nobody says: as far as Exposure Notification's servers take keys, and stores reach."""

SETTLED_S = 60.0
"""A day's key may be on the air for so long after its day: a Bluezone ID changes up to 14 s after its time
(`bzd.radio.rotation.SLOT_DELAY_S`), and then comes what a rotation takes."""

_DAY_S = 86400


def export_options(command: F) -> F:
    """`--days`, `--since`, `--include-today` and `--yes`; the first three make a `Wanted` with `wanted`."""
    command = click.option("--yes", is_flag=True, help="The wearer consents: do not ask. Scripts need it.")(command)
    command = click.option(
        "--include-today",
        is_flag=True,
        help="End today's key, take it off the air, and export it too. On the badge only.",
    )(command)
    command = click.option("--since", type=DayType(), metavar="DAY", help="From this UTC day on, instead of --days.")(
        command
    )
    days = click.IntRange(1, 3650)
    return click.option("--days", type=days, help=f"So many days before today; {DAYS} if not given.")(command)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The time that an export is about.

    Attributes:
        since: UTC midnight at which it begins, unix seconds.
        today: the midnight at which the present day began; for a minute after a midnight the one before.
        until: where it ends: `today`, or now.
    """

    since: float
    today: float
    until: float

    @property
    def with_today(self) -> bool:
        """Whether the present day belongs to it."""
        return self.until > self.today


def wanted(ctx: click.Context, days: int | None, since: date | None, *, include_today: bool) -> Wanted:
    """What the options ask for.

    Raises:
        click.UsageError: if they contradict each other, or name no day that is over.
    """
    if days is not None and since is not None:
        raise click.UsageError("--days and --since exclude each other", ctx)
    now = session(ctx).clock.now()
    today = (now - SETTLED_S) // _DAY_S * _DAY_S
    begin = today - (days or DAYS) * _DAY_S
    if since is not None:
        begin = datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp()
    until = now if include_today else today
    if begin >= until:
        raise click.UsageError(f"--since {since} leaves nothing: days are over at midnight UTC", ctx)
    return Wanted(begin, today, until)


class OwnStore:
    """The store of one badge, and what opens it.

    Args:
        ctx: the command's context; its stores must be one.
    """

    def __init__(self, ctx: click.Context) -> None:
        paths = state_paths(ctx)
        if len(paths) > 1:
            raise click.UsageError("one badge at a time: name one store", ctx)
        self.path = paths[0]
        self.identities: list[Identity] = load_identities(ctx, paths)

    def reader(self) -> AbstractContextManager[Reader]:
        """Open it."""
        from bzd.store import open_reader  # noqa: PLC0415  see above

        return open_reader(self.path, self.identities)

    def keys(self) -> tuple[str, list[DailyKey]]:
        """The badge's label and all its own keys, none of which overlap; what is damaged is said."""
        from bzd.matching.own import cut  # noqa: PLC0415  see above

        with self.reader() as reader:
            keys = list(reader.keys())
            for problem in dict.fromkeys(reader.problems):
                output.warning(f"{reader.label}: {problem}")
            return reader.label, cut(keys)


def chosen(stored: Sequence[DailyKey], when: Wanted, state: Path) -> list[DailyKey]:
    """The keys of a time, all of one protocol, in the order given.

    Raises:
        InputError: if there are none, or of several.
    """
    last = when.today + _DAY_S if when.with_today else when.today
    found = [key for key in stored if when.since <= key.start and key.end <= last]
    names = sorted({key.protocol for key in found})
    if not found:
        days, whole = round((when.today - when.since) / _DAY_S), "" if when.with_today else " of a whole day"
        raise InputError(
            f"{state} holds no own key{whole} among the last {days} days",
            "keys are made by a badge that is on the air and knows the time; today's can be exported tomorrow",
        )
    if len(names) > 1:
        raise InputError(
            f"these days have keys of {' and '.join(names)}, and no file holds both",
            "name fewer --days, so that they are of one protocol",
        )
    return found


def consented(question: str, warning: str) -> bool:
    """Whether the wearer consents, asked on a terminal.

    Raises:
        click.UsageError: if there is none.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("there is no terminal to ask for consent on; add --yes if the wearer consents")
    output.note(warning)
    return click.confirm(question, err=True)


def counted(keys: Sequence[DailyKey]) -> str:
    """How many they are, in words."""
    return f"{len(keys)} daily {'key' if len(keys) == 1 else 'keys'}"


def span(keys: Sequence[DailyKey]) -> str:
    """Which days they are of, in words."""
    days = sorted({datetime.fromtimestamp(key.start, UTC).date() for key in keys})
    return f"{days[0]}" if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"
