# SPDX-License-Identifier: Apache-2.0
"""btsnoop files."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from bzd.errors import TraceError
from bzd.model import Advertisement

COMMAND_COMPLETE = bytes.fromhex("0e0401030c00")


def test_h4_record_becomes_an_advertisement(build: Any, reads: Any) -> None:
    """Every field of a report arrives: time of the record, address, type, RSSI and data."""
    read = reads(build.btsnoop([build.h4(build.event())]))
    assert read.advertisements == [Advertisement(build.time, build.address, "random", -60, build.data)]
    assert read.format == "btsnoop (H4)"
    assert read.problem is None


def test_flags_tell_events_from_commands_and_data(build: Any, reads: Any) -> None:
    """In datalink 1001 a received command-or-event record is an event; the same bytes as data or command are not."""
    found = [
        len(reads(build.btsnoop([build.event()], datalink=1001, flags=flags)).advertisements) for flags in range(4)
    ]
    assert found == [0, 0, 0, 1]


def test_monitor_reads_events_of_every_adapter(build: Any, reads: Any) -> None:
    """In datalink 2001 opcode 3 is an event, whichever adapter the upper half names; other opcodes are not."""
    for adapter in (0, 1, 65535):
        assert len(reads(build.btsnoop([build.event()], datalink=2001, flags=adapter << 16 | 3)).advertisements) == 1
    for opcode in (0, 1, 2, 4, 5, 12, 17):
        assert reads(build.btsnoop([build.event()], datalink=2001, flags=opcode)).advertisements == []


def test_fragments_of_two_adapters_are_kept_apart(build: Any, reads: Any) -> None:
    """The second adapter's piece does not complete the first one's data."""
    first, last = build.extended(b"\1\2", status=1), build.extended(b"\3\4", status=0)
    records = (
        build.btsnoop([first], datalink=2001, flags=3) + build.btsnoop([last], datalink=2001, flags=1 << 16 | 3)[16:]
    )
    read = reads(records)
    assert [advertisement.data for advertisement in read.advertisements] == [b"\3\4"]
    assert read.counts.lost_fragments == 1


def test_time_offset_is_added(build: Any, reads: Any) -> None:
    """A recorder two hours ahead is set right."""
    read = reads(build.btsnoop([build.h4(build.event())]), time_offset=-7200.0)
    assert read.advertisements[0].time == build.time - 7200


def test_every_record_is_counted(build: Any, reads: Any) -> None:
    """Records without a report are counted by kind."""
    vendor = bytes.fromhex("04ff020102")
    read = reads(build.btsnoop([build.h4(build.event()), build.h4(COMMAND_COMPLETE), vendor, b"\x02\0\0", b""]))
    counts = read.counts
    assert (counts.records, counts.reports, counts.vendor, counts.other) == (5, 1, 1, 3)


def test_records_cut_short_by_the_recorder_are_counted(build: Any, reads: Any) -> None:
    """An original length above the included one is counted, and what is there is still read."""
    read = reads(build.btsnoop([build.h4(build.event())], original=100))
    assert (read.counts.cut_short, len(read.advertisements)) == (1, 1)


def test_every_cut_gives_what_is_whole(build: Any, reads: Any) -> None:
    """Cut anywhere behind the header, a trace gives each record before the cut and says that it is cut off."""
    packet = build.h4(build.event())
    whole, size = build.btsnoop([packet] * 3), 24 + len(packet)
    for end in range(16, len(whole) + 1):
        read = reads(whole[:end])
        assert len(read.advertisements) == (end - 16) // size
        assert read.counts.truncated == ((end - 16) % size != 0)


def test_a_record_that_claims_gigabytes_ends_the_trace(build: Any, reads: Any) -> None:
    """A length beyond any packet is damage: what came before is given, and where it is said."""
    whole = build.btsnoop([build.h4(build.event())])
    read = reads(whole + struct.pack(">IIIIQ", 2**32 - 1, 2**32 - 1, 0, 0, 0))
    assert len(read.advertisements) == 1
    assert read.problem == f"it is damaged at byte {len(whole)}: a record claims 4294967295 bytes"


def test_times_before_1970_are_counted(build: Any, reads: Any) -> None:
    """A record of a recorder whose clock was never set is not used, and counted."""
    whole = bytearray(build.btsnoop([build.h4(build.event())]))
    whole[32:40] = bytes(8)
    read = reads(bytes(whole))
    assert (read.advertisements, read.counts.bad_time) == ([], 1)


@pytest.mark.parametrize(("version", "datalink"), [(2, 1002), (1, 1003), (1, 2002), (1, 77)])
def test_unknown_kinds_are_refused_by_name(reads: Any, version: int, datalink: int) -> None:
    """Another version or datalink is an error that names it."""
    with pytest.raises(TraceError, match=str(version if version == 2 else datalink)):
        reads(b"btsnoop\0" + struct.pack(">II", version, datalink) + bytes(100))
