# SPDX-License-Identifier: Apache-2.0
"""Records of what matching found: key files that were read, and keys of cases that explain contacts. Pure.

Several share a record, so that the number of rows says little: a day has one row of matched keys whether none, one or
five of them are of somebody who was met. The byte tables are in the docstring of `bzd.store`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from bzd.store.fields import PLAIN_BYTES, PROTOCOL_MAX_BYTES, VERSION, fits, name_of, padded, ticks, time_of

T = TypeVar("T")

FILES_KIND, KEYS_KIND = 6, 7
"""Kinds of records, after those of `bzd.store.records`."""
KEY_MAX_BYTES = 32
"""Longest diagnosis key; known protocols have 16 or 32 bytes."""

_REVISED, _ONSET, _RISK = 1, 2, 4
"""Flags: it came as news of a key; days since onset are known; transmission risk is known."""

_HEAD = struct.Struct(">BBB")
_FILE = struct.Struct(">32sqqI")
# "p" is a length byte and that many bytes, padded with zeros: n + 1 bytes in all.
_KEY = struct.Struct(f">{PROTOCOL_MAX_BYTES + 1}p{KEY_MAX_BYTES + 1}pIHBbiBq")
FILES_PER_RECORD = (PLAIN_BYTES - _HEAD.size) // _FILE.size
"""Files in a record: 7."""
KEYS_PER_RECORD = (PLAIN_BYTES - _HEAD.size) // _KEY.size
"""Keys in a record: 5."""


class ReadFile(NamedTuple):
    """A key file that was read, verified and matched.

    Attributes:
        sha256: of its bytes.
        read: when, UTC unix seconds of a clock that was known to be right, whole milliseconds.
        until: no contact that begins later can be with one of its keys, UTC unix seconds, whole milliseconds.
        segment: the highest segment of contacts there was then.
    """

    sha256: bytes
    read: float
    until: float
    segment: int


class MatchedKey(NamedTuple):
    """A diagnosis key that explains contacts of this store, as `bzd.matching.keys` has it.

    Attributes:
        protocol: name of its protocol.
        key: the key.
        first: first interval that it holds for.
        intervals: number of intervals.
        report_type: number of its report type; 5 is revoked.
        days_since_onset: or None.
        transmission_risk: or None.
        revised: whether this came as news of a key that was published before.
        found: when it first explained a contact, UTC unix seconds, whole milliseconds.
    """

    protocol: str
    key: bytes
    first: int
    intervals: int
    report_type: int
    days_since_onset: int | None
    transmission_risk: int | None
    revised: bool
    found: float


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """A record of files, at most `FILES_PER_RECORD`."""

    files: tuple[ReadFile, ...]


@dataclass(frozen=True, slots=True)
class MatchedKeys:
    """A record of keys, at most `KEYS_PER_RECORD`."""

    keys: tuple[MatchedKey, ...]


def encode_files(files: Sequence[ReadFile]) -> Iterator[bytes]:
    """The records of files: none without any.

    Raises:
        ValueError: if a value is out of bounds.
    """
    return _records(FILES_KIND, files, FILES_PER_RECORD, _packed_file)


def encode_keys(keys: Sequence[MatchedKey]) -> Iterator[bytes]:
    """The records of keys; one also without any.

    Raises:
        ValueError: if a value is out of bounds.
    """
    if not keys:
        return iter([padded(_HEAD.pack(VERSION, KEYS_KIND, 0))])
    return _records(KEYS_KIND, keys, KEYS_PER_RECORD, _packed_key)


def decode_files(record: bytes) -> ReadFiles:
    """What a record of kind 6 says.

    Raises:
        ValueError: if it makes no sense.
    """
    found = list(_entries(record, _FILE, FILES_PER_RECORD))
    if not found:
        raise ValueError("a record of no files")
    return ReadFiles(
        tuple(ReadFile(sha256, time_of(read), time_of(until), segment) for sha256, read, until, segment in found)
    )


def decode_keys(record: bytes) -> MatchedKeys:
    """What a record of kind 7 says.

    Raises:
        ValueError: if it makes no sense.
    """
    return MatchedKeys(tuple(_unpacked_key(entry) for entry in _entries(record, _KEY, KEYS_PER_RECORD)))


def _records(kind: int, entries: Sequence[T], most: int, pack: Callable[[T], bytes]) -> Iterator[bytes]:
    for at in range(0, len(entries), most):
        together = entries[at : at + most]
        yield padded(_HEAD.pack(VERSION, kind, len(together)) + b"".join(map(pack, together)))


def _entries(record: bytes, entry: struct.Struct, most: int) -> Iterator[tuple[Any, ...]]:
    count = record[_HEAD.size - 1]
    if count > most:
        raise ValueError(f"a record of {count} entries")
    return entry.iter_unpack(record[_HEAD.size : _HEAD.size + count * entry.size])


def _packed_file(file: ReadFile) -> bytes:
    fits(file.sha256, 32, "sha256")
    try:
        return _FILE.pack(file.sha256, ticks(file.read), ticks(file.until), file.segment)
    except struct.error as error:
        raise ValueError(f"file does not fit a record: {error}") from error


def _packed_key(key: MatchedKey) -> bytes:
    onset, risk = key.days_since_onset, key.transmission_risk
    flags = key.revised * _REVISED | (onset is not None) * _ONSET | (risk is not None) * _RISK
    protocol = fits(key.protocol.encode(), PROTOCOL_MAX_BYTES, "protocol")
    secret = fits(key.key, KEY_MAX_BYTES, "key")
    span = key.first, key.intervals
    try:
        return _KEY.pack(protocol, secret, *span, key.report_type, onset or 0, risk or 0, flags, ticks(key.found))
    except struct.error as error:
        raise ValueError(f"key does not fit a record: {error}") from error


def _unpacked_key(entry: tuple[Any, ...]) -> MatchedKey:
    protocol, key, first, intervals, report_type, onset, risk, flags, found = entry
    return MatchedKey(
        protocol=name_of(protocol),
        key=key,
        first=first,
        intervals=intervals,
        report_type=report_type,
        days_since_onset=onset if flags & _ONSET else None,
        transmission_risk=risk if flags & _RISK else None,
        revised=bool(flags & _REVISED),
        found=time_of(found),
    )
