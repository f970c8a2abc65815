# SPDX-License-Identifier: Apache-2.0
"""`bzd keygen`: identities."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bzd.cli import files, options, output
from bzd.cli.identities import new_passphrase
from bzd.cli.options import session
from bzd.errors import OutputError

PUBLIC_MODE = 0o644
"""A public key may be read by all."""


@click.command(
    epilog=options.examples("bzd keygen -o admin.key --passphrase", "bzd init --recipient admin.pub    # on the badge")
)
@click.option(
    "-o",
    "--output",
    "path",
    type=options.PATH,
    metavar="FILE",
    help="Write the identity here, and its public key beside it as .pub. Without it: to stdout.",
)
@click.option("--passphrase", "protect", is_flag=True, help="Ask for a passphrase that protects the identity.")
@options.passphrase_option
@click.pass_context
def keygen(ctx: click.Context, path: Path | None, protect: bool) -> None:  # noqa: FBT001  click's flag
    """Make an identity, which opens stores, and its public key, which seals them.

    Keep the identity off the badges and keep a copy of it: without it nobody can read what was sealed to it. Nothing
    is overwritten.
    """
    from bzd.store.identity import Identity  # noqa: PLC0415  cryptography takes 40 ms to load

    secret = new_passphrase(ctx) if protect or session(ctx).passphrase_file else None
    identity = Identity.generate()
    data, public = identity.dumps(secret), identity.public
    if path is None or str(path) == files.STDIO:
        sys.stdout.buffer.write(data)
        output.note("the public key:")
        output.plain(public.dumps().decode().strip())
    else:
        beside = _public_path(path)
        with files.output_file(path) as key, files.output_file(beside, mode=PUBLIC_MODE) as pub:
            key.write(data)
            pub.write(public.dumps())
        output.note(f"wrote the identity {path} and its public key {beside}")
    output.note(f"fingerprint {public.fingerprint}")


def _public_path(path: Path) -> Path:
    """Where the public key goes: the identity's name with its last suffix replaced."""
    # Also devices and dangling links, which a file for data may go to but an identity may not.
    if os.path.lexists(path) or not path.name:
        raise OutputError(f"{path} exists", "name another file; keygen overwrites nothing")
    public = path.with_suffix(".pub")
    if public == path:
        raise click.UsageError(f"{path} would be both the identity and its public key; name it for example admin.key")
    return public
