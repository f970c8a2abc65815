# SPDX-License-Identifier: Apache-2.0
"""Identities open stores, public keys seal to them: making, writing and reading their files.

The bytes of both files are described in the docstring of `bzd.store`.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct
import textwrap
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from bzd.digest import sha256
from bzd.errors import IdentityError, PassphraseError

ML_KEM_SEED_BYTES = 64
"""Length of an ML-KEM seed, d and z (FIPS 203 section 7.1)."""
ML_KEM_PUBLIC_BYTES = 1184
"""Length of an ML-KEM-768 encapsulation key (FIPS 203 table 3)."""
X25519_BYTES = 32
"""Length of an X25519 key (RFC 7748 section 5)."""
FILE_MAX_BYTES = 16384
"""No identity or public key file is longer; a longer one is refused unread."""

_KEYS_REMEMBERED = 16
"""Parsed keys and fingerprints kept, so that each of a store's segments does not parse a key anew, and a badge that
says every two seconds whom it is sealed to does not hash it anew; recipients are few."""
_IDENTITY = "bzd-identity"
_PUBLIC = "bzd-public-key"
_FINGERPRINT_DOMAIN = b"bzd public key\0"
_ARGON = struct.Struct(">IIB16s12s")
_ARGON_MEMORY_KIB, _ARGON_PASSES, _ARGON_LANES = 65536, 3, 4
"""RFC 9106 section 4, second recommended option; 64 MiB fit the 512 MB of the smallest Pi."""
_ARGON_MEMORY_MAX_KIB, _ARGON_PASSES_MAX, _ARGON_LANES_MAX = 262_144, 8, 16
"""A file that asks for more is refused: it would stall or exhaust whoever opens it. No bzd writes more than a quarter
of that memory, and 256 MiB still fit a Pi of 512 MB."""
_FINGERPRINT = re.compile(r"[0-9a-f]{4}(-[0-9a-f]{4}){7}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a store is sealed to.

    Attributes:
        raw: 1216 bytes, the ML-KEM-768 encapsulation key (1184) and the X25519 public key (32).
    """

    raw: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What people compare it by; see `fingerprint`."""
        return fingerprint(_FINGERPRINT_DOMAIN, self.raw)

    def key(self) -> hpke.MLKEM768X25519PublicKey:
        """The key as `cryptography` wants it.

        Raises:
            IdentityError: if these bytes are no key.
        """
        return _public_key(self.raw)

    def dumps(self) -> bytes:
        """The public key file."""
        return _armour(f"{_PUBLIC} 1 {self.fingerprint}", self.raw)

    @classmethod
    def loads(cls, data: bytes, name: str = "public key") -> PublicKey:
        """Read a public key file.

        Args:
            data: what the file holds.
            name: what messages call it, for example its path.

        Raises:
            IdentityError: if it is not a public key file, was damaged or is an identity.
        """
        words, raw = _parse(data, _PUBLIC, name)
        if len(words) != 1 or len(raw) != ML_KEM_PUBLIC_BYTES + X25519_BYTES:
            raise IdentityError(f"{name} is damaged: it is not the length of a public key", _AGAIN)
        public = cls(raw)
        public.key()
        if public.fingerprint != words[0]:
            raise IdentityError(f"{name} is damaged: its fingerprint does not match its key", _AGAIN)
        return public


@dataclass(frozen=True, slots=True)
class Identity:
    """What opens a store. Its text form and repr never show the secret.

    Attributes:
        secret: 96 bytes, the ML-KEM seed (64) and the X25519 private key (32).
    """

    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Identity:
        """A new identity from the system's random number generator."""
        return cls(os.urandom(ML_KEM_SEED_BYTES + X25519_BYTES))

    @property
    def public(self) -> PublicKey:
        """The public key that belongs to it."""
        ml_kem, x25519 = _split(self.secret)
        return PublicKey(ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its public key."""
        return self.public.fingerprint

    def key(self) -> hpke.MLKEM768X25519PrivateKey:
        """The key as `cryptography` wants it."""
        return _private_key(self.secret)

    def dumps(self, passphrase: str | None = None) -> bytes:
        """The identity file, under a passphrase if one is given."""
        if passphrase is None:
            return _armour(f"{_IDENTITY} 1 plain {self.fingerprint}", self.secret)
        line = f"{_IDENTITY} 1 argon2id {self.fingerprint}"
        head = _ARGON.pack(_ARGON_MEMORY_KIB, _ARGON_PASSES, _ARGON_LANES, os.urandom(16), os.urandom(12))
        sealed = _passphrase_cipher(head, passphrase).encrypt(head[-12:], self.secret, line.encode() + head)
        return _armour(line, head + sealed)

    @classmethod
    def loads(cls, data: bytes, passphrase: str | None = None, name: str = "identity") -> Identity:
        """Read an identity file.

        Args:
            data: what the file holds.
            passphrase: opens it if it is under one; not looked at otherwise.
            name: what messages call it, for example its path.

        Raises:
            IdentityError: if it is not an identity file, was damaged or is a public key.
            PassphraseError: if it is under a passphrase, and that is wrong or was not given.
        """
        words, raw = _parse(data, _IDENTITY, name)
        if len(words) != 2 or words[0] not in {"plain", "argon2id"}:
            raise IdentityError(f"{name} is damaged, or a newer bzd wrote it", _AGAIN)
        if words[0] == "argon2id":
            raw = _unlock(raw, f"{_IDENTITY} 1 argon2id {words[1]}", passphrase, name)
        if len(raw) != ML_KEM_SEED_BYTES + X25519_BYTES:
            raise IdentityError(f"{name} is damaged: it is not the length of an identity", _AGAIN)
        identity = cls(raw)
        if identity.fingerprint != words[1]:
            raise IdentityError(f"{name} is damaged: its fingerprint does not match its key", _AGAIN)
        return identity


@lru_cache(maxsize=_KEYS_REMEMBERED)
def fingerprint(domain: bytes, public: bytes) -> str:
    """What people compare a public key by: 128 bits of SHA-256 as eight groups of four hex digits.

    Args:
        domain: what kind of key it is, so that keys of two kinds never have one fingerprint.
        public: the key.
    """
    return "-".join(textwrap.wrap(sha256(domain + public).hex()[:32], 4))


def needs_passphrase(data: bytes) -> bool:
    """Whether an identity file is under a passphrase; False also for what is no identity file."""
    return re.search(rb"^bzd-identity 1 argon2id ", data[:FILE_MAX_BYTES], re.MULTILINE) is not None


_AGAIN = "copy the file again from where it was made"


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _public_key(raw: bytes) -> hpke.MLKEM768X25519PublicKey:
    try:
        ml_kem = MLKEM768PublicKey.from_public_bytes(raw[:ML_KEM_PUBLIC_BYTES])
        x25519 = X25519PublicKey.from_public_bytes(raw[ML_KEM_PUBLIC_BYTES:])
        # A point of low order is refused only when it is used (RFC 7748 section 6.1).
        X25519PrivateKey.generate().exchange(x25519)
    except ValueError as error:
        raise IdentityError(f"not a public key: {error}", _AGAIN) from error
    return hpke.MLKEM768X25519PublicKey(ml_kem, x25519)


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _private_key(secret: bytes) -> hpke.MLKEM768X25519PrivateKey:
    return hpke.MLKEM768X25519PrivateKey(*_split(secret))


def _split(secret: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(secret[:ML_KEM_SEED_BYTES])
    return ml_kem, X25519PrivateKey.from_private_bytes(secret[ML_KEM_SEED_BYTES:])


def _armour(line: str, raw: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(raw).decode(), 64))
    return f"{line}\n{body}\n".encode()


def _parse(data: bytes, kind: str, name: str) -> tuple[list[str], bytes]:
    """The words after kind and version in the first line that is no comment, and the bytes that follow it."""
    if len(data) > FILE_MAX_BYTES:
        raise IdentityError(f"{name} is too long for a key file", _wanted(kind))
    lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip() and line[0] != "#"]
    words = lines[0].split() if lines else []
    if words[:1] != [kind]:
        _refuse_other_kind(words, kind, name)
        raise IdentityError(f"{name} is not {_NAMES[kind]}", _wanted(kind))
    if words[1:2] != ["1"] or not _FINGERPRINT.fullmatch(words[-1]):
        raise IdentityError(f"{name} is damaged, or a newer bzd wrote it", _AGAIN)
    try:
        return words[2:], base64.b64decode("".join(lines[1:]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise IdentityError(f"{name} is damaged: {error}", _AGAIN) from error


_NAMES = {_IDENTITY: "an identity", _PUBLIC: "a public key"}


def _wanted(kind: str) -> str:
    return f"`bzd keygen` makes identities (.key) and public keys (.pub); {_NAMES[kind]} is wanted here"


def _refuse_other_kind(words: list[str], kind: str, name: str) -> None:
    if words[:1] == [_PUBLIC]:
        raise IdentityError(
            f"{name} is a public key, which opens nothing", "give the identity (.key) that belongs to it"
        )
    if words[:1] == [_IDENTITY]:
        hint = f"give its public key (.pub), and keep {_NAMES[_IDENTITY]} off the badge"
        raise IdentityError(f"{name} is an identity, not {_NAMES[kind]}", hint)


def _passphrase_cipher(head: bytes, passphrase: str) -> ChaCha20Poly1305:
    memory, passes, lanes, salt, _ = _ARGON.unpack(head)
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    # The same passphrase typed on two systems may be composed differently.
    return ChaCha20Poly1305(kdf.derive(unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")))


def _unlock(raw: bytes, line: str, passphrase: str | None, name: str) -> bytes:
    head, sealed = raw[: _ARGON.size], raw[_ARGON.size :]
    if len(head) != _ARGON.size:
        raise IdentityError(f"{name} is damaged: it is not the length of an identity", _AGAIN)
    memory, passes, lanes, _, nonce = _ARGON.unpack(head)
    if memory > _ARGON_MEMORY_MAX_KIB or passes > _ARGON_PASSES_MAX or lanes > _ARGON_LANES_MAX:
        raise IdentityError(f"{name} is damaged: its passphrase would cost too much to try", _AGAIN)
    if passphrase is None:
        raise PassphraseError(f"{name} is under a passphrase")
    try:
        return _passphrase_cipher(head, passphrase).decrypt(nonce, sealed, line.encode() + head)
    except InvalidTag as error:
        raise PassphraseError(f"wrong passphrase for {name}") from error
    except ValueError as error:
        raise IdentityError(f"{name} is damaged: {error}", _AGAIN) from error
