# SPDX-License-Identifier: Apache-2.0
"""DP-3T low-cost: published vectors, the bytes on air."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bzd.model import Identifier
from bzd.protocols import dp3t, recognise

PROTOCOL = dp3t.PROTOCOL
VECTORS = {
    0: "eb0958c011492732c59e3ed2a5eef01d",
    1: "0a61d3d58d430c4d3d9ef809598f55b2",
    95: "c2ff48f3a5ee557ee6a05b837eeae882",
}
"""EphIDs of a zero key, from DP-3T/reference_implementation, tests/test_lowcost.py."""
IDENTIFIER = Identifier("dp3t", bytes.fromhex(VECTORS[0]))
ON_AIR = bytes.fromhex("02011a030368fd131668fd" + VECTORS[0])


def test_embedded_vectors() -> None:
    """EphIDs of a zero key, in one call and one by one, and the first of the next day."""
    ids = PROTOCOL.rolling_ids(bytes(32), 96 * 7, 96)
    assert {index: ids[index].hex() for index in VECTORS} == VECTORS
    assert ids == [PROTOCOL.rolling_ids(bytes(32), 96 + index, 1)[0] for index in range(96)]
    assert PROTOCOL.rolling_ids(PROTOCOL.next_key(bytes(32)), 0, 1)[0].hex() == "04cab76af57ca373de1d52689fae06c1"


def test_published_vectors(shared: Path) -> None:
    """All published EphIDs of three days, whose keys follow one from the other."""
    vectors = json.loads((shared / "vectors" / "dp3t.json").read_text())["lowcost"]
    key = bytes(32)
    for key_hex, expected in vectors.items():
        assert key.hex() == key_hex
        ids = PROTOCOL.rolling_ids(key, 0, 96)
        assert {index: ids[int(index)].hex() for index in expected} == expected
        key = PROTOCOL.next_key(key)


def test_payload() -> None:
    """Encoding gives UUID list and service data; it decodes to the same, with flags and without."""
    assert PROTOCOL.encode(IDENTIFIER, flags=0x1A) == ON_AIR
    assert PROTOCOL.encode(IDENTIFIER) == ON_AIR[3:]
    assert recognise(ON_AIR) == recognise(ON_AIR[3:]) == recognise(ON_AIR[7:]) == (IDENTIFIER,)


def test_refuses_other_lengths() -> None:
    """Service data of 15 or 17 bytes, and the UUID alone, are no EphID."""
    body = ON_AIR[11:]
    for data in (b"\x12\x16\x68\xfd" + body[:-1], b"\x14\x16\x68\xfd" + body + b"\0", ON_AIR[:7]):
        assert recognise(data) == ()


def test_order_within_a_day_is_not_that_of_broadcast() -> None:
    """The interface says that the time of day of an EphID proves nothing."""
    assert PROTOCOL.shuffled


def test_wrong_lengths_and_days_are_refused() -> None:
    """Keys and identifiers of the wrong length or protocol, and epochs beyond the key's day, are errors."""
    for call in (
        lambda: PROTOCOL.rolling_ids(bytes(31), 0, 1),
        lambda: PROTOCOL.next_key(bytes(33)),
        lambda: PROTOCOL.encode(IDENTIFIER._replace(rolling_id=bytes(17))),
        lambda: PROTOCOL.encode(IDENTIFIER._replace(protocol="gaen")),
    ):
        with pytest.raises(ValueError, match="dp3t"):
            call()
    with pytest.raises(ValueError, match="UTC day"):
        PROTOCOL.rolling_ids(bytes(32), 95, 2)
