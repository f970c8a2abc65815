# SPDX-License-Identifier: Apache-2.0
"""The fields that records are made of: times, names, bounded strings, and the one length of all records. Pure."""

from __future__ import annotations

VERSION = 1
"""Format version of records; the first byte of each."""
PLAIN_BYTES = 408
"""Length of a record: a head of 93 bytes and 24 scan instances of 13 make 405. Sealed it is 424 bytes, so that nine
rows fit a database page of 4096."""
PROTOCOL_MAX_BYTES = 16
"""Longest protocol name (`bzd.protocols.interface`)."""
TIME_MAX_S = 253_402_300_800
"""Times are from 0 to this, the year 10000, which RFC 3339 cannot write; the tracker refuses later ones as well."""


def ticks(time: float) -> int:
    """Whole milliseconds of a time.

    Raises:
        ValueError: if it is out of bounds.
    """
    if not 0 <= time <= TIME_MAX_S:
        raise ValueError(f"time {time} does not fit a record")
    return round(time * 1000)


def time_of(count: int) -> float:
    """The time of so many milliseconds; a store may come from anybody, and what is out of bounds could not be shown.

    Raises:
        ValueError: if it is out of bounds.
    """
    if not 0 <= count <= TIME_MAX_S * 1000:
        raise ValueError("a time out of bounds")
    return count / 1000


def name_of(protocol: bytes) -> str:
    """The name of a protocol; it is printed, so it must not hold control characters.

    Raises:
        ValueError: if it does.
    """
    if not protocol.isalnum():
        raise ValueError("a protocol name that is none")
    return protocol.decode("ascii")


def fits(value: bytes, longest: int, name: str) -> bytes:
    """The value itself.

    Raises:
        ValueError: if it is longer than `longest` bytes.
    """
    if len(value) > longest:
        raise ValueError(f"{name} is longer than {longest} bytes")
    return value


def padded(record: bytes) -> bytes:
    """A record with zeros up to the one length."""
    return record.ljust(PLAIN_BYTES, b"\0")
