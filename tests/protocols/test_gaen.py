# SPDX-License-Identifier: Apache-2.0
"""GAEN: published vectors, the bytes on air, metadata versions and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bzd.model import Identifier
from bzd.protocols import ad, gaen, recognise

TEK = bytes.fromhex("75c734c6dd1a782de7a965da5eb93125")
FIRST = 2642976
RPIS = {
    0: ("8be6cd371c5c891604bfbe49df845096", "72033874"),
    1: ("3c9a1de5dd6b02afa7fded7b570b3e56", "c29211b1"),
    2: ("243ffe9a3b08bded3094bac8630bb8ad", "6adfad03"),
    3: ("dfc3ed265e97d0eabb630e168b4214ed", "f1e2f80b"),
    143: ("f431b62ecf443102ce4ed0407de54bd4", "1215e57e"),
}
"""Some of the "test vectors (v1.2)" in google/exposure-notifications-internals, TestVectors.java."""
VECTOR_0 = bytes.fromhex("02011a03036ffd17166ffd8be6cd371c5c891604bfbe49df84509672033874")
IDENTIFIER_0 = Identifier("gaen", bytes.fromhex(RPIS[0][0]), bytes.fromhex(RPIS[0][1]))
PROTOCOL = gaen.PROTOCOL

keys = st.binary(min_size=16, max_size=16)
metadata = st.builds(
    gaen.Metadata,
    tx_power=st.integers(-127, 127),
    confidence=st.integers(0, 3),
    major=st.integers(0, 3),
    minor=st.integers(1, 3),
) | st.builds(gaen.Metadata, tx_power=st.integers(-127, 127), major=st.integers(0, 3))


def test_keys_derive_as_published() -> None:
    """RPIK and AEMK of the published TEK are the published ones."""
    assert gaen.rpi_key(TEK).hex() == "185ad91db69ec7dd048960f1f3ba6175"
    assert gaen.aem_key(TEK).hex() == "d57c46af7a1d83965b9bed8bd152936a"


@pytest.mark.parametrize("index", RPIS)
def test_embedded_vectors(index: int) -> None:
    """A single interval gives the published RPI, and tx power +8 dBm the published AEM."""
    rpi, aem = (bytes.fromhex(text) for text in RPIS[index])
    assert PROTOCOL.rolling_ids(TEK, FIRST + index, 1) == [rpi]
    assert PROTOCOL.seal_metadata(TEK, rpi, 8) == aem
    assert PROTOCOL.open_tx_power(TEK, rpi, aem) == 8


def test_all_published_vectors(shared: Path) -> None:
    """All 144 pairs of RPI and AEM of the published TEK, in one call and one by one."""
    vectors = json.loads((shared / "vectors" / "gaen_v1_2.json").read_text())
    tek, first = bytes.fromhex(vectors["tek"]), vectors["rolling_start_interval"]
    pairs = [(bytes.fromhex(rpi), bytes.fromhex(aem)) for rpi, aem in vectors["rpi_aem"]]
    assert len(pairs) == 144
    ids = PROTOCOL.rolling_ids(tek, first, 144)
    assert ids == [rpi for rpi, _ in pairs]
    assert ids == [PROTOCOL.rolling_ids(tek, first + index, 1)[0] for index in range(144)]
    stated = gaen.Metadata.unpack(bytes.fromhex(vectors["metadata"]))
    assert stated == gaen.Metadata(tx_power=8)
    assert [gaen.seal(tek, rpi, stated) for rpi in ids] == [aem for _, aem in pairs]
    assert {gaen.unseal(tek, rpi, aem) for rpi, aem in pairs} == {stated}


def test_payload_is_the_exact_31_bytes() -> None:
    """Encoding gives the payload of the specification, byte for byte, and 28 bytes without flags."""
    assert PROTOCOL.encode(IDENTIFIER_0, flags=0x1A) == VECTOR_0
    assert PROTOCOL.encode(IDENTIFIER_0) == VECTOR_0[3:]


HEAD, BODY = bytes.fromhex("03036ffd"), VECTOR_0[-20:]


@pytest.mark.parametrize(
    "data",
    [
        VECTOR_0,
        VECTOR_0[3:],
        VECTOR_0[7:],
        bytes.fromhex("17166ffd") + BODY + bytes.fromhex("020a08"),
        bytes.fromhex("09084e6f6b696120333107ff4c0010020b00") + VECTOR_0[3:],
        bytes.fromhex("19206ffd0000") + BODY,
        bytes.fromhex("2521fb349b5f80000080001000006ffd0000") + BODY,
        VECTOR_0 + bytes(20),
        VECTOR_0 + b"\x1e\xff\x4c",
        bytes.fromhex("03166ffd") + VECTOR_0,
    ],
    ids=[
        "iphone",
        "no flags",
        "service data alone",
        "tx power behind it",
        "name and apple data before it",
        "32-bit uuid",
        "128-bit uuid",
        "zero padding",
        "cut structure behind it",
        "empty service data before it",
    ],
)
def test_decodes_whatever_surrounds_it(data: bytes) -> None:
    """The service data alone decides, in any UUID form and with anything around it."""
    assert recognise(data) == (IDENTIFIER_0,)


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("16166ffd") + BODY[:-1],
        bytes.fromhex("18166ffd") + BODY + b"\0",
        bytes.fromhex("03166ffd"),
        HEAD,
        VECTOR_0[:-1],
        bytes.fromhex("1716fd6f") + BODY,
        bytes.fromhex("17ff6ffd") + BODY,
        bytes.fromhex("19206ffd0100") + BODY,
        bytes.fromhex("2521fb349b5f80000080001000016ffd0000") + BODY,
        b"\0" + VECTOR_0,
    ],
    ids=[
        "19 bytes",
        "21 bytes",
        "none",
        "uuid alone",
        "cut short",
        "big-endian uuid",
        "manufacturer data",
        "another 32-bit uuid",
        "another 128-bit uuid",
        "after the end of the data",
    ],
)
def test_refuses_what_is_not_quite_it(data: bytes) -> None:
    """Only service data of exactly 0xFD6F and exactly 20 bytes counts."""
    assert recognise(data) == ()


def test_real_events_from_two_phones(shared: Path) -> None:
    """The adverts in raw HCI events of an Android phone and an iPhone decode, as does one without its event."""
    lines = (shared / "data" / "captures" / "misc" / "en_hci_hexdumps.txt").read_text().splitlines()
    events = [bytes.fromhex(line) for line in lines if line.startswith("04 3E")]
    # Packet type, event, length, subevent, count, type, address type and address come first; the RSSI last.
    found = [recognise(event[14 : 14 + event[13]]) for event in events]
    alone = next(line for line in lines if line.startswith("AD "))
    found.append(recognise(bytes.fromhex(alone[3:])))
    assert [[identifier.rolling_id[:2].hex() for identifier in identifiers] for identifiers in found] == [
        ["2cfb"],
        ["e932"],
        ["e23f"],
    ]
    assert all(len(identifier.metadata) == 4 for (identifier,) in found)


@given(metadata)
def test_metadata_survives_packing(stated: gaen.Metadata) -> None:
    """Every metadata of every version packs into 4 bytes, reserved ones zero, and unpacks to itself."""
    raw = stated.pack()
    assert len(raw) == 4
    assert raw[2:] == b"\0\0"
    assert gaen.Metadata.unpack(raw) == stated


@given(st.binary(min_size=4, max_size=4))
def test_metadata_of_any_bytes(raw: bytes) -> None:
    """Any 4 bytes unpack; what they say is as the specification places it."""
    stated = gaen.Metadata.unpack(raw)
    assert (stated.major, stated.minor) == (raw[0] >> 6, raw[0] >> 4 & 3)
    assert stated.tx_power == int.from_bytes(raw[1:2], signed=True)
    assert stated.confidence == (raw[0] >> 2 & 3 if stated.minor else None)


def test_metadata_versions() -> None:
    """1.0 is 40, 1.1 is 50 with the confidence in bits 3 and 2."""
    assert gaen.Metadata(-21).pack().hex() == "40eb0000"
    assert gaen.Metadata(-21, confidence=3, minor=1).pack().hex() == "5ceb0000"
    assert gaen.Metadata.unpack(bytes.fromhex("54080000")) == gaen.Metadata(8, confidence=1, minor=1)


@pytest.mark.parametrize(
    "stated",
    [
        gaen.Metadata(128),
        gaen.Metadata(-128),
        gaen.Metadata(0, confidence=2),
        gaen.Metadata(0, minor=1),
        gaen.Metadata(0, confidence=4, minor=1),
        gaen.Metadata(0, major=4),
    ],
)
def test_metadata_that_cannot_be_said(stated: gaen.Metadata) -> None:
    """Values that do not fit their bits are refused, not cut."""
    with pytest.raises(ValueError, match=r"tx power|version|confidence"):
        stated.pack()


@given(keys, keys, metadata)
def test_metadata_opens_with_its_key_only_for_its_id(key: bytes, rolling_id: bytes, stated: gaen.Metadata) -> None:
    """Sealing then unsealing is the identity; the interface states no tx power of another major version."""
    aem = gaen.seal(key, rolling_id, stated)
    assert gaen.unseal(key, rolling_id, aem) == stated
    assert PROTOCOL.open_tx_power(key, rolling_id, aem) == (stated.tx_power if stated.major == 1 else None)


def test_metadata_of_another_length_states_nothing() -> None:
    """Metadata that is not 4 bytes long, as from a forged store, states no tx power."""
    assert PROTOCOL.open_tx_power(TEK, bytes(16), b"") is None
    assert PROTOCOL.open_tx_power(TEK, bytes(16), bytes(5)) is None


def test_an_altered_aem_goes_unnoticed() -> None:
    """The AEM has no authentication, as documented: flipping its bits flips the stated tx power."""
    rpi, aem = (bytes.fromhex(text) for text in RPIS[0])
    assert PROTOCOL.open_tx_power(TEK, rpi, bytes([aem[0], aem[1] ^ 0x18]) + aem[2:]) == 8 ^ 0x18


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1), (0, 145), (2**32, 1), (2**32 - 1, 2)])
def test_intervals_out_of_range(first: int, count: int) -> None:
    """Intervals that do not fit 32 bits, and more than a key's day, are refused."""
    with pytest.raises(ValueError, match="intervals"):
        PROTOCOL.rolling_ids(TEK, first, count)


