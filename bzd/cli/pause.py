# SPDX-License-Identifier: Apache-2.0
"""`bzd pause` and `bzd resume`: the wearer's silence."""

from __future__ import annotations

import click

from bzd.cli import options, output
from bzd.cli.times import Duration
from bzd.errors import BzdError, InputError, StateError

_DONE = ("paused", "resumed", "it was not paused")
"""What the daemon's answer begins with if the badge is as it was asked to be (`bzd.daemon.badge`)."""


@click.command(epilog=options.examples("bzd pause --for 1h", "bzd pause"))
@click.option("--for", "seconds", type=Duration(), metavar="1h", help="Resume by itself after this; 90s, 5m, 1h, 2d.")
@options.state_option
@click.pass_context
def pause(ctx: click.Context, seconds: float | None) -> None:
    """Take the running badge off the air: nothing is sent, nothing is logged, until `bzd resume`.

    A restart or a reboot does not end it. The gap stays visible as a gap. Where it fails, `systemctl stop bzd` does it.
    """
    try:
        _ask(ctx, "pause" if seconds is None else f"pause {seconds!r}")
    except StateError:
        raise  # nobody runs, or there is no such store
    except BzdError as error:
        if isinstance(error.__cause__, PermissionError):
            raise  # sudo helps, as its hint says
        # A card that is full or read-only takes no request: its wearer must have a way all the same.
        raise type(error)(
            f"the badge does not say that it is paused: {error}", "`sudo systemctl stop bzd` takes it off the air"
        ) from error


@click.command(epilog=options.examples("bzd resume"))
@options.state_option
@click.pass_context
def resume(ctx: click.Context) -> None:
    """Put a paused badge back on air, under a new rolling ID."""
    _ask(ctx, "resume")


def _ask(ctx: click.Context, verb: str) -> None:
    from bzd.store import requests  # noqa: PLC0415  sqlite3 takes 10 ms to load

    answer = requests.ask(options.state_dir(ctx), verb)
    if not answer.startswith(_DONE):
        raise InputError(answer, "the badge goes on as before; `bzd pause` without --for lasts until `bzd resume`")
    output.note(answer)
