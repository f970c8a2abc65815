# SPDX-License-Identifier: Apache-2.0
"""`bzd import case`: case files into stores, on the health authority's machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bzd.cli import options, output
from bzd.cli.identities import load_identity
from bzd.cli.options import explicit_state, session
from bzd.cli.own_keys import counted
from bzd.clock import rfc3339
from bzd.errors import IdentityError

if TYPE_CHECKING:  # sqlite3, protobuf and cryptography take 100 ms to load
    from bzd.cases.importing import Import, Imported


class FingerprintType(click.ParamType[str]):
    """A fingerprint as `bzd init` prints it."""

    name = "fingerprint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The fingerprint in small letters, or a usage error."""
        text = str(value).strip().lower()
        if not re.fullmatch(r"[0-9a-f]{4}(-[0-9a-f]{4}){7}", text, re.ASCII):
            self.fail(f"{value!r} is no fingerprint: eight groups of four digits, as `bzd init` prints it", param, ctx)
        return text


@click.group("import")
def import_() -> None:
    """Take in what badges of cases gave to the health authority."""


@import_.command(
    "case",
    epilog=options.examples(
        "bzd import case anna.case ben.case --state cases --identity ha-store.key",
        "bzd match --graph --state cases --identity ha-store.key",
    ),
)
@click.argument("paths", nargs=-1, type=options.PATH, metavar="FILE...")
@click.option(
    "--fingerprint", "fingerprints", type=FingerprintType(), multiple=True, metavar="FINGERPRINT",
    help="Of a badge's signing key; take files of no other. Repeatable.",
)  # fmt: skip
@click.option("--keep-all", is_flag=True, help="Keep also the contacts with people who are no case.")
@options.stores_folder_option
@options.identity_options
@click.pass_context
def import_case(ctx: click.Context, *, paths: tuple[Path, ...], fingerprints: tuple[str, ...], keep_all: bool) -> None:
    """Verify case files and make a store of each in the folder that --state names.

    `contacts`, `match` and `export` read these stores like any other; the folder stands for all in it. Contacts that
    match no key of an imported case are left out: they are of people who are no case. So name the files together; for
    a case that comes later, name those before once more beside it. The first file of a badge is believed, and its
    fingerprint remembered; compare it with what `bzd init` printed on the badge.
    """
    folder = explicit_state(ctx)
    if not paths:
        raise click.UsageError("name the case files to import", ctx)
    if folder is None:
        raise click.UsageError("name a folder for the stores with --state", ctx)
    if not session(ctx).identities:
        raise IdentityError("no identity to open case files with")
    from bzd.cases.importing import import_cases  # noqa: PLC0415  see above

    identities = [load_identity(ctx, path) for path in session(ctx).identities]
    done = import_cases(paths, folder, identities, keep_all=keep_all, fingerprints=fingerprints)
    for imported in done.files:
        _tell(imported)
    _warn(done, keep_all=keep_all)


def _tell(imported: Imported) -> None:
    case = imported.file.case
    state = "not known before: compare it with what `bzd init` printed" if imported.new else "as before"
    output.note(f"{case.label}: signed by {case.fingerprint} ({state})")
    left = f", {imported.left_out} left out that match no imported key" if imported.left_out else ""
    days = f"{rfc3339(case.since)[:10]} to {rfc3339(case.until)[:10]}"
    output.note(f"{case.label}: made {rfc3339(case.made)} of {days}")
    kept = f"{counted(case.keys)}, {imported.kept} {'contact' if imported.kept == 1 else 'contacts'}"
    output.note(f"{case.label}: {kept}{left}: {imported.path}")
    if len(imported.file.recipients) > 1:
        output.note(f"{case.label}: the file opens with {' and '.join(imported.file.recipients)}")
    if imported.odd_keys:
        output.warning(f"{case.label}: {imported.odd_keys} keys left out that no badge can have")


def _warn(done: Import, *, keep_all: bool) -> None:
    for problem in done.problems:
        output.warning(problem)
    for claimed, called in done.renamed:
        output.warning(f"a badge calls itself {claimed!r}, which would mislead; here it is called {called}")
    for one, other in done.disputed:
        output.warning(f"{one} and {other} claim the same daily key: one of them says what is not so")
    if done.incomplete and not keep_all:
        labels = ", ".join(done.incomplete)
        output.hint(f"whom of these {labels} heard is known once the case files of {labels} are imported again too")
