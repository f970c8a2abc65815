# SPDX-License-Identifier: Apache-2.0
"""What a case file says, and how it is laid out; the format is in the docstring of `bzd.cases`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha512

from bzd.errors import InputError
from bzd.model import Contact, DailyKey
from bzd.store.creating import signing_fingerprint
from bzd.store.sealing import BLOB_BYTES, NONCE_BYTES, SUITE_ID

VERSION = 1
"""Version of the format."""
RECIPIENTS_MAX = 16
"""So many fingerprints fit the first row."""
ROWS = tuple(1024 << power for power in range(9))
"""The numbers of rows that a file can have. 1024 hold two weeks of a quiet badge (447 kB); 262,144 (114 MB) hold ten
days of the most contacts that a badge stores, 1000 an hour (`proximity.max_contacts_per_hour`)."""
FIXED_ROWS = 2
"""Rows before the first contact."""
ROW_BYTES = NONCE_BYTES + BLOB_BYTES
"""A sealed row."""
DOMAIN = b"bzd case file\0"
"""What a file begins with, and what is signed."""
HEAD = struct.Struct(f">{len(DOMAIN)}sH16s{len(SUITE_ID)}sB")
"""Domain, version, file ID, suite, number of recipients."""
FIRST = struct.Struct(">B16s32sqqqII")
"""The first row, before the fingerprints: version, store ID, public key, three times, rows of contacts and of keys."""
FINGERPRINT_BYTES = 16
"""What the eight groups of a fingerprint stand for."""
SIGNATURE_BYTES = 64
"""An Ed25519 signature (RFC 8032 section 5.1.6)."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a case file says.

    Attributes:
        label: name of the badge.
        store_id: names its store, 16 bytes.
        signing_public: its public Ed25519 key, 32 bytes.
        made: when the file was made, UTC unix seconds in whole milliseconds.
        since: start of the time that it is about, UTC unix seconds.
        until: end of it.
        contacts: what the badge heard then.
        keys: the badge's own daily keys of then.
    """

    label: str
    store_id: bytes
    signing_public: bytes
    made: float
    since: float
    until: float
    contacts: tuple[Contact, ...]
    keys: tuple[DailyKey, ...]

    @property
    def fingerprint(self) -> str:
        """What people compare the badge's signing key by."""
        return signing_fingerprint(self.signing_public)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case file that was opened and verified.

    Attributes:
        case: what it says.
        file_id: names the file, 16 bytes.
        recipients: fingerprints of all who can open it.
        name: what messages call it.
    """

    case: Case
    file_id: bytes
    recipients: tuple[str, ...]
    name: str


def padded(rows: int) -> int:
    """The number of rows of a file that needs so many.

    Raises:
        InputError: if none has so many.
    """
    for size in ROWS:
        if rows <= size:
            return size
    raise InputError(f"{rows} records are more than the {ROWS[-1]} of a case file", "name fewer --days")


def signed(head: bytes, records: Iterable[bytes]) -> bytes:
    """What is signed: the head and all records before the signature, by their hash."""
    digest = sha512(head)
    for record in records:
        digest.update(record)
    return DOMAIN + digest.digest()
