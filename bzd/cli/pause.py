# SPDX-License-Identifier: Apache-2.0
"""`bzd pause` and `bzd resume`: the wearer's silence."""

from __future__ import annotations

import click

from bzd.cli import options, output
from bzd.cli.times import Duration


@click.command(epilog=options.examples("bzd pause --for 1h", "bzd pause"))
@click.option("--for", "seconds", type=Duration(), metavar="1h", help="Resume by itself after this; 90s, 5m, 1h, 2d.")
@options.state_option
@click.pass_context
def pause(ctx: click.Context, seconds: float | None) -> None:
    """Take the running badge off the air: nothing is sent, nothing is logged, until `bzd resume`.

    A restart or a reboot does not end it. The gap stays visible as a gap.
    """
    _ask(ctx, "pause" if seconds is None else f"pause {seconds:g}")


@click.command(epilog=options.examples("bzd resume"))
@options.state_option
@click.pass_context
def resume(ctx: click.Context) -> None:
    """Put a paused badge back on air, under a new rolling ID."""
    _ask(ctx, "resume")


def _ask(ctx: click.Context, verb: str) -> None:
    from bzd.store import requests  # noqa: PLC0415  sqlite3 takes 10 ms to load

    output.note(requests.ask(options.state_dir(ctx), verb))
