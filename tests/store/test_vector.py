# SPDX-License-Identifier: Apache-2.0
"""A store that was written once and must open for ever, read also by a second reader that shares no code with bzd.

`vectors/store-1.bzd` is sealed to the identity with the secret bytes 0, 1, 2 ... 95. `independent` below is written
from the docstring of `bzd.store` alone, with sqlite3 and the primitives of cryptography: also HPKE is put together
here, so that the suite is what its name says.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bzd.model import Contact, DailyKey, ScanInstance
from bzd.store import open_reader
from bzd.store.identity import Identity
from bzd.store.records import ClockAnchor

VECTOR = Path(__file__).parent / "vectors" / "store-1.bzd"
SECRET = bytes(range(96))
CONTACT = Contact(
    protocol="gaen",
    rolling_id=bytes(range(16)),
    metadata=bytes(range(16, 20)),
    start=1_605_950_000.125,
    end=1_605_951_740.5,
    near_s=61.5,
    distance_m=1.75,
    synced=True,
    scans=tuple(ScanInstance(60.0 * at, 30.125, 12 + at, -60.0 - at / 8, -50 - at) for at in range(30)),
)
UNDATED = Contact(
    protocol="bluezone",
    rolling_id=bytes(range(12)),
    metadata=b"",
    start=100.0,
    end=101.0,
    near_s=0.0,
    distance_m=None,
    synced=False,
    scans=(ScanInstance(0.0, 1.0, 2, -99.5, -90),),
)
KEY = DailyKey("gaen", bytes(range(50, 66)), 1_605_916_800.0, 1_606_003_200.0)
ANCHOR = ClockAnchor(bytes(range(16)), 12.345, 1_605_950_000.0, synced=True)


def test_vector_opens() -> None:
    """The reader gives what was written when the format was made."""
    with open_reader(VECTOR, [Identity(SECRET)]) as reader:
        assert reader.label == "vector ☂"
        assert list(reader.contacts()) == [UNDATED, CONTACT]
        assert list(reader.keys()) == [KEY]
        assert list(reader.anchors()) == [ANCHOR]
        assert Ed25519PrivateKey.from_private_bytes(reader.signing_key()).public_key().public_bytes_raw() == (
            reader.signing_public
        )
        assert (reader.problems, reader.damaged) == ([], 0)


def test_vector_opens_independently() -> None:
    """A reader written from the specification finds the same records."""
    found: dict[int, list[Any]] = {}
    for kind, value in independent(VECTOR):
        found.setdefault(kind, []).append(value)
    ((label, created, signing_public),) = found[4]
    assert (label, created) == ("vector ☂".encode(), 1_605_900_000_000)
    assert Ed25519PrivateKey.from_private_bytes(found[5][0]).public_key().public_bytes_raw() == signing_public
    assert found[2] == [(b"gaen", KEY.key, 1_605_916_800_000, 1_606_003_200_000)]
    assert found[3] == [(ANCHOR.boot_id, 12_345, 1_605_950_000_000, 1)]
    assert sorted(found[0]) == [1, 1, 1, 1, 3, 3]
    short, long, rest = sorted(found[1], key=lambda record: (record[1], record[9]))
    head = (b"gaen", CONTACT.rolling_id, CONTACT.metadata, 1_605_950_000_125, 1_605_951_740_500, 61_500, 175)
    assert long[:8] == (1, *head)
    assert rest[1:8] == long[1:8]
    assert [len(long[-1]), len(rest[-1]), long[9], rest[9]] == [24, 6, 0, 1]
    assert long[8] == rest[8]
    assert rest[-1][5] == (60_000 * 29, 30_125, 41, round((-60 - 29 / 8) * 8), -79)
    assert short[:8] == (0, b"bluezone", UNDATED.rolling_id, b"", 100_000, 101_000, 0, 0xFFFFFFFF)
    assert short[-1] == [(0, 1000, 2, -796, -90)]


def independent(path: Path) -> Iterator[tuple[int, Any]]:
    """Kind and fields of every record of a store, as bzd.store's docstring describes them."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA application_id").fetchone() == (0x627A6401,)
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        (store_id,) = database.execute("SELECT id FROM store").fetchone()
        for segment, purpose, day in database.execute("SELECT id, purpose, day FROM segment").fetchall():
            place = struct.pack(">HB16sQi", 1, purpose, store_id, segment, -(2**31) if day is None else day)
            (key,) = database.execute("SELECT sealed FROM sealed_key WHERE id = ?", (segment * 256,)).fetchone()
            info = b"bzd store data key\0" + place + bytes.fromhex("647a00010003")
            cipher = ChaCha20Poly1305(hpke_open(key, info))
            rows = database.execute("SELECT id, nonce, sealed FROM record WHERE id / 4294967296 = ?", (segment,))
            for row, nonce, sealed in rows:
                data = cipher.decrypt(nonce, sealed, b"bzd store record\0" + place + struct.pack(">Q", row))
                assert (len(data), data[0]) == (408, 1)
                yield data[1], _fields(data)


def hpke_open(sealed: bytes, info: bytes) -> bytes:
    """Opens an HPKE message of suite 647a 0001 0003, base mode, empty associated data (RFC 9180 sections 5.1, 6.1)."""
    enc, ciphertext = sealed[:1120], sealed[1120:]
    suite = b"HPKE" + bytes.fromhex("647a00010003")

    def extract(salt: bytes, label: bytes, key: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, "sha256")

    def expand(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
        # One block of HKDF-Expand is enough for 32 bytes.
        data = struct.pack(">H", length) + b"HPKE-v1" + suite + label + context
        return hmac.digest(key, data + b"\x01", "sha256")[:length]

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(x_wing_open(enc), b"secret", b"")
    key, nonce = expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, b"")


def x_wing_open(enc: bytes) -> bytes:
    """The secret that X-Wing encapsulates (draft-connolly-cfrg-xwing-kem sections 5.3 and 5.5)."""
    x25519 = X25519PrivateKey.from_private_bytes(SECRET[64:])
    first = MLKEM768PrivateKey.from_seed_bytes(SECRET[:64]).decapsulate(enc[:1088])
    second = x25519.exchange(X25519PublicKey.from_public_bytes(enc[1088:]))
    ours = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(first + second + enc[1088:] + ours + b"\\.//^\\").digest()


def _fields(data: bytes) -> Any:
    kind = data[1]
    if kind == 0:
        return int.from_bytes(data[2:6], "big")
    if kind == 1:
        return _contact(data)
    if kind == 2:
        return (_short(data, 2), _short(data, 19), *struct.unpack_from(">qq", data, 84))
    if kind == 3:
        return struct.unpack_from(">16sqqB", data, 2)
    if kind == 4:
        return _short(data, 2), *struct.unpack_from(">q32s", data, 203)
    return data[2:34]


def _contact(data: bytes) -> Any:
    names = _short(data, 3), _short(data, 20), _short(data, 45)
    start, end, near, distance, head, part, count = struct.unpack_from(">qqIIIHB", data, 62)
    scans = [struct.unpack_from(">IIHhb", data, 93 + 13 * at) for at in range(count)]
    assert not any(data[93 + 13 * count :])
    return (data[2], *names, start, end, near, distance, head, part, scans)


def _short(data: bytes, offset: int) -> bytes:
    """A length byte and that many bytes."""
    return data[offset + 1 : offset + 1 + data[offset]]
