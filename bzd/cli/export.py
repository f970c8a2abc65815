# SPDX-License-Identifier: Apache-2.0
"""`bzd export`: contacts in the clear, the whole store still sealed, own keys, or all of a case, to a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bzd.cli import contact_data, files, options, output, reading
from bzd.cli.contacts import selected, selection_options
from bzd.cli.export_case import export_case
from bzd.cli.export_keys import export_keys
from bzd.cli.options import state_dir, state_paths
from bzd.errors import OutputError

SUFFIXES = {".csv": "csv", ".jsonl": "jsonl"}
"""What the name of the output file says about its form."""


@click.group()
def export() -> None:
    """Write contacts, own keys, a case or the whole sealed store to a file that only you can read (mode 0600)."""


@export.command(
    "contacts",
    epilog=options.examples(
        "bzd export contacts -o june.csv --since 2020-06-01 --until 2020-06-30",
        "bzd export contacts -o - --jsonl *.bzd --identity admin.key",
    ),
)
@options.output_option
@options.form_options(csv="CSV, without the scans.", jsonl="JSON Lines, one contact a line.")
@options.force_option
@selection_options
@options.stores_argument
@options.states_option
@options.identity_options
@click.pass_context
def export_contacts(  # noqa: PLR0913  one argument an option
    ctx: click.Context,
    *,
    path: Path,
    form: str | None,
    force: bool,
    since: float | None,
    until: float | None,
    min_duration: float,
) -> None:
    """Write contacts in the clear.

    Oldest first; CSV or JSON Lines, as a flag or the suffix of FILE says. Times are UTC.
    """
    selection = selected(ctx, since, until, min_duration)
    form = form or SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise click.UsageError(f"what form should {path} have? say --csv or --jsonl", ctx)
    files.require_outside(path, state_paths(ctx))
    with reading.open_stores(ctx) as stores:
        with files.text_file(path, force=force) as text:
            count = contact_data.write(form, stores.contacts(selection), text, labels=stores.several)
        output.note(f"wrote {count} {'contact' if count == 1 else 'contacts'}")
        stores.warn()


@export.command(
    "store",
    epilog=options.examples(
        "bzd export store -o ward3.bzd",
        "ssh badge sudo bzd export store -o - > ward3.bzd",
        "bzd contacts ward3.bzd --identity admin.key",
    ),
)
@options.output_option
@options.force_option
@click.option("--salvage", is_flag=True, help="Save what can still be read of a damaged store.")
@options.state_option
@click.pass_context
def export_store(ctx: click.Context, *, path: Path, force: bool, salvage: bool) -> None:
    """Write a copy of the store, still sealed.

    The copy is one consistent file, the state of one instant. It needs no identity, and a running daemon is
    not in its way. Every command that reads takes the copy as --state.
    """
    state = state_dir(ctx)
    files.require_outside(path, (state,))
    if str(path) == files.STDIO and sys.stdout.isatty():
        raise OutputError("a store is no text for a terminal", "name a file with -o FILE, or redirect stdout")
    from bzd import store  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    with files.output_file(path, force=force) as binary:
        if salvage:
            saved = store.salvage(state, binary)
        else:
            store.backup(state, binary)
    if salvage:
        output.note(f"saved {saved.records} records; {saved.damaged} of {saved.pages} pages were damaged")
    else:
        output.note(f"wrote the sealed store of {state}")


export.add_command(export_keys)
export.add_command(export_case)
