# SPDX-License-Identifier: Apache-2.0
"""Times and durations on the command line: `24h`, `2020-06-11`, `2020-06-11T10:00`, RFC 3339."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import click

from bzd.cli.options import session

F = TypeVar("F", bound=Callable[..., Any])

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
"""Seconds in each unit of a duration."""
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", re.ASCII)


def duration(text: str) -> float:
    """A duration such as `90s`, `5m`, `24h`, `7d` or `2w` in seconds.

    Raises:
        ValueError: if it is none.
    """
    match = DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no duration; write for example 90s, 5m, 24h or 7d")
    return float(match[1]) * UNITS[match[2]]


def instant(text: str, now: float, *, end_of_day: bool = False) -> float:
    """A time as UTC unix seconds.

    Args:
        text: a duration before now (`24h`), a date, a date and time, or RFC 3339. Without a zone it is local time,
            as tables show it.
        now: UTC unix seconds.
        end_of_day: a date alone means the end of that day, not its beginning.

    Raises:
        ValueError: if it is none of these.
    """
    text = text.strip()
    if DURATION.fullmatch(text):
        return now - duration(text)
    try:
        if day := _day(text):
            return datetime.combine(day + timedelta(days=end_of_day), datetime.min.time()).astimezone().timestamp()
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no time; write for example 24h, 2020-06-11, 2020-06-11T10:00 or 2020-06-11T10:00:00Z"
        ) from None


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None


class Duration(click.ParamType[float]):
    """A duration; gives seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, or a usage error that says what to write."""
        try:
            return value if isinstance(value, float) else duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Instant(click.ParamType[float]):
    """A time, absolute or before now; gives UTC unix seconds.

    Args:
        end_of_day: a date alone means the end of that day.
    """

    name = "time"

    def __init__(self, *, end_of_day: bool = False) -> None:
        self.end_of_day = end_of_day

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """UTC unix seconds, or a usage error that says what to write."""
        if isinstance(value, float):
            return value
        clock = session(ctx or click.get_current_context()).clock
        try:
            return instant(value, clock.now(), end_of_day=self.end_of_day)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def time_options(command: F) -> F:
    """`--since TIME` and `--until TIME`, passed to the command as `since` and `until`: UTC unix seconds or None."""
    command = click.option(
        "--until",
        type=Instant(end_of_day=True),
        metavar="TIME",
        help="Only what began before; a date includes that day.",
    )(command)
    return click.option(
        "--since", type=Instant(), metavar="TIME", help="Only what ended since: 24h, 7d, 2020-06-11, 2020-06-11T10:00."
    )(command)
