# SPDX-License-Identifier: Apache-2.0
"""pcapng files."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from bzd.errors import TraceError

TICKS = 1_600_000_000_250_000


def _file(build: Any, *blocks: bytes) -> bytes:
    return bytes(build.section()) + b"".join(blocks)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_endians(build: Any, reads: Any, order: str) -> None:
    """Sections of either byte order are read, comments behind packets left alone."""
    packet = build.h4(build.event())
    read = reads(build.section(order) + build.interface(187, order) + build.enhanced(packet, TICKS, order))
    assert [(found.time, found.data) for found in read.advertisements] == [(build.time, build.data)]
    assert read.format == "pcapng (HCI H4)"


def test_sections_have_their_own_order_and_interfaces(build: Any, reads: Any) -> None:
    """A second section begins anew: other byte order, other link type under the same number."""
    first = build.section() + build.interface(187) + build.enhanced(build.h4(build.event()), TICKS)
    second = build.section(">") + build.interface(251, ">") + build.enhanced(build.link_packet(), TICKS, ">")
    read = reads(first + second)
    assert [found.data for found in read.advertisements] == [build.data] * 2
    assert [found.rssi for found in read.advertisements] == [-60, None]


@pytest.mark.parametrize(
    ("resolution", "ticks"),
    [
        (6, 1_600_000_000_250_000),
        (9, 1_600_000_000_250_000_000),
        (3, 1_600_000_000_250),
        (0x80 | 10, 1_600_000_000 * 1024 + 256),
    ],
)
def test_time_resolution(build: Any, reads: Any, resolution: int, ticks: int) -> None:
    """if_tsresol counts in powers of ten, or of two."""
    interface = build.interface(187, options=[(2, b"hci0"), (9, bytes((resolution,)))])
    read = reads(_file(build, interface, build.enhanced(build.h4(build.event()), ticks)))
    assert read.advertisements[0].time == build.time


def test_time_offset_of_an_interface(build: Any, reads: Any) -> None:
    """if_tsoffset is added, in seconds, and may be negative."""
    interface = build.interface(187, options=[(14, struct.pack("<q", -3600))])
    read = reads(_file(build, interface, build.enhanced(build.h4(build.event()), TICKS)))
    assert read.advertisements[0].time == build.time - 3600


def test_interfaces_without_advertising_are_passed_over(build: Any, reads: Any) -> None:
    """Beside an interface that can be read, packets of one that cannot are counted."""
    packets = build.enhanced(b"frame", TICKS, interface=0) + build.enhanced(build.h4(build.event()), TICKS, interface=1)
    read = reads(_file(build, build.interface(1), build.interface(187), packets))
    assert (len(read.advertisements), read.counts.foreign) == (1, 1)


def test_a_file_without_advertising_is_refused(build: Any, reads: Any) -> None:
    """Only Ethernet: the error names the link type, whether there are packets or not."""
    for packets in (b"", build.enhanced(b"frame", TICKS)):
        with pytest.raises(TraceError, match="Ethernet"):
            reads(_file(build, build.interface(1), packets))


def test_a_foreign_interface_of_a_later_section_is_counted(build: Any, reads: Any) -> None:
    """Once there was something to read, another section without it is no error."""
    good = _file(build, build.interface(187), build.enhanced(build.h4(build.event()), TICKS))
    read = reads(good + _file(build, build.interface(1), build.enhanced(b"frame", TICKS)))
    assert (len(read.advertisements), read.counts.foreign) == (1, 1)


def test_simple_packets_have_no_time(build: Any, reads: Any) -> None:
    """A simple packet cannot be dated and is counted as such."""
    packet = build.h4(build.event())
    simple = build.block(3, struct.pack("<I", len(packet)) + packet)
    read = reads(_file(build, build.interface(187), simple))
    assert (read.advertisements, read.counts.bad_time) == ([], 1)


def test_old_packet_blocks(build: Any, reads: Any) -> None:
    """The obsolete packet block is read."""
    packet = build.h4(build.event())
    head = struct.pack("<HHIIII", 0, 0, TICKS >> 32, TICKS & 0xFFFFFFFF, len(packet), len(packet))
    read = reads(_file(build, build.interface(187), build.block(2, head + packet)))
    assert [found.time for found in read.advertisements] == [build.time]


def test_other_blocks_of_any_size_are_passed_over(build: Any, reads: Any) -> None:
    """Name resolution, secrets and custom blocks are skipped, also larger than any packet may be."""
    packet = build.enhanced(build.h4(build.event()), TICKS)
    read = reads(_file(build, build.interface(187), build.block(0xBAD, bytes(2_000_000)), packet))
    assert len(read.advertisements) == 1


def test_packets_that_contradict_themselves_are_counted(build: Any, reads: Any) -> None:
    """An unknown interface, and a packet longer than its block, are malformed; a negative offset changes nothing."""
    long = build.block(6, struct.pack("<IIIII", 0, 0, 0, 999, 999) + b"x")
    whole = _file(build, build.interface(187), build.enhanced(b"x", TICKS, interface=7), long, build.block(3, b""))
    read = reads(whole, time_offset=-7200.0)
    assert (read.counts.malformed, read.counts.records, read.problem) == (3, 3, None)


@pytest.mark.parametrize("length", [0, 8, 13, 2**32 - 4])
def test_impossible_block_lengths_are_damage(build: Any, reads: Any, length: int) -> None:
    """A block that is too short, unaligned or gigabytes long ends the file; what came before is given."""
    good = _file(build, build.interface(187), build.enhanced(build.h4(build.event()), TICKS))
    read = reads(good + struct.pack("<II", 6, length))
    assert len(read.advertisements) == 1
    assert "damaged" in read.problem


def test_every_cut_gives_what_is_whole(build: Any, reads: Any) -> None:
    """Cut anywhere behind the interface, a file gives the packets before the cut."""
    packet = build.enhanced(build.h4(build.event()), TICKS)
    head = _file(build, build.interface(187))
    for end in range(2 * len(packet) + 1):
        read = reads(head + (packet * 2)[:end])
        assert len(read.advertisements) == end // len(packet)
        assert read.counts.truncated == (end % len(packet) != 0)
