# SPDX-License-Identifier: Apache-2.0
"""`bzd contacts`: who was near, when and for how long."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bzd.cli import contact_data, contact_table, options, output, reading, times
from bzd.cli.reading import Reading, Selection

F = TypeVar("F", bound=Callable[..., Any])


def selection_options(command: F) -> F:
    """`--since`, `--until` and `--min-duration`, passed to the command as UTC unix seconds, None, and seconds."""
    command = click.option(
        "--min-duration",
        type=times.Duration(),
        default=0.0,
        metavar="TIME",
        help="Only contacts at least so long: 90s, 5m.",
    )(command)
    return times.time_options(command)


@click.command(
    epilog=options.examples(
        "bzd contacts --since 24h",
        "bzd contacts --since 2020-06-11 --until 2020-06-11 --min-duration 5m",
        "bzd contacts *.bzd --identity admin.key --jsonl",
    )
)
@selection_options
@click.option("--ids", is_flag=True, help="Show protocols and rolling IDs in the table.")
@options.form_options(json="One JSON object.", jsonl="JSON Lines, one contact a line.", csv="CSV, without the scans.")
@options.stores_argument
@options.states_option
@options.identity_options
@options.config_options
@click.pass_context
def contacts(  # noqa: PLR0913  one argument an option
    ctx: click.Context, *, since: float | None, until: float | None, min_duration: float, ids: bool, form: str | None
) -> None:
    """Show the contacts in a store, or in several as one, oldest first.

    Times without a zone are local, as in the table; --json, --jsonl and --csv give UTC. Near minutes and metres are
    estimated from signal strength, which walls, bodies and pockets weaken; `ranging.near_m` says what counts as near.
    """
    options.check_given(ctx)
    selection = selected(ctx, since, until, min_duration)
    with reading.open_stores(ctx) as stores:
        if form:
            count = contact_data.write(form, stores.contacts(selection), sys.stdout, labels=stores.several)
        else:
            count = _table(stores, selection, ids=ids)
        if not count:
            output.note(stores.why_empty())
        stores.warn()


def selected(ctx: click.Context, since: float | None, until: float | None, min_duration: float) -> Selection:
    """The selection that the options ask for.

    Raises:
        click.UsageError: if nothing can be both since and until.
    """
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until", ctx)
    return Selection(since, until, min_duration)


def _table(stores: Reading, selection: Selection, *, ids: bool) -> int:
    rows = list(stores.contacts(selection))
    if rows:
        contact_table.show(rows, labels=stores.several, ids=ids)
        first, last = output.local(rows[0][1].start), output.local(max(contact.end for _, contact in rows))
        output.note(f"{len(rows)} {'contact' if len(rows) == 1 else 'contacts'}, {first} to {last}")
    return len(rows)
