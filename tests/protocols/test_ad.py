# SPDX-License-Identifier: Apache-2.0
"""AD structures: round trips, any bytes, and what is malformed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bzd.protocols import ad

octets = st.integers(0, 255)
payloads = st.binary(max_size=29)
structures = st.tuples(octets, payloads)
uuids = st.one_of(
    st.integers(0, 0xFFFF).map(ad.uuid_16),
    st.integers(0, 0xFFFFFFFF).map(lambda number: ad.uuid_from_bytes(number.to_bytes(4, "little"))),
    st.binary(min_size=16, max_size=16).map(ad.uuid_from_bytes),
)


@given(st.binary(max_size=80))
def test_any_bytes_parse(data: bytes) -> None:
    """No bytes make parsing fail, and what it finds lies within the data."""
    parts = list(ad.split(data))
    assert sum(len(payload) + 2 for _, payload in parts) <= len(data)
    parsed = ad.parse(data)
    assert all(payload in data for payload in (*parsed.service_data.values(), *parsed.manufacturer_data.values()))


@given(st.lists(structures, max_size=8), st.binary(max_size=5))
def test_split_is_the_inverse_of_structure(parts: list[tuple[int, bytes]], padding: bytes) -> None:
    """Structures put together come apart again; zero padding behind them adds nothing."""
    data = b"".join(ad.structure(kind, payload) for kind, payload in parts)
    assert list(ad.split(data)) == parts
    assert list(ad.split(data + b"\0" + padding)) == parts


@given(st.lists(structures, min_size=1, max_size=8), st.data())
def test_a_cut_loses_the_cut_structure_only(parts: list[tuple[int, bytes]], draw: st.DataObject) -> None:
    """Data cut short at any byte gives the structures before the cut, whole, and no other."""
    data = b"".join(ad.structure(kind, payload) for kind, payload in parts)
    cut = draw.draw(st.integers(0, len(data) - 1))
    found = list(ad.split(data[:cut]))
    assert found == parts[: len(found)]
    assert sum(len(payload) + 2 for _, payload in parts[: len(found) + 1]) > cut


@given(
    flags=st.none() | octets,
    service_uuids=st.lists(uuids, max_size=4, unique=True),
    service_data=st.dictionaries(uuids, payloads, max_size=3),
    manufacturer_data=st.dictionaries(st.integers(0, 0xFFFF), payloads, max_size=3),
)
def test_parse_is_the_inverse_of_build(
    flags: int | None, service_uuids: list[str], service_data: dict[str, bytes], manufacturer_data: dict[int, bytes]
) -> None:
    """What is built from parts parses to the same parts; UUIDs of one size keep their order."""
    data = ad.build(
        flags=flags, service_uuids=service_uuids, service_data=service_data, manufacturer_data=manufacturer_data
    )
    parsed = ad.parse(data)
    assert (parsed.flags, parsed.tx_power) == (flags, None)
    assert (parsed.service_data, parsed.manufacturer_data) == (service_data, manufacturer_data)
    size = {uuid: len(ad.uuid_to_bytes(uuid)) for uuid in service_uuids}
    assert set(parsed.service_uuids) == set(service_uuids)
    for length in (2, 4, 16):
        assert [uuid for uuid in parsed.service_uuids if size[uuid] == length] == [
            uuid for uuid in service_uuids if size[uuid] == length
        ]


@given(st.binary(min_size=16, max_size=16))
def test_uuids_survive(raw: bytes) -> None:
    """A 128-bit UUID goes through its shortest form unharmed, in either case of letters."""
    uuid = ad.uuid_from_bytes(raw)
    assert ad.uuid_from_bytes(ad.uuid_to_bytes(uuid)) == uuid
    assert ad.uuid_to_bytes(uuid.upper()) == ad.uuid_to_bytes(uuid)


def test_uuid_forms() -> None:
    """The three forms of one UUID are one; the shortest is sent, and only if the base is the Bluetooth base."""
    uuid = "0000fd6f-0000-1000-8000-00805f9b34fb"
    forms = ("6ffd", "6ffd0000", "fb349b5f80000080001000006ffd0000")
    assert {ad.uuid_from_bytes(bytes.fromhex(form)) for form in forms} == {uuid}
    assert ad.uuid_16(0xFD6F) == uuid
    assert ad.uuid_to_bytes(uuid).hex() == "6ffd"
    assert ad.uuid_to_bytes("0001fd6f-0000-1000-8000-00805f9b34fb").hex() == "6ffd0100"
    assert ad.uuid_to_bytes("0000fd6f-0000-1000-8000-00805f9b34fa").hex() == "fa349b5f80000080001000006ffd0000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fd6f",
        "0000fd6f00001000800000805f9b34fb",
        "0000fd6f-0000-1000-8000-00805f9b34f",
        "{0000fd6f-0000-1000-8000-00805f9b34fb}",
        "0000fd6f-0000-1000-8000-00805f9b34fg",
        "0000fd6f-0000-1000-8000-00805f9b34fb\n",
        "0" * 1_000_000,
    ],
    ids=range(8),
)
def test_what_is_no_uuid(text: str) -> None:
    """Only the dashed 128-bit form is taken, and the error stays short."""
    with pytest.raises(ValueError, match="not a 128-bit UUID") as caught:
        ad.uuid_to_bytes(text)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    "parts",
    [
        {"flags": 256},
        {"flags": -1},
        {"manufacturer_data": {65536: b""}},
        {"manufacturer_data": {-1: b""}},
        {"manufacturer_data": {1: bytes(253)}},
        {"service_data": {ad.uuid_16(1): bytes(253)}},
        {"service_data": {"heart rate": b""}},
        {"service_uuids": [ad.uuid_16(number) for number in range(128)]},
    ],
)
def test_parts_that_do_not_fit(parts: dict[str, Any]) -> None:
    """Whatever does not fit its octets is a ValueError and nothing else."""
    with pytest.raises(ValueError, match=r"bytes|UUID|16 bits|range"):
        ad.build(**parts)


def test_what_parse_leaves_out() -> None:
    """Fields too short for what they claim, and TX power of the wrong length, are left out; the rest stays."""
    data = bytes.fromhex("0116 02166f 01ff 02ff4c 0101 020a05 030a0102 0303 6f fd".replace(" ", ""))
    assert ad.parse(data) == ad.AdStructures(tx_power=5, service_uuids=(ad.uuid_16(0xFD6F),))
    assert ad.parse(bytes.fromhex("0403 6ffd 68")).service_uuids == (ad.uuid_16(0xFD6F),)


def test_the_last_of_several_counts() -> None:
    """Repeated structures: the last service data, manufacturer data, flags and power; each UUID once."""
    data = ad.build(
        flags=1, service_data={ad.uuid_16(5): b"a"}, manufacturer_data={7: b"a"}, service_uuids=[ad.uuid_16(5)]
    )
    again = ad.build(flags=2, service_data={ad.uuid_16(5): b"b"}, manufacturer_data={7: b"b"})
    parsed = ad.parse(data + again + bytes.fromhex("0302 0500 020aff 020afe"))
    assert parsed == ad.AdStructures(2, (ad.uuid_16(5),), {ad.uuid_16(5): b"b"}, {7: b"b"}, -2)


def test_defaults_cannot_be_changed() -> None:
    """The empty mappings that all AdStructures share are read-only."""
    with pytest.raises(TypeError):
        ad.AdStructures().service_data["x"] = b""  # type: ignore[index]
    with pytest.raises(TypeError):
        ad.AdStructures().manufacturer_data[1] = b""  # type: ignore[index]
