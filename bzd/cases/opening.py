# SPDX-License-Identifier: Apache-2.0
"""Reading case files: opened, verified and made sense of as a whole, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bzd.cases.case import (
    DOMAIN,
    FINGERPRINT_BYTES,
    FIRST,
    FIXED_ROWS,
    HEAD,
    RECIPIENTS_MAX,
    ROW_BYTES,
    ROWS,
    SIGNATURE_BYTES,
    VERSION,
    Case,
    CaseFile,
    padded,
    signed,
)
from bzd.errors import IdentityError, InputError
from bzd.model import Contact, DailyKey
from bzd.store.fields import PLAIN_BYTES, TIME_MAX_S
from bzd.store.identity import Identity
from bzd.store.records import ContactPart, Label, Record, decode, join
from bzd.store.sealing import CASE_FILE, NONCE_BYTES, SEALED_KEY_BYTES, SUITE_ID, Place, RecordCipher, open_key

_OPEN_HINT = "give the identity whose public key it was sealed to with --identity FILE"
_DAMAGED = "have it sent again; nothing of it was taken"


def read_case(path: Path, identities: Sequence[Identity]) -> CaseFile:
    """Open and verify a case file.

    Args:
        path: the file.
        identities: one of them must be a recipient's.

    Raises:
        InputError: if it cannot be read, is no case file, was damaged or changed, or a newer bzd wrote it.
        IdentityError: if it is sealed to others.
    """
    try:
        with path.open("rb") as file:
            return _read(file, identities, str(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _read(file: BinaryIO, identities: Sequence[Identity], name: str) -> CaseFile:
    head, place, sealed = _read_head(file, name)
    data_key = open_key(sealed, identities, place)
    if data_key is None:
        raise IdentityError(f"{name} is sealed to others, or was damaged on the way", _OPEN_HINT)
    records = _read_rows(file, RecordCipher(data_key, place), name)
    version, store_id, public, *times, contacts, keys = FIRST.unpack_from(records[0])
    end = FIXED_ROWS + contacts + keys
    if end >= ROWS[-1] or padded(end + 1) != len(records) or not _is_zero_after(records, end):
        raise _damaged(name)
    if version != VERSION or not _verifies(public, records[end][:SIGNATURE_BYTES], signed(head, records[:end])):
        raise InputError(f"{name} is not signed by the badge that it names", _DAMAGED)
    recipients = _recipients(records[0], len(sealed))
    # Its own name must be among those that were signed, or somebody sealed to it what was meant for others.
    if not {identity.fingerprint for identity in identities} & set(recipients):
        raise InputError(f"{name} was signed for others than those whom it is sealed to", _DAMAGED)
    try:
        case = _case(records[1:end], contacts, store_id, public, [time / 1000 for time in times])
    except ValueError as error:
        raise InputError(f"{name} is signed, but makes no sense: {error}", _DAMAGED) from error
    return CaseFile(case, place.store, recipients, name)


def _is_zero_after(records: Sequence[bytes], end: int) -> bool:
    """Whether there is nothing after the signature, which is the record at `end`."""
    return not any(records[end][SIGNATURE_BYTES:]) and not any(map(any, records[end + 1 :]))


def _read_head(file: BinaryIO, name: str) -> tuple[bytes, Place, list[bytes]]:
    """The head as it is, the place of what is sealed, and the sealed data keys."""
    fixed = file.read(HEAD.size)
    if len(fixed) != HEAD.size or not fixed.startswith(DOMAIN):
        raise InputError(f"{name} is no case file", "`bzd export case` writes one")
    _, version, file_id, suite, recipients = HEAD.unpack(fixed)
    if version > VERSION or suite != SUITE_ID:
        raise InputError(f"{name} was written by a newer bzd, or is damaged", "read it with a newer bzd")
    sealed = file.read(recipients * SEALED_KEY_BYTES)
    if version != VERSION or not 1 <= recipients <= RECIPIENTS_MAX or len(sealed) != recipients * SEALED_KEY_BYTES:
        raise _damaged(name)
    keys = [sealed[at : at + SEALED_KEY_BYTES] for at in range(0, len(sealed), SEALED_KEY_BYTES)]
    return fixed + sealed, Place(file_id, CASE_FILE, 1, None), keys


def _read_rows(file: BinaryIO, cipher: RecordCipher, name: str) -> list[bytes]:
    """The records of all rows; at most as many as a file can have, whatever the file's length."""
    records: list[bytes] = []
    while row := file.read(ROW_BYTES):
        number = len(records) + 1
        record = cipher.open(number, row[:NONCE_BYTES], row[NONCE_BYTES:]) if number <= ROWS[-1] else None
        if record is None or len(record) != PLAIN_BYTES:
            raise _damaged(name)
        records.append(record)
    if len(records) not in ROWS:
        raise _damaged(name)
    return records


def _verifies(public: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _recipients(first: bytes, number: int) -> tuple[str, ...]:
    """The fingerprints of a first row, as people see them."""
    ends = range(FIRST.size, FIRST.size + number * FINGERPRINT_BYTES, FINGERPRINT_BYTES)
    digits = (first[at : at + FINGERPRINT_BYTES].hex() for at in ends)
    return tuple("-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in digits)


def _case(records: Sequence[bytes], contacts: int, store_id: bytes, public: bytes, times: Sequence[float]) -> Case:
    """What the records after the first say.

    Raises:
        ValueError: if they make no sense: whoever signed them is no badge of ours.
    """
    label, *rest = map(decode, records)
    if not isinstance(label, Label) or label.signing_public != public:
        raise ValueError("it has no label of this badge")
    if not all(0 <= time <= TIME_MAX_S for time in times):
        raise ValueError("a time out of bounds")
    heard = tuple(_contacts(rest[:contacts]))
    keys = tuple(record for record in rest[contacts:] if isinstance(record, DailyKey))
    if len(keys) != len(rest) - contacts:
        raise ValueError("other records where keys should be")
    made, since, until = times
    return Case(label.text, store_id, public, made, since, until, heard, keys)


def _contacts(records: Sequence[Record]) -> Iterator[Contact]:
    parts: dict[int, list[ContactPart]] = {}
    for record in records:
        if not isinstance(record, ContactPart):
            raise ValueError("other records where contacts should be")  # noqa: TRY004  as above
        parts.setdefault(record.head, []).append(record)
    for pieces in parts.values():
        contact = join(pieces)
        if contact is None:
            raise ValueError("a contact that lacks a part")
        yield contact


def _damaged(name: str) -> InputError:
    return InputError(f"{name} was cut short, damaged or changed on the way", _DAMAGED)
