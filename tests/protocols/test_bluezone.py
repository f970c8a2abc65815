# SPDX-License-Identifier: Apache-2.0
"""Bluezone version 3: IDs captured from the real app, day roll-over, the bytes on air."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bzd.model import Identifier
from bzd.protocols import bluezone, recognise

PROTOCOL = bluezone.PROTOCOL
BASE = bytes.fromhex("4C5224B397F8AB3896781D5AA0F3119F280513F1B592CA280EBDED6357E21084")
MIDNIGHT_SLOT = 1596844800 // 900
CAPTURED = {
    23: "B9A665D754FE65E665D76A45",
    24: "3AA8DFC0A15682B27216FC31",
    25: "B9A232358A6C89E7A00B673C",
    26: "C5DAD2EC90AFFA065D1E0A70",
    27: "E376E0B409BCE18ECF5F2ED4",
}
"""What the app with that base key broadcast on 2020-08-08, by slot (github.com/thaidn/bluezone)."""
IDENTIFIER = Identifier("bluezone", bytes.fromhex(CAPTURED[23]))
ON_AIR = bytes.fromhex("0201020fffb522b9a665d754fe65e665d76a450303564e")


def test_ids_of_the_real_app() -> None:
    """The captured IDs are those of their slots, in one call and one by one."""
    expected = [bytes.fromhex(text) for text in CAPTURED.values()]
    assert PROTOCOL.rolling_ids(BASE, MIDNIGHT_SLOT + 23, 5) == expected
    assert [PROTOCOL.rolling_ids(BASE, MIDNIGHT_SLOT + slot, 1)[0] for slot in CAPTURED] == expected


def test_slots_are_those_of_the_captured_times(shared: Path) -> None:
    """Each captured row's own ID is that of the slot in which its time falls, and no peer's ID is of this key."""
    vectors = json.loads((shared / "vectors" / "bluezone.json").read_text())
    own = PROTOCOL.rolling_ids(BASE, MIDNIGHT_SLOT, 96)
    rows = vectors["captured_rows"]
    assert len(rows) == 118
    for own_hex, peer_hex, _, time_ms in rows:
        assert own.index(bytes.fromhex(own_hex)) == time_ms // 900_000 - MIDNIGHT_SLOT
        assert bytes.fromhex(peer_hex) not in own


def test_days_roll_over(shared: Path) -> None:
    """Keys and IDs of the days after a zero base key are those computed from the formula."""
    computed = json.loads((shared / "vectors" / "bluezone.json").read_text())["computed_not_captured"]["zero_base"]
    key = bytes.fromhex(computed["day0_key"])
    for day in range(3):
        assert key.hex() == computed[f"day{day}_key"]
        ids = PROTOCOL.rolling_ids(key, 96 * day, 96)
        assert {slot: ids[int(slot)].hex().upper() for slot in computed[f"day{day}"]} == computed[f"day{day}"]
        key = PROTOCOL.next_key(key)


def test_embedded_roll_over() -> None:
    """The day after a zero base key, without the folder of vectors."""
    second = PROTOCOL.next_key(bytes(32))
    assert second.hex() == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
    ids = PROTOCOL.rolling_ids(second, 96, 96)
    assert (ids[0].hex(), ids[95].hex()) == ("d80cc204fa6491af30d0932a", "be7aeacff24940403a458bc6")
    assert len(set(ids)) == 96


def test_payload_is_androids() -> None:
    """Encoding gives Android's bytes in Android's order; they decode to the same."""
    assert PROTOCOL.encode(IDENTIFIER, flags=2) == ON_AIR
    assert PROTOCOL.encode(IDENTIFIER) == ON_AIR[3:]
    assert recognise(ON_AIR) == recognise(ON_AIR[3:]) == (IDENTIFIER,)


def test_uuid_may_stand_anywhere() -> None:
    """The UUID counts before the data, among others, in an incomplete list and in 32- or 128-bit form."""
    manufacturer = ON_AIR[3:19]
    for uuids in (
        "0303564e",
        "0502d0fe564e",
        "0504564e0000",
        "1107fb349b5f8000008000100000564e0000",
    ):
        assert recognise(bytes.fromhex(uuids) + manufacturer) == (IDENTIFIER,)


@pytest.mark.parametrize(
    "data",
    [
        ON_AIR[:19],
        ON_AIR[3:19] + bytes.fromhex("03034e56"),
        ON_AIR[19:],
        bytes.fromhex("0effb522") + ON_AIR[7:18] + ON_AIR[19:],
        bytes.fromhex("10ffb522") + ON_AIR[7:19] + b"\0" + ON_AIR[19:],
        bytes.fromhex("0fff22b5") + ON_AIR[7:19] + ON_AIR[19:],
        bytes.fromhex("09ffb522") + b"a1B2c3" + bytes.fromhex("110789a807add1172fa1c44bf573f4390ae2"),
        ON_AIR[:19] + bytes.fromhex("110767a607add1172fa1c44bf573564e0000"),
    ],
    ids=[
        "no uuid",
        "another uuid",
        "no manufacturer data",
        "11 bytes",
        "13 bytes",
        "another company",
        "version 1",
        "the iPhone's uuid",
    ],
)
def test_refuses_what_is_not_quite_it(data: bytes) -> None:
    """UUID and company data of exactly 12 bytes are both needed; version 1 is not logged."""
    assert recognise(data) == ()


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 97), (95, 2), (0, -1)])
def test_slots_of_another_day(first: int, count: int) -> None:
    """A daily key has no IDs beyond its day."""
    with pytest.raises(ValueError, match="UTC day"):
        PROTOCOL.rolling_ids(BASE, first, count)


def test_wrong_lengths_are_refused() -> None:
    """Keys and identifiers of the wrong length or protocol are errors."""
    for call in (
        lambda: PROTOCOL.rolling_ids(BASE[:-1], 0, 1),
        lambda: PROTOCOL.next_key(BASE + b"\0"),
        lambda: PROTOCOL.encode(IDENTIFIER._replace(rolling_id=bytes(11))),
        lambda: PROTOCOL.encode(IDENTIFIER._replace(metadata=b"\0")),
        lambda: PROTOCOL.encode(IDENTIFIER._replace(protocol="gaen")),
    ):
        with pytest.raises(ValueError, match="bluezone"):
            call()


def test_there_is_no_metadata() -> None:
    """Nothing is broadcast beside the ID, and no tx power is known."""
    assert PROTOCOL.seal_metadata(BASE, IDENTIFIER.rolling_id, 8) == b""
    assert PROTOCOL.open_tx_power(BASE, IDENTIFIER.rolling_id, b"") is None