def test_intervals_at_the_edges() -> None:
    """The first and the last interval there are have IDs, and none are the IDs of no interval."""
    assert len({*PROTOCOL.rolling_ids(TEK, 0, 1), *PROTOCOL.rolling_ids(TEK, 2**32 - 1, 1)}) == 2
    assert PROTOCOL.rolling_ids(TEK, FIRST, 0) == []


def test_wrong_lengths_are_refused_without_showing_the_key() -> None:
    """A key of the wrong length is an error that does not contain it; so are rolling ID and metadata."""
    for call in (
        lambda: PROTOCOL.rolling_ids(TEK + b"\0", 0, 1),
        lambda: PROTOCOL.next_key(TEK[:-1]),
        lambda: PROTOCOL.seal_metadata(TEK, bytes(15), 0),
        lambda: PROTOCOL.encode(IDENTIFIER_0._replace(rolling_id=bytes(15))),
        lambda: PROTOCOL.encode(IDENTIFIER_0._replace(metadata=b"")),
        lambda: PROTOCOL.encode(IDENTIFIER_0._replace(protocol="dp3t")),
    ):
        with pytest.raises(ValueError, match="gaen") as caught:
            call()
        assert TEK.hex()[:8] not in str(caught.value)


def test_days_are_independent() -> None:
    """No key follows from a TEK."""
    assert PROTOCOL.next_key(TEK) is None


def test_last_of_two_payloads_counts() -> None:
    """Of two service data for one UUID the last is taken, as BlueZ does for the live path."""
    other = IDENTIFIER_0._replace(rolling_id=bytes(range(16)))
    assert recognise(VECTOR_0 + PROTOCOL.encode(other)) == (other,)
    assert ad.parse(VECTOR_0).service_uuids == (ad.uuid_16(gaen.SERVICE),)
