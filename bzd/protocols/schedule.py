# SPDX-License-Identifier: Apache-2.0
"""Checks that the protocols' schedules and codecs share: lengths, and slots of a UTC day."""

from __future__ import annotations

from bzd.model import Identifier

DAY_S = 86400
"""Seconds of a UTC day in unix time, which has no leap seconds."""


def check_length(what: str, value: bytes, length: int) -> None:
    """Refuse a value of the wrong length without showing it, since it may be a key.

    Raises:
        ValueError: if it is not `length` bytes long.
    """
    if len(value) != length:
        raise ValueError(f"{what} of {len(value)} bytes; it has {length}")


def check_identifier(identifier: Identifier, name: str, id_bytes: int, metadata_bytes: int) -> None:
    """Refuse to broadcast an identifier that is not of protocol `name`, or is malformed.

    Raises:
        ValueError: if the protocol or a length is wrong.
    """
    if identifier.protocol != name:
        raise ValueError(f"identifier of protocol {identifier.protocol!r}; {name} cannot broadcast it")
    check_length(f"{name} rolling ID", identifier.rolling_id, id_bytes)
    check_length(f"{name} metadata", identifier.metadata, metadata_bytes)


def slot_of_day(first: int, count: int, interval_s: int) -> int:
    """The place in its UTC day, from 0, of interval `first`, for protocols whose keys hold for one day only.

    Raises:
        ValueError: if `first` or `count` is negative, or the `count` intervals reach into the next day.
    """
    per_day = DAY_S // interval_s
    slot = first % per_day
    if first < 0 or count < 0 or slot + count > per_day:
        raise ValueError(f"intervals {first} to {first + count - 1}; a daily key has {per_day}, of one UTC day")
    return slot
