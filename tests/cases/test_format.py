# SPDX-License-Identifier: Apache-2.0
"""A reader of case files that was written from the docstrings of `bzd.cases` and `bzd.store` alone.

It takes nothing of bzd but the file, and the identity of the bytes 0 to 95.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

SECRET = bytes(range(96))
SUITE = bytes.fromhex("647a00010003")
ML_KEM, X25519 = MLKEM768PrivateKey.from_seed_bytes(SECRET[:64]), X25519PrivateKey.from_private_bytes(SECRET[64:])


class Read(NamedTuple):
    """The head, and the records of all rows."""

    head: bytes
    records: list[bytes]


def read(data: bytes) -> Read:
    """Open a case file of one recipient."""
    magic, version, file_id, suite, recipients = struct.unpack_from(">14sH16s6sB", data)
    assert (magic, version, suite, recipients) == (b"bzd case file\0", 1, SUITE, 1)
    place = struct.pack(">HB16sQi", 1, 5, file_id, 1, -(2**31))
    how = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    private = hpke.MLKEM768X25519PrivateKey(ML_KEM, X25519)
    data_key = how.decrypt(data[39 : 39 + 1168], private, info=b"bzd store data key\0" + place + SUITE)
    cipher = ChaCha20Poly1305(data_key)
    records = []
    for number, at in enumerate(range(39 + 1168, len(data), 436), 1):
        associated = b"bzd store record\0" + place + struct.pack(">Q", number)
        records.append(cipher.decrypt(data[at : at + 12], data[at + 12 : at + 436], associated))
    return Read(data[: 39 + 1168], records)


def short(record: bytes, at: int) -> bytes:
    """A short string of a record."""
    return record[at + 1 : at + 1 + record[at]]


def test_a_file_is_as_documented(send: Callable[..., Path], anna: Any, ben: Any) -> None:
    """Every field of every kind of row, the number of rows, and the signature over what comes before it."""
    long, key = ben.contact(scans=30), anna.key
    head, records = read(send(anna, ben.contact(), long).read_bytes())
    assert len(records) == 1024
    assert {len(record) for record in records} == {408}
    case = anna.case()
    first = struct.unpack_from(">B16s32sqqqII", records[0])
    times = (round(time * 1000) for time in (case.made, case.since, case.until))
    assert first == (1, case.store_id, case.signing_public, *times, 3, 1)
    public = ML_KEM.public_key().public_bytes_raw() + X25519.public_key().public_bytes_raw()
    fingerprint = hashlib.sha256(b"bzd public key\0" + public).digest()[:16]
    assert (records[0][81:97], any(records[0][97:])) == (fingerprint, False)
    assert (records[1][:2], short(records[1], 2), records[1][211:243]) == (b"\1\4", b"anna", case.signing_public)
    # Kind, protocol, rolling ID, head, part and number of scan instances of the three rows of two contacts.
    rows = [(row[:2], short(row, 3), short(row, 20), *struct.unpack_from(">IHB", row, 86)) for row in records[2:5]]
    ids = ben.contact().rolling_id, long.rolling_id
    assert rows == [
        (b"\1\1", b"gaen", ids[0], 3, 0, 2),
        (b"\1\1", b"gaen", ids[1], 4, 0, 24),
        (b"\1\1", b"gaen", ids[1], 4, 1, 6),
    ]
    assert (records[5][:2], short(records[5], 2), short(records[5], 19)) == (b"\1\2", b"gaen", key.key)
    assert struct.unpack_from(">qq", records[5], 84) == (round(key.start * 1000), round(key.end * 1000))
    signed = b"bzd case file\0" + hashlib.sha512(head + b"".join(records[:6])).digest()
    Ed25519PublicKey.from_public_bytes(case.signing_public).verify(records[6][:64], signed)
    assert not any(records[6][64:] + b"".join(records[7:]))
