# SPDX-License-Identifier: Apache-2.0
"""Making a store, again and in places where it cannot be made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bzd.errors import BusyError, IdentityError, InputError, OutputError, StateError
from bzd.store import create, inspect, open_appender, open_reader
from bzd.store.identity import Identity
from bzd.store.lock import AppenderLock
from bzd.store.state import load_identities


def test_store_with_identity_reads_itself(tmp_path: Path) -> None:
    """Made with an identity, the directory holds it, and what it holds opens the store and its signing key."""
    mine = Identity.generate()
    info = create(tmp_path / "s", recipients=[mine.public], label="desk", identity=mine, now=1.0)
    assert (info.created, info.identity) == (True, tmp_path / "s" / "identity.key")
    assert info == inspect(tmp_path / "s", created=True)
    with open_reader(tmp_path / "s", load_identities(tmp_path / "s")) as reader:
        assert (reader.label, reader.store_id, list(reader.contacts())) == ("desk", info.store_id, [])
        private = Ed25519PrivateKey.from_private_bytes(reader.signing_key())
    assert private.public_key().public_bytes_raw() == info.signing_key


def test_again_with_the_same_recipients_changes_nothing(tmp_path: Path, identity: Identity) -> None:
    """A second call with the same recipients says that the store is there; with others it is refused."""
    other = Identity.generate()
    keys = [identity.public, other.public]
    first = create(tmp_path, recipients=keys, label="one", now=1.0)
    again = create(tmp_path, recipients=keys[::-1], label="two", now=2.0)
    assert (first.created, again.created, first.store_id) == (True, False, again.store_id)
    with pytest.raises(StateError, match="other recipients"):
        create(tmp_path, recipients=[other.public], label="one", now=1.0)
    with pytest.raises(StateError, match="other recipients"):
        create(tmp_path, recipients=keys, key_recipients=[other.public], label="one", now=1.0)


def test_what_cannot_be_made_is_refused(tmp_path: Path, identity: Identity) -> None:
    """No recipient, an unprintable or endless label, a file in the way: each says what is wrong."""
    with pytest.raises(StateError, match="recipients"):
        create(tmp_path / "a", recipients=[], label="x", now=1.0)
    for label in ("x" * 201, "line\nbreak", "\x1b[31m"):
        with pytest.raises(InputError, match="label"):
            create(tmp_path / "a", recipients=[identity.public], label=label, now=1.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        create(tmp_path / "file", recipients=[identity.public], label="x", now=1.0)
    assert not (tmp_path / "a").exists()


def test_a_live_store_is_there_already(tmp_path: Path, identity: Identity) -> None:
    """Beside an appender, the same recipients are told so and others are refused, as without one."""
    create(tmp_path, recipients=[identity.public], label="x", now=1.0)
    with open_appender(tmp_path):
        assert not create(tmp_path, recipients=[identity.public], label="x", now=1.0).created
        with pytest.raises(StateError, match="other recipients"):
            create(tmp_path, recipients=[Identity.generate().public], label="x", now=1.0)


def test_two_at_once(tmp_path: Path, identity: Identity) -> None:
    """While another process makes a store there, nothing is touched, and it is said."""
    lock = AppenderLock(tmp_path)
    try:
        with pytest.raises(BusyError):
            create(tmp_path, recipients=[identity.public], label="x", now=1.0)
    finally:
        lock.release()
    assert [path.name for path in tmp_path.iterdir()] == ["store.lock"]


def test_the_signing_key_has_a_fingerprint(tmp_path: Path, identity: Identity) -> None:
    """It is that of the documented bytes, and not that of a recipient."""
    info = create(tmp_path, recipients=[identity.public], label="x", now=1.0)
    digest = hashlib.sha256(b"bzd signing key\0" + info.signing_key).hexdigest()
    assert info.signing_fingerprint.replace("-", "") == digest[:32]
    assert info.signing_fingerprint != identity.fingerprint


def test_another_identity_is_never_overwritten(tmp_path: Path, identity: Identity) -> None:
    """An identity that lies in the directory without a store is left alone, and no store is made."""
    (tmp_path / "identity.key").write_bytes(Identity.generate().dumps())
    before = (tmp_path / "identity.key").read_bytes()
    with pytest.raises(OutputError, match="there already"):
        create(tmp_path, recipients=[identity.public], label="x", identity=identity, now=1.0)
    assert (tmp_path / "identity.key").read_bytes() == before
    assert not (tmp_path / "store.sqlite").exists()


def test_init_that_was_cut_off_can_be_repeated(tmp_path: Path, identity: Identity) -> None:
    """What a half-done init left does not keep the next one from making the store."""
    (tmp_path / "store.sqlite.new").write_bytes(b"half")
    assert create(tmp_path, recipients=[identity.public], label="x", now=1.0).created
    assert not (tmp_path / "store.sqlite.new").exists()


def test_recipients_must_be_there_and_whole(tmp_path: Path, identity: Identity) -> None:
    """A store whose recipients were removed or spoilt writes nothing rather than to nobody."""
    info = create(tmp_path, recipients=[identity.public], label="x", now=1.0)
    (path,) = (tmp_path / "recipients").iterdir()
    path.write_bytes(b"spoilt")
    with pytest.raises(IdentityError, match="is not a public key"):
        inspect(tmp_path)
    path.unlink()
    with pytest.raises(StateError, match="holds 0 public keys"):
        inspect(info.path.parent)
