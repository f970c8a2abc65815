# SPDX-License-Identifier: Apache-2.0
"""Making a store: directory, recipients, the sealed label and signing key."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bzd.errors import InputError, OutputError, StateError
from bzd.store import container
from bzd.store import state as layout
from bzd.store.identity import Identity, PublicKey, fingerprint
from bzd.store.lock import AppenderLock
from bzd.store.openers import changes
from bzd.store.records import LABEL_MAX_BYTES, Label, SigningKey, encode_label, encode_signing_key
from bzd.store.sealing import LABEL, SIGNING, Place
from bzd.store.segments import insert_record, insert_segment

_NEW = "store.sqlite.new"
"""Where a store is made before it gets its name, so that a half-made one is never taken for a store."""
_SIGNING_DOMAIN = b"bzd signing key\0"


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What anybody may know of the store in a state directory.

    Attributes:
        path: the store file.
        store_id: 16 random bytes that name the store.
        signing_key: the badge's public Ed25519 key, 32 bytes.
        recipients: who can open the contacts from the next segment on.
        key_recipients: who can open the badge's own daily keys from the next segment on.
        identity: the identity file on this machine, None without one.
        created: whether this call made the store.
        changes: how whom it is sealed to differs from when it was made, a sentence each (`bzd.store.openers`).
    """

    path: Path
    store_id: bytes
    signing_key: bytes
    recipients: tuple[PublicKey, ...]
    key_recipients: tuple[PublicKey, ...]
    identity: Path | None
    created: bool = False
    changes: tuple[str, ...] = ()

    @property
    def signing_fingerprint(self) -> str:
        """What people compare the signing key by; see `bzd.store.identity.fingerprint`."""
        return signing_fingerprint(self.signing_key)


def signing_fingerprint(public: bytes) -> str:
    """What people compare a badge's public Ed25519 key by; see `bzd.store.identity.fingerprint`."""
    return fingerprint(_SIGNING_DOMAIN, public)


def create(  # noqa: PLR0913  all by name; each is a decision of the user
    state: Path,
    *,
    recipients: Sequence[PublicKey],
    key_recipients: Sequence[PublicKey] | None = None,
    label: str,
    identity: Identity | None = None,
    now: float,
) -> StoreInfo:
    """Make a store in a state directory, which is made as well.

    Args:
        state: the directory.
        recipients: who can open contacts and label; at least one.
        key_recipients: who can open the badge's own daily keys and its signing key; the same where None.
        label: the store's name, at most 200 bytes of UTF-8, sealed.
        identity: is kept in the directory as `identity.key`, so that this machine can read its own store.
        now: UTC unix seconds, sealed beside the label.

    Returns:
        What was made; where a store with the same recipients is there already, that one, with `created` False.

    Raises:
        StateError: if there is a store with other recipients, or no recipient is given.
        InputError: if the label is too long.
        BusyError: if another process makes one there at this moment.
        OutputError: if the directory cannot be written, or holds another identity already.
    """
    owners = list(recipients) if key_recipients is None else list(key_recipients)
    _valid(recipients, owners, label)
    # Before the lock, because a daemon that appends is no reason to say anything else of a store that is there.
    # os.path, because Path.exists raises where the folder may not be entered.
    if os.path.exists(state / layout.STORE_FILE):  # noqa: PTH110
        return _existing(state, recipients, owners)
    layout.make_directory(state)
    lock = AppenderLock(state)
    try:
        if (state / layout.STORE_FILE).exists():
            return _existing(state, recipients, owners)
        layout.write_recipients(state, layout.RECIPIENTS, recipients)
        layout.write_recipients(state, layout.KEY_RECIPIENTS, owners)
        _make_store(state, recipients, owners, label, now)
        if identity is not None:
            _keep_identity(state / layout.IDENTITY_FILE, identity)
        (state / _NEW).rename(state / layout.STORE_FILE)
        layout.sync_directory(state)
    except OSError as error:
        raise layout.output_error(state, error) from error
    finally:
        lock.release()
    return inspect(state, created=True)


def inspect(state: Path, *, created: bool = False) -> StoreInfo:
    """What anybody may know of the store in a state directory; needs no identity.

    Raises:
        StateError: if there is no store.
        StoreError: if it is damaged.
    """
    path = state / layout.STORE_FILE
    with container.open_reader(path) as connection:
        store_id, signing_key = container.store_row(connection, path)
        recipients = tuple(layout.recipients(state, layout.RECIPIENTS))
        owners = tuple(layout.recipients(state, layout.KEY_RECIPIENTS))
        with container.translated(path):
            changed = tuple(changes(connection, recipients, owners))
    identity = state / layout.IDENTITY_FILE
    return StoreInfo(
        path,
        store_id,
        signing_key,
        recipients,
        owners,
        identity if identity.exists() else None,
        created,
        changed,
    )


def _valid(recipients: Sequence[PublicKey], owners: Sequence[PublicKey], label: str) -> None:
    for keys in (recipients, owners):
        if not 1 <= len(set(keys)) <= layout.RECIPIENTS_MAX:
            raise StateError(f"a store needs 1 to {layout.RECIPIENTS_MAX} recipients, not {len(set(keys))}")
    if len(label.encode("utf-8", "surrogatepass")) > LABEL_MAX_BYTES or not label.isprintable():
        raise InputError(
            f"the label {label[:40]!r} is longer than {LABEL_MAX_BYTES} bytes or not printable", "choose another label"
        )


def _existing(state: Path, recipients: Iterable[PublicKey], owners: Iterable[PublicKey]) -> StoreInfo:
    info = inspect(state)
    if set(info.recipients) != set(recipients) or set(info.key_recipients) != set(owners):
        raise StateError(f"there is a store with other recipients in {state}", "name another directory with --state")
    return info


def _keep_identity(path: Path, identity: Identity) -> None:
    if path.exists() and Identity.loads(layout.read_key_file(path), name=str(path)) == identity:
        return
    try:
        layout.write_new(path, identity.dumps())
    except OutputError as error:
        error.hint = "remove it or name another directory; without its store it opens nothing"
        raise


def _make_store(
    state: Path, recipients: Sequence[PublicKey], owners: Sequence[PublicKey], name: str, now: float
) -> None:
    path = state / _NEW
    path.unlink(missing_ok=True)
    layout.write_new(path, b"")
    store_id = os.urandom(16)
    signing = Ed25519PrivateKey.generate()
    public = signing.public_key().public_bytes_raw()
    label = Label(name, round(now * 1000) / 1000, public)
    both = list(dict.fromkeys([*recipients, *owners]))
    with container.translated(path):
        connection = container.build(path)
        try:
            connection.execute("INSERT INTO store VALUES (1, ?, ?)", (store_id, public))
            for segment, purpose, keys, record in (
                (1, LABEL, both, encode_label(label)),
                (2, SIGNING, list(owners), encode_signing_key(SigningKey(signing.private_bytes_raw()))),
            ):
                cipher = insert_segment(connection, Place(store_id, purpose, segment, None), keys)
                insert_record(connection, cipher, segment, 1, record)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
