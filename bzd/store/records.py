# SPDX-License-Identifier: Apache-2.0
"""Records: what is inside a sealed blob. Pure: bytes in, dataclasses out, and back.

Every record is `PLAIN_BYTES` long, padded with zero bytes, so that a blob's size says nothing. It begins with the
format version and its kind. Numbers are big-endian; times are signed 64-bit counts of milliseconds since 1970-01-01
UTC. The byte tables are in the docstring of `bzd.store`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bzd.model import Contact, DailyKey, ScanInstance
from bzd.store.fields import (
    PLAIN_BYTES,
    PROTOCOL_MAX_BYTES,
    VERSION,
    fits,
    name_of,
    padded,
    ticks,
    time_of,
)
from bzd.store.matched import FILES_KIND, KEYS_KIND, MatchedKeys, ReadFiles, decode_files, decode_keys

SCANS_PER_RECORD = 24
"""Scan instances in one record; a longer contact continues in a further record."""
ID_MAX_BYTES = 24
"""Longest rolling ID; known protocols have 12 or 16 bytes."""
METADATA_MAX_BYTES = 16
"""Longest metadata; known protocols have 0 or 4 bytes."""
KEY_MAX_BYTES = 64
"""Longest daily key; known protocols have 16 or 32 bytes."""
LABEL_MAX_BYTES = 200
"""Longest label in UTF-8; a host name has at most 64 characters on Linux."""

_END, _CONTACT, _KEY, _ANCHOR, _LABEL, _SIGNING = range(6)
_SYNCED = 1
_NO_DISTANCE = 0xFFFFFFFF
_SIGHTINGS_MAX = 0xFFFF

# "p" is a length byte and that many bytes, padded with zeros: n + 1 bytes in all.
_KIND = struct.Struct(">BB")
_CONTACT_HEAD = struct.Struct(f">BBB{PROTOCOL_MAX_BYTES + 1}p{ID_MAX_BYTES + 1}p{METADATA_MAX_BYTES + 1}pqqIIIHB")
_SCAN = struct.Struct(">IIHhb")
_END_RECORD = struct.Struct(">BBI")
_KEY_RECORD = struct.Struct(f">BB{PROTOCOL_MAX_BYTES + 1}p{KEY_MAX_BYTES + 1}pqq")
_ANCHOR_RECORD = struct.Struct(">BB16sqqB")
_LABEL_RECORD = struct.Struct(f">BB{LABEL_MAX_BYTES + 1}pq32s")
_SIGNING_RECORD = struct.Struct(">BB32s")


@dataclass(frozen=True, slots=True)
class EndOfSegment:
    """The last record of a segment: how many rows the segment had beside this one when it ended."""

    rows: int


@dataclass(frozen=True, slots=True)
class ContactPart:
    """One record of a contact.

    Attributes:
        head: row number of the contact's first record; the same in all its records.
        part: 0 for the first record, then counting up.
        contact: the contact as it was when this record was written, with this record's scan instances only.
    """

    head: int
    part: int
    contact: Contact


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """What the wall clock said at an instant of a boot.

    Attributes:
        boot_id: the 16 bytes of /proc/sys/kernel/random/boot_id.
        boottime: CLOCK_BOOTTIME in seconds, whole milliseconds.
        wall: UTC unix seconds, whole milliseconds.
        synced: whether the wall clock was known to be right.
    """

    boot_id: bytes
    boottime: float
    wall: float
    synced: bool


@dataclass(frozen=True, slots=True)
class Label:
    """What `bzd init` sealed about the store.

    Attributes:
        text: its name.
        created: when it was made, UTC unix seconds in whole milliseconds.
        signing_public: the badge's public Ed25519 key (32 bytes), so that a change of the clear one is noticed.
    """

    text: str
    created: float
    signing_public: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half of the badge's Ed25519 key, 32 bytes (RFC 8032 section 5.1.5)."""

    private: bytes


Record = EndOfSegment | ContactPart | DailyKey | ClockAnchor | Label | SigningKey | ReadFiles | MatchedKeys


def contact_parts(contact: Contact) -> list[Sequence[ScanInstance]]:
    """The scan instances of a contact, as they are spread over its records."""
    scans = contact.scans
    return [scans[at : at + SCANS_PER_RECORD] for at in range(0, max(len(scans), 1), SCANS_PER_RECORD)]


def encode_part(contact: Contact, scans: Iterable[ScanInstance], *, head: int, part: int) -> bytes:
    """One record of a contact.

    Args:
        contact: the whole contact as it is now; what it says beside its scan instances is in each of its records, and
            the last one counts.
        scans: the scan instances of this record, at most `SCANS_PER_RECORD`.
        head: row number of the contact's first record, 1 to 2**32 - 1.
        part: 0 for the first record.

    Raises:
        ValueError: if a value is out of the bounds of `bzd.model` or of this module.
    """
    fits(contact.protocol.encode(), PROTOCOL_MAX_BYTES, "protocol")
    fits(contact.rolling_id, ID_MAX_BYTES, "rolling id")
    fits(contact.metadata, METADATA_MAX_BYTES, "metadata")
    packed = [_encode_scan(scan) for scan in scans]
    distance = contact.distance_m
    try:
        record = _CONTACT_HEAD.pack(
            VERSION,
            _CONTACT,
            _SYNCED if contact.synced else 0,
            contact.protocol.encode(),
            contact.rolling_id,
            contact.metadata,
            ticks(contact.start),
            ticks(contact.end),
            round(contact.near_s * 1000),
            _NO_DISTANCE if distance is None else round(distance * 100),
            head,
            part,
            len(packed),
        )
    except (struct.error, OverflowError) as error:
        raise ValueError(f"contact does not fit a record: {error}") from error
    return padded(record + b"".join(packed))


