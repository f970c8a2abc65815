# SPDX-License-Identifier: Apache-2.0
"""Classic pcap files."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from bzd.errors import TraceError


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_both_endians_and_both_resolutions(build: Any, reads: Any, order: str, nano: bool) -> None:  # noqa: FBT001
    """The time is the same whatever the byte order and the unit of its fraction."""
    read = reads(build.pcap([build.h4(build.event())], 187, order=order, nano=nano))
    assert [(found.time, found.data) for found in read.advertisements] == [(build.time, build.data)]
    assert read.format == "pcap (HCI H4)"


def test_every_link_type_is_read(build: Any, reads: Any) -> None:
    """One advertisement in each of the six framings gives the same data and address."""
    event = build.event()
    rf_header = struct.pack("<BbbBIH", 37, -60, -90, 0, 0x8E89BED6, 0x0003)
    nordic = bytes((1, 0x38, 0, 3, 0, 0, 2, 10, 0x01, 37, 60)) + bytes(6)
    packets = {
        187: build.h4(event),
        201: b"\0\0\0\1" + build.h4(event),
        251: build.link_packet(),
        254: b"\0\0\0\3" + event,
        256: rf_header + build.link_packet(),
        272: nordic + build.link_packet(),
    }
    for link_type, packet in packets.items():
        [found] = reads(build.pcap([packet], link_type)).advertisements
        assert (found.address, found.address_type, found.data) == (build.address, "random", build.data), link_type
        assert found.rssi == (None if link_type == 251 else -60)


@pytest.mark.parametrize(
    ("link_type", "said"),
    [(1, "Ethernet"), (147, "nordic_ble"), (189, "btmon -w"), (192, "ubertooth"), (220, "btmon -w"), (9999, "256")],
)
def test_other_link_types_are_named_with_what_to_do(build: Any, reads: Any, link_type: int, said: str) -> None:
    """A link type without advertising is an error that names it, and its hint says how to go on."""
    with pytest.raises(TraceError, match=str(link_type)) as caught:
        reads(build.pcap([b"x"], link_type))
    assert said in f"{caught.value} {caught.value.hint}"


def test_modified_pcap_is_refused(reads: Any) -> None:
    """The format of old Linux systems, whose records have eight octets more, is named."""
    with pytest.raises(TraceError, match="modified pcap"):
        reads(struct.pack("<I", 0xA1B2CD34) + bytes(40))


def test_a_record_that_claims_gigabytes_is_not_allocated(build: Any, reads: Any) -> None:
    """A length of 4 GB is damage, not memory."""
    whole = build.pcap([build.h4(build.event())], 187)
    read = reads(whole + struct.pack("<IIII", 0, 0, 2**32 - 1, 2**32 - 1) + b"x")
    assert len(read.advertisements) == 1
    assert "claims 4294967295 bytes" in read.problem


def test_snapped_records_are_counted(build: Any, reads: Any) -> None:
    """A record shorter than the packet was is counted as cut short."""
    whole = bytearray(build.pcap([build.h4(build.event())], 187))
    whole[36:40] = struct.pack("<I", 99)
    assert reads(bytes(whole)).counts.cut_short == 1


def test_the_frame_check_length_in_the_link_type_is_left_alone(build: Any, reads: Any) -> None:
    """The upper four bits of the link type field are no part of it."""
    whole = bytearray(build.pcap([build.h4(build.event())], 187))
    whole[23] |= 0xF0
    assert len(reads(bytes(whole)).advertisements) == 1


def test_every_cut_gives_what_is_whole(build: Any, reads: Any) -> None:
    """Cut anywhere, a file gives the records before the cut."""
    packet = build.h4(build.event())
    whole, size = build.pcap([packet] * 2, 187), 16 + len(packet)
    for end in range(24, len(whole) + 1):
        assert len(reads(whole[:end]).advertisements) == (end - 24) // size
