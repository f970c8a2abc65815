# SPDX-License-Identifier: Apache-2.0
"""Sniffed link-layer packets."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from bzd.traces.counts import TraceCounts
from bzd.traces.linklayer import LinkLayerDecoder, crc24

ADV_A, ADI, AUX_POINTER, TX_POWER = 0x01, 0x08, 0x10, 0x40


@pytest.fixture
def counts() -> TraceCounts:
    """Fresh counters."""
    return TraceCounts()


@pytest.fixture
def decoder(counts: TraceCounts) -> LinkLayerDecoder:
    """A fresh decoder."""
    return LinkLayerDecoder(counts)


def _extended(build: Any, flags: int, fields: bytes, data: bytes = b"") -> bytes:
    payload = bytes((1 + len(fields), flags)) + fields + data
    return bytes(build.air(bytes((0x47, len(payload))) + payload))


def test_crc_of_the_catalogue() -> None:
    """CRC-24/BLE of "123456789" is 0xC25A56 (the check value of the catalogue of parametrised CRC algorithms)."""
    assert crc24(b"123456789") == 0xC25A56.to_bytes(3, "little")


def test_crc_equals_the_shift_register(build: Any) -> None:
    """The table gives what the shift register of the specification gives."""
    for pdu in (b"", b"\0", b"\xff" * 40, bytes(range(39))):
        assert crc24(pdu) == build.crc(pdu)


def test_a_wrong_checksum_is_counted_and_not_used(build: Any, decoder: LinkLayerDecoder, counts: TraceCounts) -> None:
    """Any flipped bit behind the access address loses the packet."""
    packet = build.link_packet()
    for bit in range(32, len(packet) * 8):
        flipped = bytearray(packet)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decoder.bare(1.0, bytes(flipped)) == ()
    assert counts.bad_crc + counts.malformed == (len(packet) - 4) * 8
    assert counts.malformed < 8  # flips of the length that leave no checksum to compare


def test_packets_without_checksum_are_read(build: Any, decoder: LinkLayerDecoder) -> None:
    """Recorders that leave out the CRC give the same advertisement."""
    assert decoder.bare(1.0, build.link_packet(crc=False)) == decoder.bare(1.0, build.link_packet())


@pytest.mark.parametrize("kind", range(16))
def test_pdu_types(build: Any, decoder: LinkLayerDecoder, kind: int) -> None:
    """Types 0, 2, 4 and 6 carry data, 1 is directed and has none; requests and other types give nothing."""
    found = [advertisement.data for advertisement in decoder.bare(1.0, build.link_packet(b"\2\1\6", kind=kind))]
    assert found == {0: [b"\2\1\6"], 1: [b""], 2: [b"\2\1\6"], 4: [b"\2\1\6"], 6: [b"\2\1\6"]}.get(kind, [])


def test_connections_are_passed_over(decoder: LinkLayerDecoder, counts: TraceCounts) -> None:
    """A packet of another access address is counted as other."""
    assert decoder.bare(1.0, bytes(20)) == ()
    assert counts.other == 1


@pytest.mark.parametrize(
    ("flags", "rssi", "given"),
    [(0x0003, -60, 1), (0x0001, None, 1), (0x0002, None, 0), (0x0C03, -60, 1), (0x0403, -60, 0)],
)
def test_flags_of_the_rf_header(
    build: Any, decoder: LinkLayerDecoder, flags: int, rssi: int | None, given: int
) -> None:
    """Signal power counts if valid; whitened packets cannot be read; a checksum that was checked is not computed."""
    found = decoder.with_rf_header(1.0, struct.pack("<BbbBIH", 0, -60, 0, 0, 0, flags) + build.link_packet())
    assert [advertisement.rssi for advertisement in found] == [rssi] * given


def test_coded_phy_has_an_octet_more(build: Any, decoder: LinkLayerDecoder) -> None:
    """On the coded PHY the coding indicator between access address and PDU is passed over."""
    header = struct.pack("<BbbBIH", 0, -60, 0, 0, 0, 0x8003)
    assert decoder.with_rf_header(1.0, header + build.link_packet(coded=True))[0].data == build.data
    nordic = bytes((1, 0x38, 0, 3, 0, 0, 2, 10, 0x21, 37, 60)) + bytes(6)
    assert decoder.nordic(1.0, nordic + build.link_packet(coded=True))[0].data == build.data


def test_nordic_checksum_flag(build: Any, decoder: LinkLayerDecoder, counts: TraceCounts) -> None:
    """The sniffer's own verdict counts; an unknown header version is malformed."""
    bad = bytes((1, 0x38, 0, 3, 0, 0, 2, 10, 0x00, 37, 60)) + bytes(6)
    assert decoder.nordic(1.0, bad + build.link_packet()) == ()
    assert decoder.nordic(1.0, bytes((1, 0x38, 0, 9, 0, 0, 2, 10, 0x01, 37, 60)) + bytes(6) + build.link_packet()) == ()
    assert (counts.bad_crc, counts.malformed) == (1, 1)


def test_extended_advertising(build: Any, decoder: LinkLayerDecoder) -> None:
    """AUX_ADV_IND with address, set, tx power and data is one advertisement."""
    fields = build.raw_address + b"\x75\x0e" + b"\xf8"
    [found] = decoder.bare(1.0, _extended(build, ADV_A | ADI | TX_POWER, fields, build.data))
    assert (found.address, found.address_type, found.data, found.tx_power) == (build.address, "random", build.data, -8)


def test_chains_are_joined_and_named(build: Any, decoder: LinkLayerDecoder) -> None:
    """The announcement has the address, two further packets the data: one advertisement, whole."""
    adi, pointer = b"\x75\x0e", b"\1\2\3"
    announce = _extended(build, ADV_A | ADI | AUX_POINTER, build.raw_address + adi + pointer)
    assert decoder.bare(1.0, announce) == ()
    assert decoder.bare(1.1, _extended(build, ADI | AUX_POINTER, adi + pointer, b"\1\2")) == ()
    [found] = decoder.bare(1.2, _extended(build, ADI, adi, b"\3"))
    assert (found.address, found.data) == (build.address, b"\1\2\3")


def test_anonymous_extended_advertising(build: Any, decoder: LinkLayerDecoder) -> None:
    """Data without any address has none."""
    [found] = decoder.bare(1.0, _extended(build, ADI, b"\x01\x02", b"\2\1\6"))
    assert (found.address, found.address_type) == ("", None)


@pytest.mark.parametrize("length", [0x3F, 0x02])
def test_extended_headers_that_do_not_fit(
    build: Any, decoder: LinkLayerDecoder, counts: TraceCounts, length: int
) -> None:
    """A header longer than the PDU, or shorter than its fields, is malformed."""
    payload = bytes((length, ADV_A | ADI)) + build.raw_address
    assert decoder.bare(1.0, build.air(bytes((0x47, len(payload))) + payload)) == ()
    assert counts.malformed == 1
