# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of the record codec, key files, and the page reader of salvage.

Not collected by pytest; needs `pip install atheris` beside bzd. One target a run, libFuzzer's options behind it::

    python -m tests.fuzz.fuzz_records records -max_total_time=600 -max_len=408
    python -m tests.fuzz.fuzz_records           # names the targets

Files named behind the target are run once each, without atheris: that is how a finding is reproduced. What is found
becomes a test in tests/store.
"""

from __future__ import annotations

import io
import sys

from bzd.errors import IdentityError
from bzd.model import DailyKey
from bzd.store import fields, records
from bzd.store.identity import Identity, PublicKey, needs_passphrase
from bzd.store.matched import MatchedKeys, ReadFiles, encode_files, encode_keys
from bzd.store.pages import PageCounts, file_pages, log_pages, rows
from bzd.store.records import ClockAnchor, ContactPart, EndOfSegment, Label, SigningKey
from tests.fuzz.fuzzing import Target, run


def record(data: bytes) -> None:
    """Any record decodes or is a ValueError; what decoded is encoded and decodes to the same again."""
    plain = data[: fields.PLAIN_BYTES].ljust(fields.PLAIN_BYTES, b"\0")
    try:
        decoded = records.decode(plain)
    except ValueError:
        return
    try:
        encoded = _encode(decoded)
    except ValueError as error:
        raise AssertionError(f"decoded but not encodable: {decoded}") from error
    if records.decode(encoded) != decoded:
        raise AssertionError(f"not the same again: {decoded}")


def _encode(decoded: records.Record) -> bytes:
    if isinstance(decoded, ContactPart):
        contact = decoded.contact
        return records.encode_part(contact, contact.scans, head=decoded.head, part=decoded.part)
    if isinstance(decoded, DailyKey):
        return records.encode_key(decoded)
    if isinstance(decoded, ClockAnchor):
        return records.encode_anchor(decoded)
    if isinstance(decoded, Label):
        return records.encode_label(decoded)
    if isinstance(decoded, SigningKey):
        return records.encode_signing_key(decoded)
    if isinstance(decoded, EndOfSegment):
        return records.encode_end(decoded)
    if isinstance(decoded, ReadFiles):
        return next(encode_files(decoded.files))
    if isinstance(decoded, MatchedKeys):
        return next(encode_keys(decoded.keys))
    raise AssertionError(f"decoded to {decoded!r}")


def key_file(data: bytes) -> None:
    """Any bytes are an identity, a public key, or an IdentityError."""
    needs_passphrase(data)
    for load in (Identity.loads, PublicKey.loads):
        try:
            load(data)
        except IdentityError:
            continue


def pages(data: bytes) -> None:
    """Any bytes as a database file or its log give rows of a store's tables or none."""
    for source in (file_pages, log_pages):
        counts = PageCounts()
        for table, row in rows(source(io.BytesIO(data)), counts):
            if table not in {"record", "sealed_key", "store", "segment", "trace"}:
                raise AssertionError(f"a row of {table}: {row}")
        if not 0 <= counts.damaged <= counts.pages:
            raise AssertionError(f"impossible counts: {counts}")


TARGETS: dict[str, Target] = {"records": record, "keys": key_file, "pages": pages}


if __name__ == "__main__":
    run(sys.argv, TARGETS)
