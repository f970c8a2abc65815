# SPDX-License-Identifier: Apache-2.0
"""Identities and passphrases named on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import files
from bzd.cli.options import session
from bzd.errors import PassphraseError

if TYPE_CHECKING:  # cryptography takes 40 ms to load
    from bzd.store.identity import Identity, PublicKey

ON_BADGE = "identity.key"
"""Name of the identity in a state directory, where `bzd init` without `--recipient` puts it."""


def load_identities(ctx: click.Context, states: Sequence[Path]) -> list[Identity]:
    """The identities to read with: those given with `--identity`, else the one in each state directory that has one.

    Args:
        ctx: the command's context.
        states: state directories and exported stores that will be read.

    Raises:
        InputError: if a file cannot be read.
        IdentityError: if it is no identity; PassphraseError if its passphrase is wrong or was not given.
    """
    own = [path / ON_BADGE for path in states]
    # os.path, because Path.exists raises where the folder may not be entered; opening the store says that better.
    paths = session(ctx).identities or [path for path in own if os.path.exists(path)]  # noqa: PTH110
    return [load_identity(ctx, path) for path in paths]


def load_identity(ctx: click.Context, path: Path) -> Identity:
    """Read one identity; its passphrase comes from `--passphrase-file` or is asked for on a terminal.

    Raises:
        InputError, IdentityError, PassphraseError: see `load_identities`.
    """
    from bzd.store.identity import Identity  # noqa: PLC0415  see above

    data = files.read_small(path, "identity")
    given = passphrase(ctx)
    try:
        return Identity.loads(data, given, str(path))
    except PassphraseError:
        if given is not None or not _can_ask():
            raise
    return Identity.loads(data, _ask(f"passphrase for {path}"), str(path))


def load_recipient(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        InputError: if the file cannot be read.
        IdentityError: if it is no public key.
    """
    from bzd.store.identity import PublicKey  # noqa: PLC0415  see above

    return PublicKey.loads(files.read_small(path, "public key"), str(path))


def passphrase(ctx: click.Context) -> str | None:
    """What `--passphrase-file` holds, without its last line break; None if the option was not given.

    Raises:
        InputError: if the file cannot be read.
        PassphraseError: if it is empty or is not UTF-8.
    """
    path = session(ctx).passphrase_file
    if path is None:
        return None
    try:
        text = files.read_small(path, "passphrase file").decode()
    except UnicodeDecodeError:
        raise PassphraseError(f"the passphrase file {path} is not UTF-8", "save it as UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise PassphraseError(f"the passphrase file {path} is empty")
    return text


def new_passphrase(ctx: click.Context) -> str:
    """A passphrase for a new identity: from `--passphrase-file`, or asked for twice on a terminal.

    Raises:
        InputError, PassphraseError: see `passphrase`; PassphraseError also where there is no terminal to ask on.
    """
    given = passphrase(ctx)
    if given is not None:
        return given
    if not _can_ask():
        raise PassphraseError("there is no terminal to ask for a passphrase", "name a file with --passphrase-file")
    first = _ask("passphrase")
    if _ask("the same again") != first:
        raise PassphraseError("the two passphrases differ", "run again")
    return first


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(what: str) -> str:
    answer: str = click.prompt(what, hide_input=True, err=True)
    return answer
