# SPDX-License-Identifier: Apache-2.0
"""`bzd init`: the sealed store of a badge."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import options, output
from bzd.cli.identities import load_identity, load_recipient
from bzd.cli.options import session, state_dir
from bzd.errors import OutputError

if TYPE_CHECKING:  # sqlite3 and cryptography take 60 ms to load
    from bzd.store import StoreInfo
    from bzd.store.identity import Identity, PublicKey


@click.command(
    epilog=options.examples(
        "bzd init",
        "bzd init --recipient admin.pub --recipient deputy.pub --label ward3-07",
    )
)
@options.recipient_options
@click.option("--label", metavar="TEXT", help="Name of this badge, sealed in; the host name if not given.")
@options.state_option
@options.passphrase_option
@click.pass_context
def init(
    ctx: click.Context, *, recipients: tuple[Path, ...], key_recipients: tuple[Path, ...], label: str | None
) -> None:
    """Make the sealed store of this badge in the state directory.

    Without --recipient the identity that opens it is made and kept beside it, so that the badge can match and warn by
    itself: then whoever has the card can read it. With --recipient only public keys are kept, and the badge writes
    what it cannot read.
    """
    if label is not None and not label.strip():
        raise click.UsageError("the label is empty; leave --label away to take the host name", ctx)
    from bzd import store  # noqa: PLC0415  see above
    from bzd.store import machine  # noqa: PLC0415  see above
    from bzd.store.identity import Identity  # noqa: PLC0415  see above

    state = state_dir(ctx)
    _refuse_other_folders(state)
    sealed_to = [load_recipient(path) for path in recipients]
    old = None if sealed_to else _own_identity(ctx, state)
    new = Identity.generate() if not sealed_to and old is None else None
    own = old or new
    info = store.create(
        state,
        recipients=[own.public] if own else sealed_to,
        key_recipients=[load_recipient(path) for path in key_recipients] or None,
        label=socket.gethostname() if label is None else label,
        identity=new,
        now=session(ctx).clock.now(),
    )
    if not info.created and label is not None:
        output.warning(f"the store was there already, and keeps the label it was made with, not {label}")
    _tell(info, label or socket.gethostname())
    _warn(info, own=own is not None)
    if info.created and _belongs_to_this_machine(state):
        machine.note(state, info.store_id)


def _belongs_to_this_machine(state: Path) -> bool:
    """Whether a badge of this machine will run on a state directory: another may be a card for a badge elsewhere."""
    own = [str(options.SYSTEM_STATE), os.environ.get("STATE_DIRECTORY", "")]
    return os.path.realpath(state) in {os.path.realpath(path) for path in own if path}


def _refuse_other_folders(state: Path) -> None:
    """Keep `bzd init --state ~` from turning a home, or /tmp, into a directory that only its owner can enter.

    Raises:
        OutputError: if the directory holds something, and nothing of a store.
    """
    from bzd.store import state as layout  # noqa: PLC0415  see above

    ours = {layout.STORE_FILE, layout.LOCK_FILE, layout.IDENTITY_FILE, layout.RECIPIENTS, layout.KEY_RECIPIENTS}
    # What cannot be listed is left to whoever makes the store there, who says why not.
    with contextlib.suppress(OSError):
        # A file system of its own has a lost+found from the start.
        names = set(os.listdir(state)) - {"lost+found"}  # noqa: PTH208  only names are wanted
        if names and not names & ours:
            raise OutputError(f"{state} is not empty, and no state directory", "name a new directory, or an empty one")


def _own_identity(ctx: click.Context, state: Path) -> Identity | None:
    """The identity that this machine has already, so that a second `init` changes nothing."""
    from bzd.store.state import IDENTITY_FILE  # noqa: PLC0415  see above

    path = state / IDENTITY_FILE
    # os.path, because Path.exists raises where the folder may not be entered; making the store says that better.
    return load_identity(ctx, path) if os.path.exists(path) else None  # noqa: PTH110


def _tell(info: StoreInfo, label: str) -> None:
    state = info.path.parent
    if info.created:
        output.line(f"made a sealed store in {output.printable(str(state))}")
        output.line(f"  label               {output.printable(label)}")
    else:
        output.line(f"{output.printable(str(state))} has a store with the same recipients already; it stays as it is")
    output.line(f"  store               {info.store_id.hex()}")
    output.line(f"  signing key         {info.signing_fingerprint}")
    _list("contacts open with", info.recipients)
    _list("own keys open with", info.key_recipients)
    if info.identity:
        output.line(f"  identity            {output.printable(str(info.identity))}")


def _list(what: str, keys: Sequence[PublicKey]) -> None:
    for key in keys:
        output.line(f"  {what}  {key.fingerprint}")


def _warn(info: StoreInfo, *, own: bool) -> None:
    """Say plainly who can read what."""
    if own:
        output.warning(f"whoever has this machine's card has {info.identity} and can read the store")
        output.hint("to keep the identity elsewhere: `bzd keygen -o admin.key`, then `bzd init --recipient admin.pub`")
        return
    output.warning("this badge cannot read what it writes; only the holders of these identities can")
    output.warning("they can read and join the histories of all badges that are sealed to them: tell the wearers")
    if len(info.recipients) == 1:
        output.hint("a lost identity is lost data: seal to several recipients, and keep copies of their identities")