def encode_key(key: DailyKey) -> bytes:
    """The record of one of the badge's own daily keys.

    Raises:
        ValueError: if protocol or key are too long.
    """
    fits(key.protocol.encode(), PROTOCOL_MAX_BYTES, "protocol")
    fits(key.key, KEY_MAX_BYTES, "key")
    times = ticks(key.start), ticks(key.end)
    return padded(_KEY_RECORD.pack(VERSION, _KEY, key.protocol.encode(), key.key, *times))


def encode_anchor(anchor: ClockAnchor) -> bytes:
    """The record of a clock anchor.

    Raises:
        ValueError: if a time is out of bounds.
    """
    times = ticks(anchor.boottime), ticks(anchor.wall)
    return padded(_ANCHOR_RECORD.pack(VERSION, _ANCHOR, anchor.boot_id, *times, anchor.synced))


def encode_label(label: Label) -> bytes:
    """The record of a store's label.

    Raises:
        ValueError: if the label is longer than `LABEL_MAX_BYTES`.
    """
    text = fits(label.text.encode(), LABEL_MAX_BYTES, "label")
    return padded(_LABEL_RECORD.pack(VERSION, _LABEL, text, ticks(label.created), label.signing_public))


def encode_signing_key(key: SigningKey) -> bytes:
    """The record of the badge's signing key."""
    return padded(_SIGNING_RECORD.pack(VERSION, _SIGNING, key.private))


def encode_end(end: EndOfSegment) -> bytes:
    """The record that ends a segment."""
    return padded(_END_RECORD.pack(VERSION, _END, end.rows))


def decode(record: bytes) -> Record:
    """What a record says.

    Raises:
        ValueError: if it is not a record of this version.
    """
    if len(record) != PLAIN_BYTES:
        raise ValueError(f"a record has {PLAIN_BYTES} bytes, not {len(record)}")
    version, kind = _KIND.unpack_from(record)
    if version != VERSION or kind not in _DECODERS:
        raise ValueError(f"unknown record version {version} or kind {kind}")
    return _DECODERS[kind](record)


def join(parts: Iterable[ContactPart]) -> Contact | None:
    """The contact whose records these are, in any order; None if one is missing or there twice."""
    ordered = sorted(parts, key=lambda part: part.part)
    if not ordered or [part.part for part in ordered] != list(range(len(ordered))):
        return None
    last = ordered[-1].contact
    if len(ordered) == 1:
        return last
    scans = tuple(scan for part in ordered for scan in part.contact.scans)
    return Contact(
        protocol=last.protocol,
        rolling_id=last.rolling_id,
        metadata=last.metadata,
        start=last.start,
        end=last.end,
        near_s=last.near_s,
        distance_m=last.distance_m,
        synced=last.synced,
        scans=scans,
    )


def _encode_scan(scan: ScanInstance) -> bytes:
    try:
        return _SCAN.pack(
            round(scan.offset_s * 1000),
            round(scan.seconds * 1000),
            min(scan.sightings, _SIGHTINGS_MAX),
            round(scan.rssi_mean * 8),
            scan.rssi_max,
        )
    except (struct.error, OverflowError) as error:
        raise ValueError(f"scan instance does not fit a record: {error}") from error


def _decode_contact(record: bytes) -> ContactPart:
    head = _CONTACT_HEAD.unpack_from(record)
    _, _, flags, protocol, rolling_id, metadata, start, end, near, distance, first, part, count = head
    if not 1 <= count <= SCANS_PER_RECORD:
        raise ValueError(f"a contact record with {count} scan instances")
    packed = record[_CONTACT_HEAD.size : _CONTACT_HEAD.size + count * _SCAN.size]
    contact = Contact(
        protocol=name_of(protocol),
        rolling_id=rolling_id,
        metadata=metadata,
        start=time_of(start),
        end=time_of(end),
        near_s=near / 1000,
        distance_m=None if distance == _NO_DISTANCE else distance / 100,
        synced=bool(flags & _SYNCED),
        scans=tuple(
            ScanInstance(offset / 1000, seconds / 1000, sightings, mean / 8, strongest)
            for offset, seconds, sightings, mean, strongest in _SCAN.iter_unpack(packed)
        ),
    )
    if not all(scan.sightings for scan in contact.scans):
        raise ValueError("a scan instance without a sighting")
    return ContactPart(first, part, contact)


def _decode_key(record: bytes) -> DailyKey:
    _, _, protocol, key, start, end = _KEY_RECORD.unpack_from(record)
    return DailyKey(name_of(protocol), key, time_of(start), time_of(end))


def _decode_anchor(record: bytes) -> ClockAnchor:
    _, _, boot_id, boottime, wall, synced = _ANCHOR_RECORD.unpack_from(record)
    return ClockAnchor(boot_id, time_of(boottime), time_of(wall), bool(synced))


def _decode_label(record: bytes) -> Label:
    _, _, text, created, signing_public = _LABEL_RECORD.unpack_from(record)
    label = text.decode()
    if not label.isprintable():
        raise ValueError("a label with control characters")
    return Label(label, time_of(created), signing_public)


_DECODERS: dict[int, Callable[[bytes], Record]] = {
    _END: lambda record: EndOfSegment(_END_RECORD.unpack_from(record)[2]),
    _CONTACT: _decode_contact,
    _KEY: _decode_key,
    _ANCHOR: _decode_anchor,
    _LABEL: _decode_label,
    _SIGNING: lambda record: SigningKey(_SIGNING_RECORD.unpack_from(record)[2]),
    FILES_KIND: decode_files,
    KEYS_KIND: decode_keys,
}
