# SPDX-License-Identifier: Apache-2.0
"""Signing keys and the keys to verify with."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import InputError, PassphraseError
from bzd.matching.signing import SHA512_OID, SigningKey, parse_verify_key, verify_key

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
INFO = serialization.PublicFormat.SubjectPublicKeyInfo


def test_a_key_comes_back_and_signs_alike(signing_key: SigningKey) -> None:
    """Written and read, with and without a passphrase, it makes the very same signature (RFC 6979)."""
    plain = SigningKey.loads(signing_key.dumps())
    sealed = SigningKey.loads(signing_key.dumps(b"secret"), b"secret")
    assert plain.sign(b"data") == sealed.sign(b"data") == signing_key.sign(b"data")
    assert signing_key.public.verifies(b"data", plain.sign(b"data"))
    assert not signing_key.public.verifies(b"Data", plain.sign(b"data"))
    assert not signing_key.public.verifies(b"data", plain.sign(b"data"), SHA512_OID)
    assert not signing_key.public.verifies(b"data", plain.sign(b"data"), "1.2.3")


@pytest.mark.parametrize(("sealed", "given_one"), [(b"secret", None), (b"secret", b"other"), (None, b"secret")])
def test_a_wrong_passphrase_is_said(signing_key: SigningKey, sealed: bytes | None, given_one: bytes | None) -> None:
    """Missing, wrong, and given for a key that has none."""
    with pytest.raises(PassphraseError):
        SigningKey.loads(signing_key.dumps(sealed), given_one)


def test_only_p256_signs() -> None:
    """Another curve and another kind of key are refused, private and public."""
    for other in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(InputError, match="not a P-256 key"):
            SigningKey.loads(other.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
        with pytest.raises(InputError, match="not a P-256 key"):
            verify_key(other.public_key().public_bytes(PEM, INFO))


def test_forms_of_a_public_key(tmp_path: Path, signing_key: SigningKey) -> None:
    """PEM and base64 of DER are the same key; ID and version before the file bind it."""
    lines = signing_key.public_pem().splitlines()
    for data in (signing_key.public_pem(), b"".join(lines[1:-1]) + b"\n"):
        (tmp_path / "ha.pub").write_bytes(data)
        for text, names in (("", (None, None)), ("310=", ("310", None)), ("310:v1=", ("310", "v1"))):
            key = parse_verify_key(f"{text}{tmp_path / 'ha.pub'}")
            assert (key.key_id, key.version) == names
            assert key.fingerprint == signing_key.public.fingerprint
    key = parse_verify_key(f"310:v1={tmp_path / 'ha.pub'}")
    assert [key.is_for(*of) for of in (("310", "v1"), ("310", "v2"), ("311", "v1"))] == [True, False, False]


def test_a_private_key_is_not_taken_for_a_public_one(signing_key: SigningKey) -> None:
    """The hint says which file to name."""
    with pytest.raises(InputError, match="no public key") as caught:
        verify_key(signing_key.dumps())
    assert "public key, not the private" in caught.value.hint


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_key(data: bytes) -> None:
    """As a signing key, as a key to verify with, bare, as base64 and as PEM: always a clear error.

    What calls itself encrypted is said to have a passphrase, also where it is no key at all.
    """
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(data) + b"\n-----END PUBLIC KEY-----\n"
    for each in (data, base64.b64encode(data), pem):
        with pytest.raises(InputError):
            verify_key(each)
        with pytest.raises((InputError, PassphraseError)):
            SigningKey.loads(each.replace(b"PUBLIC", b"PRIVATE"))


def test_a_missing_key_file_is_said(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(InputError, match=r"absent\.pub"):
        parse_verify_key(f"310={tmp_path}/absent.pub")
