# SPDX-License-Identifier: Apache-2.0
"""Identity and public key files: what is written is read, and what is wrong is named."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import IdentityError, InputError, OutputError, PassphraseError
from bzd.store.identity import Identity, PublicKey, needs_passphrase
from bzd.store.state import load_identities, load_identity, write_new

FIXED = Identity(bytes(range(96)))


def _opens(data: bytes) -> str:
    return Identity.loads(data).fingerprint


def _seals(data: bytes) -> str:
    return PublicKey.loads(data).fingerprint


def test_files_come_back_equal(identity: Identity) -> None:
    """An identity and its public key survive their files; comments and blank lines before them do not matter."""
    assert Identity.loads(identity.dumps()) == identity
    assert PublicKey.loads(b"# admin's\n\n" + identity.public.dumps().replace(b"\n", b"\r\n")) == identity.public


def test_passphrase_opens_only_what_it_locked(identity: Identity) -> None:
    """The right passphrase opens, also composed otherwise; a wrong or absent one is named; the secret does not show."""
    locked = identity.dumps("schöner Tag")
    assert needs_passphrase(locked)
    assert not needs_passphrase(identity.dumps())
    assert Identity.loads(locked, "scho\u0308ner Tag") == identity
    for wrong in ("schoener Tag", "", None):
        with pytest.raises(PassphraseError, match="passphrase"):
            Identity.loads(locked, wrong)
    body = base64.b64decode(b"".join(locked.splitlines()[1:]))
    assert identity.secret[:16] not in body


def test_fingerprint_is_stable_and_shown() -> None:
    """A fixed identity has the fingerprint it had when the format was made; both files show it."""
    assert FIXED.fingerprint == "47e6-4992-493c-d9fe-edf9-bb56-5d82-7561"
    assert FIXED.fingerprint.encode() in FIXED.dumps()
    assert FIXED.fingerprint.encode() in FIXED.public.dumps()


def test_mixed_up_files_are_told_apart(identity: Identity) -> None:
    """A public key given for an identity, or the reverse, is named as what it is."""
    with pytest.raises(IdentityError, match="is a public key") as public:
        Identity.loads(identity.public.dumps(), name="admin.pub")
    assert ".key" in public.value.hint
    with pytest.raises(IdentityError, match="is an identity") as secret:
        PublicKey.loads(identity.dumps(), name="admin.key")
    assert ".pub" in secret.value.hint


def test_secret_never_shows_in_text(identity: Identity) -> None:
    """Neither repr nor str of an identity holds its secret, so that no log can."""
    assert identity.secret.hex()[:16] not in repr(identity)
    assert str(identity) == "Identity()"


@given(st.integers(0, 500), st.integers(1, 255))
@settings(deadline=None, max_examples=120)
def test_changed_files_are_refused(position: int, change: int) -> None:
    """A byte changed anywhere in either file is noticed, or does not matter: never another key.

    What does not matter is ML-KEM's z, which only answers false ciphertexts (FIPS 203 section 6.3), and clamped bits.
    """
    for data, fingerprint in ((FIXED.dumps(), _opens), (FIXED.public.dumps(), _seals)):
        changed = bytearray(data)
        changed[position % len(data)] ^= change
        with suppress(IdentityError):
            assert fingerprint(bytes(changed)) == FIXED.fingerprint


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"bzd-identity 1 ", b"bzd-public-key 1 ", b"bzd-identity 1 argon2id "]),
)
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_an_identity_error(data: bytes, prefix: bytes) -> None:
    """Garbage, also behind a proper beginning, is an IdentityError."""
    for load in (_opens, _seals):
        with pytest.raises(IdentityError):
            load(prefix + data)


def test_costly_passphrase_is_refused() -> None:
    """A file that asks for gigabytes to try a passphrase is refused before trying."""
    line, *body = FIXED.dumps("x").splitlines()
    raw = bytearray(base64.b64decode(b"".join(body)))
    for at, value in ((0, 262_145), (0, 2**32 - 1), (4, 9)):
        costly = raw[:at] + value.to_bytes(4, "big") + raw[at + 4 :]
        with pytest.raises(IdentityError, match="cost too much"):
            Identity.loads(line + b"\n" + base64.b64encode(costly), "x")


def test_low_order_public_key_is_refused(identity: Identity) -> None:
    """An X25519 point that would give everybody the same secret is no public key."""
    bad = PublicKey(identity.public.raw[:1184] + bytes(32))
    with pytest.raises(IdentityError, match="not a public key"):
        PublicKey.loads(bad.dumps())


def test_where_identities_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Identity) -> None:
    """Named files win over the systemd credential, that over the state directory; none at all is an error."""
    credential, own = Identity.generate(), Identity.generate()
    with pytest.raises(IdentityError, match="no identity"):
        load_identities(tmp_path)
    write_new(tmp_path / "identity.key", own.dumps())
    assert load_identities(tmp_path) == [own]
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    write_new(credentials / "bzd-identity", credential.dumps())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert load_identities(tmp_path) == [credential]
    write_new(tmp_path / "admin.key", identity.dumps("secret"))
    assert load_identities(tmp_path, [tmp_path / "admin.key"], lambda _: "secret") == [identity]
    with pytest.raises(PassphraseError):
        load_identity(tmp_path / "admin.key")
    with pytest.raises(InputError, match="nowhere"):
        load_identity(tmp_path / "nowhere")


def test_key_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    """A new file is readable by its owner alone, and one that is there is left as it is."""
    path = tmp_path / "admin.key"
    write_new(path, b"first")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputError, match="there already"):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"
