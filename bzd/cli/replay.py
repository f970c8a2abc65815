# SPDX-License-Identifier: Apache-2.0
"""`bzd replay`: recorded traces into contacts, through the same pipeline as live radio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bzd.cli import options, output
from bzd.cli.replay_run import Request, play
from bzd.cli.replay_sink import Lines, Sink, Table, Ticker
from bzd.cli.replay_source import STDIN, distinct, resolved
from bzd.cli.time_offset import time_offset_option
from bzd.config import LoadedConfig
from bzd.proximity.quota import HourlyQuota

_SIGNALLED = 128
"""Exit code after a signal less its number, as a shell reports it."""


class ScanPeriodType(click.ParamType[float | None]):
    """`auto` (None) or seconds, 0 for continuous listening."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Seconds, None for `auto`, or a usage error that says what to write."""
        if value in {None, "auto"}:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= 3600:
            self.fail(f"{value!r} is no scan period; write auto, or seconds from 0 (continuous) to 3600", param, ctx)
        return seconds


@click.command(
    epilog=options.examples(
        "bzd replay phone.btsnoop",
        "bzd replay --state S log1.pcapng log2.pcapng --time-offset -02:00",
        "sudo sh -c 'btmon -w /dev/fd/3 3>&1 >/dev/null' | bzd replay -",
    )
)
@click.argument("traces", nargs=-1, required=True, metavar="TRACE...", type=click.Path(allow_dash=True))
@time_offset_option
@click.option(
    "--scan-period",
    type=ScanPeriodType(),
    default="auto",
    show_default=True,
    metavar="auto|SECONDS",
    help="How often the recorder listened; 0 is all the time. auto looks at the trace.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    metavar="FACTOR",
    help="Play in time: 1 as it was recorded, 60 a minute a second. Default: as fast as it can.",
)
@click.option("--jsonl", "lines", is_flag=True, help="JSON Lines, each contact as it closes, instead of a table.")
@click.option(
    "--force", is_flag=True, help="Replay also into a live badge's own store, and again what is in it already."
)
@options.state_option
@options.config_options
@click.pass_context
def replay(ctx: click.Context, /, traces: tuple[str, ...], **given: Any) -> None:
    """Turn recorded traces into contacts, exactly as a badge would have.

    Several traces are one recorder's, such as rotated logs, and are merged by time. - is standard input. With --state
    on the command line, contacts are sealed into that store; without it they are shown, nothing is kept. Of files, all
    or none; a pipe is sealed every minute as it comes, and Ctrl-C ends it where it is. A trace that the store has
    already is known again by its content, also gzipped or through a pipe.
    """
    if traces.count(STDIN) > 1:
        raise click.UsageError("standard input can be read once", ctx)
    named = tuple(map(resolved, traces))
    request = Request(distinct(named), **given)
    if twice := len(named) - len(request.traces):
        output.note(f"traces named twice, replayed once: {twice}")
    loaded = options.load_config(ctx)
    state = options.explicit_state(ctx)
    if state is None:
        stopped_by = _show(request, loaded)
    elif request.lines:
        raise click.UsageError("--jsonl prints contacts and --state keeps them: give one of the two", ctx)
    else:
        stopped_by = _keep(request, loaded, state)
    if stopped_by:
        ctx.exit(_SIGNALLED + stopped_by)


def _show(request: Request, loaded: LoadedConfig) -> int | None:
    """Replay to stdout; the number of the signal that ended it early."""
    quota = HourlyQuota(loaded.config.proximity.max_contacts_per_hour)
    sink: Sink = Lines(live=request.live) if request.lines else Ticker() if request.live else Table(quota)
    replayed = play(request, loaded, sink)
    sink.finish()
    replayed.tell(loaded.config.proximity, quota, "shown; --state DIR keeps them")
    if replayed.signal:
        output.note("interrupted: this is what was read until then")
    return replayed.signal


def _keep(request: Request, loaded: LoadedConfig, state: Path) -> int | None:
    """Replay into a store; the number of the signal that ended it early."""
    from bzd.cli.replay_store import replay_into  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    return replay_into(state, request, loaded)
