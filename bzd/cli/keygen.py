# SPDX-License-Identifier: Apache-2.0
"""`bzd keygen`: identities, and keys that sign key files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import click

from bzd.cli import files, options, output
from bzd.cli.identities import new_passphrase
from bzd.cli.options import session
from bzd.errors import OutputError

PUBLIC_MODE = 0o644
"""A public key may be read by all."""


@click.command(
    epilog=options.examples(
        "bzd keygen -o admin.key --passphrase",
        "bzd init --recipient admin.pub    # on the badge",
        "bzd keygen --signing -o ha.pem    # for `bzd publish`",
    )
)
@click.option(
    "-o",
    "--output",
    "path",
    type=options.PATH,
    metavar="FILE",
    help="Write the secret key here, and its public key beside it as .pub. Without it: to stdout.",
)
@click.option("--signing", is_flag=True, help="Make a health authority's key, which signs what it publishes (P-256).")
@click.option("--passphrase", "protect", is_flag=True, help="Ask for a passphrase that protects the secret key.")
@options.passphrase_option
@click.pass_context
def keygen(ctx: click.Context, *, path: Path | None, signing: bool, protect: bool) -> None:
    """Make an identity, which opens stores, and its public key, which seals them.

    Keep the identity off the badges and keep a copy of it: without it nobody can read what was sealed to it. Nothing
    is overwritten. With --signing: a key that signs key files, and the public key that badges verify them with.
    """
    secret = new_passphrase(ctx) if protect or session(ctx).passphrase_file else None
    made = _signing(secret) if signing else _identity(secret)
    if path is None or str(path) == files.STDIO:
        sys.stdout.buffer.write(made.secret)
        output.note("the public key:")
        output.plain(made.public.decode().strip())
    else:
        beside = _public_path(path, made.name)
        with files.output_file(path) as key, files.output_file(beside, mode=PUBLIC_MODE) as pub:
            key.write(made.secret)
            pub.write(made.public)
        output.note(f"wrote the {made.name} {path} and its public key {beside}")
    output.note(f"fingerprint {made.fingerprint}")


class _Made(NamedTuple):
    """A key pair as files: what the secret half is called, both halves, and the fingerprint to know them by."""

    name: str
    secret: bytes
    public: bytes
    fingerprint: str


def _identity(passphrase: str | None) -> _Made:
    from bzd.store.identity import Identity  # noqa: PLC0415  cryptography takes 40 ms to load

    identity = Identity.generate()
    return _Made("identity", identity.dumps(passphrase), identity.public.dumps(), identity.public.fingerprint)


def _signing(passphrase: str | None) -> _Made:
    from bzd.matching.signing import SigningKey  # noqa: PLC0415  cryptography takes 40 ms to load

    key = SigningKey.generate()
    secret = key.dumps(None if passphrase is None else passphrase.encode())
    return _Made("signing key", secret, key.public_pem(), key.public.fingerprint)


def _public_path(path: Path, name: str) -> Path:
    """Where the public key goes: the secret key's name with its last suffix replaced."""
    # Also devices and dangling links, which a file for data may go to but a secret key may not.
    if os.path.lexists(path) or not path.name:
        raise OutputError(f"{path} exists", "name another file; keygen overwrites nothing")
    public = path.with_suffix(".pub")
    if public == path:
        raise click.UsageError(f"{path} would be both the {name} and its public key; name it for example admin.key")
    return public
