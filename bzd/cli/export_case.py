# SPDX-License-Identifier: Apache-2.0
"""`bzd export case`: what a case gives to the health authority alone, sealed to it and signed by the badge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from bzd.cli import files, options, output, own_keys, todays_key
from bzd.cli.identities import load_recipient
from bzd.cli.options import session
from bzd.cli.own_keys import OwnStore, Wanted
from bzd.errors import BzdError, OutputError, StoreError
from bzd.model import Contact, DailyKey


@click.command(
    "case",
    epilog=options.examples(
        "bzd export case --recipient ha-store.pub -o anna.case",
        "bzd export case ward3-07.bzd --identity admin.key --recipient ha-store.pub --yes -o anna.case",
    ),
)
@options.output_option
@click.option(
    "--recipient", "recipients", type=options.PATH, multiple=True, required=True, metavar="FILE",
    help="Public key of the health authority. Repeatable.",
)  # fmt: skip
@own_keys.export_options
@options.force_option
@options.stores_argument
@options.states_option
@options.identity_options
@click.pass_context
def export_case(  # noqa: PLR0913  one argument an option
    ctx: click.Context,
    *,
    path: Path,
    recipients: tuple[Path, ...],
    days: int | None,
    since: date | None,
    include_today: bool,
    yes: bool,
    force: bool,
) -> None:
    """Write contacts and own keys for the health authority alone, to be read with `bzd import case`.

    The file is sealed to the authority and signed by the badge, so that nobody on the way can read or change it or see
    whose it is. The authority learns everything the badge heard on these days. Whole past UTC days are written;
    --include-today also ends today's key, takes it off the air, and writes what there is until now.
    """
    when, store = own_keys.wanted(ctx, days, since, include_today=include_today), OwnStore(ctx)
    sealed_to = list(dict.fromkeys(load_recipient(name) for name in recipients))
    files.require_outside(path, (store.path,))
    if str(path) == files.STDIO and sys.stdout.isatty():
        raise OutputError("a case file is no text for a terminal", "name a file with -o FILE, or redirect stdout")
    label, stored = store.keys()
    keys = own_keys.chosen(stored, when, store.path)
    if not (yes or _consent(label, keys, [public.fingerprint for public in sealed_to])):
        output.note("nothing was written")
        ctx.exit(BzdError.exit_code)
    now = session(ctx).clock.now()
    if include_today:
        keys = todays_key.ended(store, keys, now)
    from bzd.cases.case import Case  # noqa: PLC0415  cryptography takes 40 ms to load
    from bzd.cases.sealing import write_case  # noqa: PLC0415  see above

    with store.reader() as reader:
        private = reader.signing_key()
        contacts = _contacts(list(reader.contacts(when.since, when.until)), when)
        made = round(now * 1000) / 1000
        until = round(when.until * 1000) / 1000
        case = Case(label, reader.store_id, reader.signing_public, made, when.since, until, contacts, tuple(keys))
        for problem in dict.fromkeys(reader.problems):
            output.warning(f"{label}: {problem}")
    try:
        with files.output_file(path, force=force) as file:
            write_case(case, private, sealed_to, file)
    except ValueError as error:
        raise StoreError(f"{store.path} holds what cannot be exported: {error}") from error
    output.note(f"wrote {own_keys.counted(keys)} and {_counted(contacts)} of {label}, signed by {case.fingerprint}")
    output.note(f"only {' or '.join(public.fingerprint for public in sealed_to)} can open it")


def _contacts(found: Sequence[Contact], when: Wanted) -> tuple[Contact, ...]:
    """Contacts that started in the time asked for; one that ran into it belongs to the day before."""
    return tuple(contact for contact in found if when.since <= contact.start)


def _counted(contacts: Sequence[Contact]) -> str:
    return f"{len(contacts)} {'contact' if len(contacts) == 1 else 'contacts'}"


def _consent(label: str, keys: Sequence[DailyKey], recipients: Sequence[str]) -> bool:
    whom = " and ".join(recipients)
    return own_keys.consented(
        f"does the wearer of {label} consent that the holder of {whom} learns all this?",
        f"the file tells whom {label} was near, by their IDs, and where {label} was heard: {own_keys.span(keys)}",
    )
