# SPDX-License-Identifier: Apache-2.0
"""Sealing: data keys by HPKE to every recipient, records by ChaCha20-Poly1305 under a data key.

Why random nonces: a counter would repeat after a database is rolled back to an older copy, and 96 random bits are safe
for 2**32 records under one key (NIST SP 800-38D section 8.3 derives that bound for this nonce size), while a segment
has one day of records.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bzd.store.fields import PLAIN_BYTES
from bzd.store.identity import Identity, PublicKey

FORMAT_VERSION = 1
"""Version of the store's format; bound into every sealed key and record."""
SUITE_ID = bytes.fromhex("647a00010003")
"""HPKE suite, two bytes each: KEM 0x647a MLKEM768-X25519 (draft-ietf-hpke-pq, there also named X-Wing), KDF 0x0001
HKDF-SHA256, AEAD 0x0003 ChaCha20-Poly1305 (RFC 9180 section 7)."""
SEALED_KEY_BYTES = 1168
"""Length of a sealed data key: encapsulation 1088 + 32, key 32, tag 16."""
DATA_KEY_BYTES = 32
"""Length of a data key (RFC 8439 section 2.8)."""
NONCE_BYTES = 12
"""Length of a nonce (RFC 8439 section 2.8)."""
BLOB_BYTES = PLAIN_BYTES + 16
"""Length of a sealed record: the record and its tag (RFC 8439 section 2.8)."""
NO_DAY = -(2**31)
"""The day of a segment that has none, as it is bound into keys and records."""

CONTACTS, OWN_KEYS, LABEL, SIGNING = 1, 2, 3, 4
FINDINGS = 6
"""What a segment holds."""
CASE_FILE = 5
"""What is sealed is no segment of a store but a case file (`bzd.cases`), whose ID stands in for the store's."""

_PLACE = struct.Struct(">HB16sQi")
_ROW = struct.Struct(">Q")
_KEY_DOMAIN = b"bzd store data key\0"
_RECORD_DOMAIN = b"bzd store record\0"


class Place(NamedTuple):
    """Where something sealed belongs; it opens nowhere else.

    Attributes:
        store: the store's ID, 16 bytes.
        purpose: `CONTACTS`, `OWN_KEYS`, `LABEL`, `SIGNING`, `FINDINGS` or `CASE_FILE`.
        segment: the segment's ID, 1 to 2**31 - 1.
        day: UTC day as days since 1970-01-01, None where the clock was never right or days do not matter.
    """

    store: bytes
    purpose: int
    segment: int
    day: int | None

    def packed(self) -> bytes:
        """The 31 bytes that are bound into what is sealed: format version, purpose, store, segment, day."""
        day = NO_DAY if self.day is None else self.day
        return _PLACE.pack(FORMAT_VERSION, self.purpose, self.store, self.segment, day)


class RecordCipher:
    """Seals and opens the records of one segment.

    Args:
        data_key: the segment's data key, 32 bytes.
        place: where the segment belongs.
    """

    def __init__(self, data_key: bytes, place: Place) -> None:
        self._aead = ChaCha20Poly1305(data_key)
        self._associated = _RECORD_DOMAIN + place.packed()

    def seal(self, row: int, record: bytes) -> tuple[bytes, bytes]:
        """A fresh random nonce and the sealed record, for the row with this ID."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce, self._aead.encrypt(nonce, record, self._associated + _ROW.pack(row))

    def open(self, row: int, nonce: bytes, blob: bytes) -> bytes | None:
        """The record, or None if it was changed, moved or sealed under another key."""
        try:
            return self._aead.decrypt(nonce, blob, self._associated + _ROW.pack(row))
        except (InvalidTag, ValueError):
            return None


@cache
def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


def seal_key(data_key: bytes, recipients: Iterable[PublicKey], place: Place) -> list[bytes]:
    """A data key sealed to each recipient, in their order, `SEALED_KEY_BYTES` each."""
    info = _info(place)
    return [_suite().encrypt(data_key, recipient.key(), info=info) for recipient in recipients]


def open_key(sealed: Iterable[bytes], identities: Iterable[Identity], place: Place) -> bytes | None:
    """The data key, if one of the identities opens one of the sealed keys; else None."""
    info = _info(place)
    identities = list(identities)
    for ciphertext in sealed:
        for identity in identities:
            try:
                data_key = _suite().decrypt(ciphertext, identity.key(), info=info)
            except (InvalidTag, ValueError):
                continue
            if len(data_key) == DATA_KEY_BYTES:
                return data_key
    return None


def _info(place: Place) -> bytes:
    return _KEY_DOMAIN + place.packed() + SUITE_ID
