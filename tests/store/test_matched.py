# SPDX-License-Identifier: Apache-2.0
"""The records of what matching found."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.store import fields, records
from bzd.store.matched import MatchedKey, MatchedKeys, ReadFile, ReadFiles, encode_files, encode_keys

times = st.integers(0, fields.TIME_MAX_S * 1000).map(lambda number: number / 1000)
read_files = st.builds(
    ReadFile, sha256=st.binary(min_size=32, max_size=32), read=times, until=times, segment=st.integers(0, 2**32 - 1)
)
matched_keys = st.builds(
    MatchedKey,
    protocol=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16),
    key=st.binary(max_size=32),
    first=st.integers(0, 2**32 - 1),
    intervals=st.integers(0, 2**16 - 1),
    report_type=st.integers(0, 255),
    days_since_onset=st.none() | st.integers(-128, 127),
    transmission_risk=st.none() | st.integers(-(2**31), 2**31 - 1),
    revised=st.booleans(),
    found=times,
)


@given(st.lists(read_files, max_size=30), st.lists(matched_keys, max_size=30))
@settings(deadline=None, max_examples=80)
def test_files_and_keys_survive(files: list[ReadFile], keys: list[MatchedKey]) -> None:
    """Any number comes back in order from records of one size, each as full as can be."""
    of_files, of_keys = list(encode_files(files)), list(encode_keys(keys))
    assert {len(record) for record in (*of_files, *of_keys)} == {fields.PLAIN_BYTES}
    assert (len(of_files), len(of_keys)) == (-(-len(files) // 7), max(-(-len(keys) // 5), 1))
    decoded = [records.decode(record) for record in (*of_files, *of_keys)]
    assert [file for record in decoded if isinstance(record, ReadFiles) for file in record.files] == files
    assert [key for record in decoded if isinstance(record, MatchedKeys) for key in record.keys] == keys


@given(st.sampled_from([6, 7]), st.integers(0, 9), st.binary(max_size=fields.PLAIN_BYTES - 3))
@settings(deadline=None, max_examples=150)
def test_any_bytes_decode_to_what_can_be_written_again(kind: int, count: int, data: bytes) -> None:
    """Whatever is behind the head is refused, or is a record that encodes and decodes to the same again."""
    record = fields.padded(bytes([1, kind, count]) + data)
    try:
        decoded = records.decode(record)
    except ValueError:
        return
    again = encode_files(decoded.files) if isinstance(decoded, ReadFiles) else encode_keys(_keys(decoded))
    assert [records.decode(each) for each in again] == [decoded]


def _keys(decoded: records.Record) -> tuple[MatchedKey, ...]:
    assert isinstance(decoded, MatchedKeys)
    return decoded.keys


KEY = MatchedKey("gaen", bytes(16), 2_670_000, 144, 1, None, None, revised=False, found=1.0)
FILE = ReadFile(bytes(32), 1.0, 2.0, 3)


def test_they_lie_where_the_specification_says() -> None:
    """Read byte by byte from the tables in the docstring of `bzd.store`."""
    (file,) = encode_files([FILE, FILE._replace(sha256=bytes(range(32)), read=5.5, until=6.25, segment=77)])
    assert (file[:3], len(file)) == (bytes([1, 6, 2]), 408)
    assert struct.unpack_from(">32sqqI", file, 3 + 52) == (bytes(range(32)), 5500, 6250, 77)
    assert not any(file[3 + 2 * 52 :])
    news = KEY._replace(days_since_onset=-3, transmission_risk=-7, revised=True, report_type=5, found=9.001)
    (key,) = encode_keys([KEY, news])
    assert (key[:3], key[3 : 3 + 17], key[20:53]) == (bytes([1, 7, 2]), b"\4gaen" + bytes(12), b"\x10" + bytes(32))
    assert struct.unpack_from(">IHBbiBq", key, 3 + 50) == (2_670_000, 144, 1, 0, 0, 0, 1000)
    assert struct.unpack_from(">IHBbiBq", key, 3 + 71 + 50) == (2_670_000, 144, 5, -3, -7, 7, 9001)
    assert not any(key[3 + 2 * 71 :])


@pytest.mark.parametrize(
    "entry",
    [
        KEY._replace(key=bytes(33)),
        KEY._replace(protocol="p" * 17),
        KEY._replace(first=-1),
        KEY._replace(intervals=65536),
        KEY._replace(days_since_onset=128),
        KEY._replace(found=float("nan")),
        FILE._replace(sha256=bytes(33)),
        FILE._replace(read=-1.0),
        FILE._replace(segment=2**32),
    ],
)
def test_what_does_not_fit_is_refused(entry: MatchedKey | ReadFile) -> None:
    """A value out of bounds is a ValueError, never a silently changed record."""
    with pytest.raises(ValueError, match=r"longer|fit"):
        list(encode_keys([entry]) if isinstance(entry, MatchedKey) else encode_files([entry]))
