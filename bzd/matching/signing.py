# SPDX-License-Identifier: Apache-2.0
"""The signatures of key files: ECDSA on P-256 with SHA-256, DER, over the whole of export.bin, its header included.

Source: google/exposure-notifications-server, internal/export/exportfile.go. The key that signs belongs to a health
authority; its public half is what badges verify with, as PEM or as the base64 of the DER, both of which are published.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bzd.errors import InputError, PassphraseError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

SHA256_OID = "1.2.840.10045.4.3.2"
"""ecdsa-with-SHA256 (RFC 5758 section 3.2): the algorithm that key files name."""
SHA512_OID = "1.2.840.10045.4.3.4"
"""ecdsa-with-SHA512 (RFC 5758 section 3.2), which Android also accepts."""

_ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
"""How PEM says that a key has a passphrase: PKCS #8 (RFC 7468 section 11), and OpenSSL's older form (RFC 1421)."""
_KEY_FILE_MAX = 16_384
"""A P-256 key takes some 200 bytes; anything longer is another file."""
_HINT = "a P-256 key as PEM or as base64 of DER, such as `bzd keygen --signing -o FILE` writes"


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key to verify key files with.

    Attributes:
        key: the P-256 key.
        key_id: verification_key_id that a file must name for this key to be tried; None for any.
        version: verification_key_version likewise.
        name: where it is from, for messages.
    """

    key: ec.EllipticCurvePublicKey
    key_id: str | None = None
    version: str | None = None
    name: str = "key"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER form, hex."""
        return _fingerprint(self.key)

    def is_for(self, key_id: str, version: str) -> bool:
        """Whether it may have signed what names this key."""
        return self.key_id in (None, key_id) and self.version in (None, version)

    def verifies(self, data: bytes, signature: bytes, algorithm: str = SHA256_OID) -> bool:
        """Whether a DER signature over data is this key's; False for an algorithm that is not known."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  late, as it is slow to load

        digest = _digests().get(algorithm)
        if digest is None:
            return False
        try:
            self.key.verify(signature, data, _ecdsa(digest))
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """A P-256 private key that signs key files.

    Args:
        key: the private key; `generate` and `loads` make one.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  late, as it is slow to load

        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def loads(cls, data: bytes, passphrase: bytes | None = None, *, name: str = "signing key") -> SigningKey:
        """A key from PEM (PKCS #8, or as `openssl ecparam` writes it).

        Raises:
            InputError: if it is none, or of another kind.
            PassphraseError: if it has a passphrase that was not given or is wrong.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  late, as it is slow to load

        try:
            key = serialization.load_pem_private_key(data[:_KEY_FILE_MAX], passphrase)
        except TypeError as error:
            raise PassphraseError(f"{name} has a passphrase, or has none and one was given") from error
        except ValueError as error:
            if any(mark in data for mark in _ENCRYPTED):
                raise PassphraseError(f"{name} does not open with this passphrase") from error
            raise InputError(f"{name} is no private key", _HINT) from error
        except Exception as error:
            raise InputError(f"{name} is no private key that can be used", _HINT) from error
        if not _is_p256(key):
            raise InputError(f"{name} is not a P-256 key", _HINT)
        return cls(key)  # type: ignore[arg-type]  # just checked

    def dumps(self, passphrase: bytes | None = None) -> bytes:
        """PEM of PKCS #8, encrypted if there is a passphrase."""
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415  late, as it is slow to load

        secrecy = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
        return self._key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, secrecy)

    @property
    def public(self) -> VerifyKey:
        """The key to verify with."""
        return VerifyKey(self._key.public_key(), name="the signing key's public half")

    def public_pem(self) -> bytes:
        """The key to verify with, as PEM."""
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415  late, as it is slow to load

        return self._key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        """The DER signature over data, the same each time (RFC 6979) where OpenSSL is 3.2 or newer."""
        return self._key.sign(data, _ecdsa(_digests()[SHA256_OID], deterministic=True))


def parse_verify_key(text: str) -> VerifyKey:
    """A key from `[ID[:VERSION]=]FILE`, as the command line and `[match]` have it.

    A FILE whose own name has an equals sign needs a path with a slash before it, such as `./a=b`.

    Raises:
        InputError: if the file cannot be read, or holds no P-256 public key.
    """
    names, equals, path = text.partition("=")
    if not equals or "/" in names:
        return load_verify_key(Path(text))
    key_id, colon, version = names.partition(":")
    return load_verify_key(Path(path), key_id or None, version if colon else None)


def load_verify_key(path: Path, key_id: str | None = None, version: str | None = None) -> VerifyKey:
    """A key from a file of PEM, or base64 of DER.

    Raises:
        InputError: if it cannot be read, or holds no P-256 public key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_KEY_FILE_MAX)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return verify_key(data, key_id, version, name=str(path))


def verify_key(data: bytes, key_id: str | None = None, version: str | None = None, *, name: str = "key") -> VerifyKey:
    """A key from the bytes of a file.

    Raises:
        InputError: if it is no P-256 public key.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  late, as it is slow to load

    try:
        if b"-----BEGIN" in data:
            key: Any = serialization.load_pem_public_key(data)
        else:
            key = serialization.load_der_public_key(base64.b64decode(data.strip(), validate=True))
    except binascii.Error as error:
        raise InputError(f"{name} is neither PEM nor base64", _HINT) from error
    except Exception as error:
        hint = "name the file with the public key, not the private one" if b"PRIVATE" in data else _HINT
        raise InputError(f"{name} is no public key", hint) from error
    if not _is_p256(key):
        raise InputError(f"{name} is not a P-256 key", _HINT)
    return VerifyKey(key, key_id, version, name)


def _is_p256(key: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  late, as it is slow to load

    kinds = (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)
    return isinstance(key, kinds) and isinstance(key.curve, ec.SECP256R1)


@cache
def _digests() -> dict[str, Any]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  late, as it is slow to load

    return {SHA256_OID: hashes.SHA256(), SHA512_OID: hashes.SHA512()}


def _ecdsa(digest: Any, *, deterministic: bool = False) -> ec.ECDSA:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  late, as it is slow to load
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  late, as it is slow to load

    try:
        return ec.ECDSA(digest, deterministic_signing=deterministic)
    except UnsupportedAlgorithm:
        return ec.ECDSA(digest)


def _fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415  late, as it is slow to load

    der = key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
