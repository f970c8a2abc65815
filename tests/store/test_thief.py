# SPDX-License-Identifier: Apache-2.0
"""What somebody learns who takes the card of a badge that holds only public keys."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bzd.errors import IdentityError
from bzd.model import Contact, DailyKey
from bzd.store import backup, create, open_appender, open_reader
from bzd.store.identity import Identity
from bzd.store.records import ClockAnchor, contact_parts, encode_key, encode_part

MakeContact = Callable[..., Contact]
LABEL = "ward nine, bed four"
OWN_KEY = bytes(range(100, 116))
BOOT_ID = bytes(range(200, 216))


def all_bytes(state: Path) -> bytes:
    """Every byte of every file of the state directory."""
    return b"".join(path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file())


def encodings(secret: bytes) -> list[bytes]:
    """A secret as it might lie in a file: raw, hexadecimal, and base64 at each alignment."""
    aligned = [base64.b64encode(b"\0" * pad + secret)[4 if pad else 0 : -4] for pad in range(3)]
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *aligned]


@pytest.fixture
def badge(tmp_path: Path, identity: Identity, make_contact: MakeContact) -> tuple[Path, Identity]:
    """A badge sealed to `identity`, with its own keys sealed to another; its log not yet carried over."""
    owner = Identity.generate()
    state = tmp_path / "badge"
    create(state, recipients=[identity.public], key_recipients=[owner.public], label=LABEL, now=1_606_000_000.0)
    with open_appender(state) as appender:
        appender.add_keys([DailyKey("gaen", OWN_KEY, 18_587 * 86400.0, 18_588 * 86400.0)])
        appender.add_anchor(ClockAnchor(BOOT_ID, 17.5, 1_606_000_000.0, synced=True), 18_587)
        appender.commit([make_contact(n, 30) for n in range(50)])
        with closing(sqlite3.connect(state / "store.sqlite")) as other:
            # A reader that stays keeps the log from being removed when the appender closes.
            other.execute("BEGIN")
            other.execute("SELECT 1 FROM record LIMIT 1").fetchall()
            appender.end_segments()
            (tmp_path / "wal").write_bytes((state / "store.sqlite-wal").read_bytes())
    (state / "store.sqlite-wal.copy").write_bytes((tmp_path / "wal").read_bytes())
    return state, owner


def test_nothing_readable_is_on_the_card(
    badge: tuple[Path, Identity], identity: Identity, make_contact: MakeContact
) -> None:
    """No identity, key, label, rolling ID, boot ID or plaintext record lies in any file, in any usual encoding."""
    state, owner = badge
    data = all_bytes(state)
    with open_reader(state, [owner]) as reader:
        signing = reader.signing_key()
        assert reader.signing_public in data  # what is clear is found, so that the search below would find the rest
    contact = make_contact(7, 30)
    plain = encode_part(contact, contact_parts(contact)[0], head=1, part=0)
    key = encode_key(DailyKey("gaen", OWN_KEY, 18_587 * 86400.0, 18_588 * 86400.0))
    secrets = [
        *(part for who in (identity, owner) for part in (who.secret[:32], who.secret[32:64], who.secret[64:])),
        signing,
        OWN_KEY,
        BOOT_ID,
        LABEL.encode(),
        *(make_contact(n).rolling_id for n in range(50)),
        plain[5:60],
        key[3:40],
    ]
    for secret in secrets:
        assert not any(encoding in data for encoding in encodings(secret))
    for word in (b"rolling_id", b"gaen", json.dumps({"protocol": "gaen"}).encode()[1:-1]):
        assert word not in data


def test_only_the_documented_columns_are_clear(badge: tuple[Path, Identity]) -> None:
    """Every value in the file is a documented clear one, or has the length of something sealed."""
    state, _ = badge
    with closing(sqlite3.connect(state / "store.sqlite")) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        assert tables == {"store", "segment", "sealed_key", "record", "trace", "request"}
        assert connection.execute("SELECT purpose, day, provisional FROM segment ORDER BY id").fetchall() == [
            (3, None, 0),
            (4, None, 0),
            (2, 18_587, 0),
            (1, 18_587, 0),
        ]
        assert connection.execute("SELECT DISTINCT length(nonce), length(sealed) FROM record").fetchall() == [(12, 424)]
        keys = connection.execute("SELECT DISTINCT hex(suite), length(sealed) FROM sealed_key").fetchall()
        assert keys == [("647A00010003", 1168)]
        assert connection.execute("SELECT count(*) FROM store").fetchall() == [(1,)]
        for table in ("trace", "request"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]  # noqa: S608  of this test


def test_sealed_bytes_look_random(badge: tuple[Path, Identity]) -> None:
    """No two sealed records share a 16-byte run, although their contacts are nearly equal, and bytes are even."""
    state, _ = badge
    with closing(sqlite3.connect(state / "store.sqlite")) as connection:
        blobs = [row[0] for row in connection.execute("SELECT CAST(nonce || sealed AS BLOB) FROM record")]
    runs = [blob[at : at + 16] for blob in blobs for at in range(0, len(blob) - 16, 4)]
    assert len(set(runs)) == len(runs)
    counts = [b"".join(blobs).count(bytes([value])) for value in range(256)]
    mean = sum(counts) / 256
    # Chi-squared with 255 degrees of freedom is above 400 once in 10**8.
    assert sum((count - mean) ** 2 / mean for count in counts) < 400


def test_neither_recipient_can_read_what_is_for_the_other(badge: tuple[Path, Identity], identity: Identity) -> None:
    """Who can open the contacts gets no own key, and the reverse; both learn the label."""
    state, owner = badge
    with open_reader(state, [identity]) as reader:
        assert (len(list(reader.contacts())), reader.label, reader.problems) == (50, LABEL, [])
        with pytest.raises(IdentityError, match="sealed to others"):
            list(reader.keys())
        with pytest.raises(IdentityError, match="sealed to others"):
            reader.signing_key()
    with open_reader(state, [owner]) as reader:
        keys = list(reader.keys())
        assert ([key.key for key in keys], reader.label) == ([OWN_KEY], LABEL)
        assert list(reader.contacts()) == []
        assert "sealed to others" in reader.problems[0]
    for strangers in ([Identity.generate()], []):
        with pytest.raises(IdentityError), open_reader(state, strangers):
            pass


def test_files_are_for_their_owner_alone(badge: tuple[Path, Identity]) -> None:
    """Directory 0700, store and lock 0600; nothing but public keys is readable by others."""
    state, _ = badge
    assert state.stat().st_mode & 0o777 == 0o700
    for path in state.rglob("*"):
        if path.name.endswith((".copy", ".pub")) or path.is_dir():
            continue
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_exported_file_names_nobody(badge: tuple[Path, Identity], tmp_path: Path, identity: Identity) -> None:
    """An exported file tells neither label nor recipients nor host; with the identity it tells the label."""
    state, owner = badge
    backup(state, tmp_path / "export.bzd")
    data = (tmp_path / "export.bzd").read_bytes()
    assert LABEL.encode() not in data
    for who in (identity, owner):
        assert who.fingerprint.encode() not in data
        assert who.public.raw[:32] not in data
    assert not re.search(rb"/(home|root|tmp|var)/", data)
    with open_reader(tmp_path / "export.bzd", [identity]) as reader:
        assert reader.label == LABEL
