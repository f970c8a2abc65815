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
    from bzd.matching.signing import SigningKey
    from bzd.store.identity import Identity, PublicKey


def load_identities(ctx: click.Context, states: Sequence[Path]) -> list[Identity]:
    """The identities to read with: those given with `--identity`, else the usual one of each state directory.

    Args:
        ctx: the command's context.
        states: state directories and exported stores that will be read. What is not there is left to whoever opens it.

    Raises:
        InputError: if a file cannot be read.
        IdentityError: if it is no identity, or there is none; PassphraseError if its passphrase is wrong or was not
            given.
    """
    from bzd.store import state as layout  # noqa: PLC0415  see above

    given = session(ctx).identities
    if given:
        return [load_identity(ctx, path) for path in given]
    found: list[Identity] = []
    for state in states:
        # os.path, because Path.exists raises where the folder may not be entered.
        if os.path.exists(layout.store_file(state)):  # noqa: PTH110
            found += layout.load_identities(state, ask=lambda path: _passphrase_for(ctx, path))
    return found


def load_identity(ctx: click.Context, path: Path) -> Identity:
    """Read one identity; its passphrase comes from `--passphrase-file` or is asked for on a terminal.

    Raises:
        InputError, IdentityError, PassphraseError: see `load_identities`.
    """
    from bzd.store import state as layout  # noqa: PLC0415  see above

    return layout.load_identity(path, lambda path: _passphrase_for(ctx, path))


def load_recipient(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        InputError: if the file cannot be read.
        IdentityError: if it is no public key.
    """
    from bzd.store import state as layout  # noqa: PLC0415  see above
    from bzd.store.identity import PublicKey  # noqa: PLC0415  see above

    return PublicKey.loads(layout.read_key_file(path), str(path))


def load_signing_key(ctx: click.Context, path: Path) -> SigningKey:
    """Read a key that signs key files; its passphrase comes from `--passphrase-file` or is asked for on a terminal.

    Raises:
        InputError: if the file cannot be read, or is no such key.
        PassphraseError: if its passphrase is wrong or was not given.
    """
    from bzd.matching.signing import SigningKey  # noqa: PLC0415  see above

    data = files.read_small(path, "signing key")
    protected = _passphrase_for(ctx, path).encode() if b"ENCRYPTED" in data else None
    return SigningKey.loads(data, protected, name=str(path))


def new_passphrase(ctx: click.Context) -> str:
    """A passphrase for a new identity: from `--passphrase-file`, or asked for twice on a terminal.

    Raises:
        InputError: if the file cannot be read.
        PassphraseError: if it is empty or not UTF-8, or there is no terminal to ask on.
    """
    given = _passphrase_in_file(ctx)
    if given is not None:
        return given
    if not _can_ask():
        raise PassphraseError("there is no terminal to ask for a passphrase", "name a file with --passphrase-file")
    first = _ask("passphrase")
    if _ask("the same again") != first:
        raise PassphraseError("the two passphrases differ", "run again")
    return first


def _passphrase_for(ctx: click.Context, path: Path) -> str:
    given = _passphrase_in_file(ctx)
    if given is not None:
        return given
    if not _can_ask():
        raise PassphraseError(f"{path} is under a passphrase, and there is no terminal to ask for it")
    return _ask(f"passphrase for {path}")


def _passphrase_in_file(ctx: click.Context) -> str | None:
    """What `--passphrase-file` holds, without byte order mark and last line break; None if it was not given."""
    given = session(ctx)
    if given.passphrase is None and given.passphrase_file is not None:
        given.passphrase = _read_passphrase(given.passphrase_file)
    return given.passphrase


def _read_passphrase(path: Path) -> str:
    try:
        text = files.read_small(path, "passphrase file").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PassphraseError(f"the passphrase file {path} is not UTF-8", "save it as UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise PassphraseError(f"the passphrase file {path} is empty")
    return text


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(what: str) -> str:
    answer: str = click.prompt(what, hide_input=True, err=True)
    return answer
