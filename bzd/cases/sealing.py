# SPDX-License-Identifier: Apache-2.0
"""Writing case files: sealed to their recipients, signed inside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bzd.cases.case import DOMAIN, FIRST, FIXED_ROWS, HEAD, RECIPIENTS_MAX, VERSION, Case, padded, signed
from bzd.errors import InputError, StoreError
from bzd.store.fields import PLAIN_BYTES
from bzd.store.identity import PublicKey
from bzd.store.records import Label, contact_parts, encode_key, encode_label, encode_part
from bzd.store.sealing import CASE_FILE, DATA_KEY_BYTES, SUITE_ID, Place, RecordCipher, seal_key


def write_case(case: Case, signing_private: bytes, recipients: Sequence[PublicKey], out: BinaryIO) -> None:
    """Seal a case to recipients and sign it.

    Args:
        case: what to say.
        signing_private: the private half of `case.signing_public`, 32 bytes.
        recipients: who can open it, 1 to `RECIPIENTS_MAX`.
        out: where it goes.

    Raises:
        InputError: if there is too much for one file, or there are too many recipients.
        StoreError: if the signing key is not the badge's.
        ValueError: if a contact or key does not fit a record.
    """
    if not 1 <= len(recipients) <= RECIPIENTS_MAX:
        raise InputError(f"a case file has 1 to {RECIPIENTS_MAX} recipients, not {len(recipients)}", "name fewer")
    key = Ed25519PrivateKey.from_private_bytes(signing_private)
    if key.public_key().public_bytes_raw() != case.signing_public:
        raise StoreError("the store is damaged: its private signing key does not belong to its public one")
    data_key, place = os.urandom(DATA_KEY_BYTES), Place(os.urandom(16), CASE_FILE, 1, None)
    head = HEAD.pack(DOMAIN, VERSION, place.store, SUITE_ID, len(recipients))
    head += b"".join(seal_key(data_key, recipients, place))
    records = list(_records(case, recipients))
    total = padded(len(records) + 1)
    records.append(key.sign(signed(head, records)))
    out.write(head)
    cipher = RecordCipher(data_key, place)
    for row in range(1, total + 1):
        record = records[row - 1] if row <= len(records) else b""
        out.write(b"".join(cipher.seal(row, record.ljust(PLAIN_BYTES, b"\0"))))


def _records(case: Case, recipients: Sequence[PublicKey]) -> Iterator[bytes]:
    contacts: list[bytes] = []
    for contact in case.contacts:
        first = FIXED_ROWS + len(contacts) + 1
        parts = enumerate(contact_parts(contact))
        contacts += [encode_part(contact, scans, head=first, part=part) for part, scans in parts]
    times = (round(time * 1000) for time in (case.made, case.since, case.until))
    first_row = FIRST.pack(1, case.store_id, case.signing_public, *times, len(contacts), len(case.keys))
    yield (first_row + b"".join(map(_raw_fingerprint, recipients))).ljust(PLAIN_BYTES, b"\0")
    yield encode_label(Label(case.label, case.made, case.signing_public))
    yield from contacts
    yield from map(encode_key, case.keys)


def _raw_fingerprint(public: PublicKey) -> bytes:
    return bytes.fromhex(public.fingerprint.replace("-", ""))
