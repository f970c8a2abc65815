# SPDX-License-Identifier: Apache-2.0
"""`bzd demo`: a virtual crowd around this badge for an hour, in seconds, through the same parts as everything else."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from bzd.cli import contact_table, demo_stores, options, output, table
from bzd.cli.table import Column
from bzd.model import Contact
from bzd.radio.crowd import Crowd, Member, office_hour

_DAY_S = 86400
_START_S = 11.5 * 3600
"""The hour begins at 11:30 UTC, so that it holds a lunch and lies within one UTC day."""
_EMBARGO_S = 7200
"""For so long after their day keys are held back (`bzd.matching.publishing.EMBARGO_S`, which takes 30 ms to load)."""


@click.command(epilog=options.examples("bzd demo", "bzd demo --keep crowd && bzd contacts --state crowd/you"))
@click.option(
    "--keep",
    "keep_in",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Leave a store with identity and own keys for each badge of the crowd in DIR, and a trace.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another number gives another hour.")
@options.config_options
@click.pass_context
def demo(ctx: click.Context, keep_in: Path | None, seed: int) -> None:
    """Simulate a crowd around this badge and show its contacts.

    No radio and no files are needed: eight people with badges spend a simulated hour of yesterday in an office (until
    02:00 UTC of the day before, whose keys may be published then). What your badge hears is turned into contacts,
    sealed into a store, and read back. The same seed on the same day gives the same contacts.
    """
    config = options.load_config(ctx).config
    now = options.session(ctx).clock.now()
    crowd = office_hour(_last_free_day(now) + _START_S, seed)
    you = crowd.members[0]
    if keep_in is not None:
        contacts, counts = demo_stores.keep(crowd, config, keep_in, now)
    else:
        logged = demo_stores.log(crowd, you, config)
        counts = logged.counts
        with tempfile.TemporaryDirectory(prefix="bzd-demo-") as folder:
            contacts = demo_stores.seal(you, logged, Path(folder) / you.name, now)
    _introduce(crowd, seed, f"{counts.reports:,} reports became {len(contacts)} contacts")
    contact_table.show((you.name, contact) for contact in contacts)
    _compare(crowd, contacts, config.ranging.near_m)
    _suggest(keep_in)


def _last_free_day(now: float) -> float:
    """When the last day began whose keys may be published, so that all of the loop can be tried at any hour."""
    return (now - _EMBARGO_S) // _DAY_S * _DAY_S - _DAY_S


def _introduce(crowd: Crowd, seed: int, result: str) -> None:
    others = len(crowd.members) - 1
    output.line(f"A simulated hour from {output.local(crowd.start)}, seed {seed}: you and {others} others wear badges")
    output.line("in an office. Each badge changes its ID every 10 to 20 minutes, so one meeting is several")
    output.line("contacts until a published key joins them. No radio was used; all else is what a badge runs.")
    output.line()
    output.line(f"{result}. They were sealed in a store that only its identity opens,")
    output.line("and read back, as `bzd contacts` would show them:")
    output.line()


def _compare(crowd: Crowd, contacts: Sequence[Contact], near_m: float) -> None:
    """Show who the others were, and the truth beside the estimate."""
    columns = [
        Column("who"),
        Column("what happened"),
        Column("contacts", right=True),
        Column("minutes near", right=True),
    ]
    columns += [Column(title, right=True) for title in ("estimated", "metres", "estimated")]
    rows = [_row(crowd, other, contacts, near_m) for other in crowd.members[1:]]
    output.line()
    output.line("Your badge knows no names. The simulation does, and it knows where everybody really was")
    output.line(f"(near is closer than {near_m:g} m; metres are the median of the near time, if there is any):")
    output.line()
    table.show(columns, rows)
    output.line()
    output.line("RSSI is not distance: a badge cannot tell a wall or a turned back from metres.")


def _row(crowd: Crowd, other: Member, contacts: Sequence[Contact], near_m: float) -> list[str]:
    truth = crowd.truth(crowd.members[0], other, near_m)
    theirs = [contact for contact in contacts if contact.rolling_id in other.rolling_ids]
    near_s = sum(contact.near_s for contact in theirs)
    near = [contact_table.near(seconds) for seconds in (truth.near_s, near_s)]
    distances = [contact_table.metres(metres) for metres in (truth.distance_m, _typical(theirs))]
    return [other.name, other.about, str(len(theirs)), *near, *distances]


def _typical(contacts: Sequence[Contact]) -> float | None:
    """The distance in the middle of the time: of the near contacts if there are any, as with the truth."""
    near = [contact for contact in contacts if contact.near_s > 0]
    known = sorted((c.distance_m, c.near_s or c.duration_s) for c in near or contacts if c.distance_m is not None)
    half = sum(seconds for _, seconds in known) / 2
    for distance, seconds in known:
        half -= seconds
        if half <= 0:
            return distance
    return None


def _suggest(folder: Path | None) -> None:
    commands: list[list[str | Path]]
    output.line()
    output.line("Try next:")
    if folder is None:
        kept = Path("crowd")
        commands = [["bzd", "demo", "--keep", kept], ["bzd", "contacts", "--state", kept / "you"]]
    else:
        trace = folder / demo_stores.TRACE_NAME
        commands = [
            ["bzd", "contacts", "--state", folder / "anna", "--state", folder / "ben"],
            ["bzd", "export", "contacts", "--state", folder / "you", "--csv", "-o", "-"],
            ["bzd", "trace", "info", trace],
            ["bzd", "replay", trace, "--set", "ranging.near_m=1"],
        ]
    for command in commands:
        output.line(f"  {output.printable(shlex.join(map(str, command)))}")
