# SPDX-License-Identifier: Apache-2.0
"""The record codec gives back what it was given, and takes any bytes."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.model import Contact, DailyKey, ScanInstance
from bzd.store import fields, records
from bzd.store.records import ClockAnchor, ContactPart, EndOfSegment, Label, SigningKey

milliseconds = st.integers(0, 2**32 - 1).map(lambda number: number / 1000)
times = st.integers(0, fields.TIME_MAX_S * 1000).map(lambda number: number / 1000)
scan_instances = st.builds(
    ScanInstance,
    offset_s=milliseconds,
    seconds=milliseconds,
    sightings=st.integers(1, 65535),
    rssi_mean=st.integers(-126 * 8, 20 * 8).map(lambda number: number / 8),
    rssi_max=st.integers(-126, 20),
)
contacts = st.builds(
    Contact,
    protocol=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16),
    rolling_id=st.binary(max_size=24),
    metadata=st.binary(max_size=16),
    start=times,
    end=times,
    near_s=milliseconds,
    distance_m=st.none() | st.integers(10, 10_000).map(lambda number: number / 100),
    synced=st.booleans(),
    scans=st.lists(scan_instances, min_size=1, max_size=60).map(tuple),
)


def encode(contact: Contact, head: int) -> list[bytes]:
    """All records of a contact."""
    parts = enumerate(records.contact_parts(contact))
    return [records.encode_part(contact, scans, head=head, part=part) for part, scans in parts]


@given(contacts, st.integers(1, 2**32 - 1), st.randoms())
@settings(deadline=None, max_examples=150)
def test_any_quantised_contact_survives(contact: Contact, head: int, random: Random) -> None:
    """Every contact within the bounds of the model comes back equal from records of one size, joined in any order."""
    encoded = encode(contact, head)
    assert {len(record) for record in encoded} == {fields.PLAIN_BYTES}
    assert len(encoded) == -(-len(contact.scans) // records.SCANS_PER_RECORD)
    decoded = [records.decode(record) for record in encoded]
    parts = [part for part in decoded if isinstance(part, ContactPart)]
    assert [(part.head, part.part) for part in parts] == list(zip(itertools.repeat(head), range(len(encoded))))
    random.shuffle(parts)
    assert records.join(parts) == contact


@given(st.binary(max_size=fields.PLAIN_BYTES), st.integers(0, 7))
@settings(deadline=None, max_examples=300)
def test_any_bytes_decode_or_are_refused(data: bytes, kind: int) -> None:
    """Any bytes behind a version and kind give a record or a ValueError, nothing else."""
    record = (bytes([1, kind]) + data)[: fields.PLAIN_BYTES].ljust(fields.PLAIN_BYTES, b"\0")
    try:
        decoded = records.decode(record)
    except ValueError:
        return
    if isinstance(decoded, ContactPart):
        assert 1 <= len(decoded.contact.scans) <= records.SCANS_PER_RECORD


def test_other_records_survive() -> None:
    """Keys, anchors, labels, signing keys and segment ends come back equal, and are of the one size."""
    key = DailyKey("bluezone", bytes(range(32)), 1_606_003_200.0, 1_606_089_600.0)
    anchor = ClockAnchor(bytes(range(16)), 0.001, 1_606_000_000.999, synced=False)
    label = Label("Räumlichkeit 7 ☂", 1_606_000_000.5, bytes(range(32)))
    signing = SigningKey(bytes(range(32)))
    encoded = [
        records.encode_key(key),
        records.encode_anchor(anchor),
        records.encode_label(label),
        records.encode_signing_key(signing),
        records.encode_end(EndOfSegment(4_000_000_000)),
    ]
    assert {len(record) for record in encoded} == {fields.PLAIN_BYTES}
    assert [records.decode(record) for record in encoded] == [key, anchor, label, signing, EndOfSegment(4_000_000_000)]


def test_more_sightings_than_fit_are_stated_as_the_most() -> None:
    """The counter of sightings saturates, as the model says."""
    contact = Contact("gaen", b"", b"", 0.0, 1.0, 0.0, None, True, (ScanInstance(0.0, 1.0, 70_000, -60.0, -50),))
    (record,) = encode(contact, 1)
    part = records.decode(record)
    assert isinstance(part, ContactPart)
    assert part.contact.scans[0].sightings == 65535


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (4, b"\x1b[2J"),  # protocol: an escape sequence for the terminal
        (62, b"\x7f" * 8),  # start: in the year 285,616,415
        (62, b"\xff" * 8),  # start: before 1970
        (70, b"\x10" + bytes(7)),  # end
        (92, b"\0"),  # no scan instance
        (92, b"\x19"),  # 25 of them
        (101, b"\0\0"),  # no sighting in the first
        (1, b"\x09"),  # unknown kind
        (0, b"\x02"),  # unknown version
    ],
)
def test_records_that_could_not_be_shown_are_refused(position: int, value: bytes) -> None:
    """Whoever has a public key can seal a record; one that would break what prints or counts it is refused."""
    scans = (ScanInstance(0.0, 1.0, 1, -60.0, -60),)
    contact = Contact("gaen", b"id", b"", 1.0, 2.0, 0.0, None, synced=True, scans=scans)
    (record,) = encode(contact, 1)
    with pytest.raises(ValueError, match=r"time|protocol|scan|unknown"):
        records.decode(record[:position] + value + record[position + len(value) :])


@pytest.mark.parametrize("missing", [[0], [1], [0, 1]])
def test_a_missing_record_is_noticed(missing: list[int]) -> None:
    """A contact whose first or middle records are missing is not joined; nor is one with a record twice."""
    scans = tuple(ScanInstance(float(at), 1.0, 1, -60.0, -60) for at in range(70))
    contact = Contact("gaen", b"id", b"", 0.0, 70.0, 0.0, None, synced=True, scans=scans)
    decoded = [records.decode(record) for record in encode(contact, 3)]
    parts = [part for part in decoded if isinstance(part, ContactPart)]
    assert records.join(part for part in parts if part.part not in missing) is None
    assert records.join([*parts, parts[0]]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rolling_id", bytes(25)),
        ("metadata", bytes(17)),
        ("protocol", "p" * 17),
        ("near_s", -1.0),
        ("start", float("inf")),
    ],
)
def test_what_does_not_fit_is_refused(field: str, value: object) -> None:
    """A value out of bounds is a ValueError, never a silently changed record."""
    contact = Contact(
        "gaen", b"id", b"", 0.0, 1.0, 0.0, None, synced=True, scans=(ScanInstance(0.0, 1.0, 1, -60.0, -60),)
    )
    object.__setattr__(contact, field, value)
    with pytest.raises(ValueError, match=r"longer|fit"):
        encode(contact, 1)
