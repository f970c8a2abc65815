# SPDX-License-Identifier: Apache-2.0
"""`--time-offset ±HH:MM`: for recorders that stamp local time."""

from __future__ import annotations

import re
from typing import Any

import click

_OFFSET = re.compile(r"([+-])(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)


class TimeOffset(click.ParamType[float]):
    """`±HH:MM` or `±HH:MM:SS`; gives seconds."""

    name = "offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, or a usage error that says what to write."""
        if isinstance(value, float):
            return value
        match = _OFFSET.fullmatch(value.strip())
        if not match:
            self.fail(f"{value!r} is no offset; write for example -02:00 or +05:30", param, ctx)
        sign, hours, minutes, seconds = match.groups()
        total = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
        return float(-total if sign == "-" else total)


time_offset_option = click.option(
    "--time-offset",
    type=TimeOffset(),
    default=0.0,
    metavar="±HH:MM",
    help="Added to every time; a recorder that stamped UTC+2 needs -02:00.",
)
"""`--time-offset ±HH:MM`, passed to the command as `time_offset` in seconds."""
