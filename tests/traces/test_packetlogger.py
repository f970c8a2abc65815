# SPDX-License-Identifier: Apache-2.0
"""Apple PacketLogger files."""

from __future__ import annotations

from typing import Any

import pytest

from bzd.errors import TraceError
from bzd.traces.packetlogger import recognises


@pytest.mark.parametrize(("order", "name"), [(">", "big"), ("<", "little")])
def test_both_endians(build: Any, reads: Any, order: str, name: str) -> None:
    """Events are read from either byte order, and the order is named."""
    read = reads(build.packetlogger([(0xFC, b"note"), (0, b"\x0c\x20\x02\1\0"), (1, build.event())], order))
    assert [(found.time, found.data, found.rssi) for found in read.advertisements] == [
        (build.time + 2, build.data, -60)
    ]
    assert read.format == f"PacketLogger ({name}-endian)"
    assert read.trace.scans.starts == [build.time + 1]


@pytest.mark.parametrize("kind", [0, 2, 3, 8, 9, 0xFB, 0xFE])
def test_only_type_1_is_an_event(build: Any, reads: Any, kind: int) -> None:
    """The same bytes as command, data or note are no report."""
    read = reads(build.packetlogger([(kind, build.event())]))
    assert (read.advertisements, read.counts.other) == ([], 1)


def test_what_only_begins_like_a_record_is_not_recognised(build: Any) -> None:
    """The record that follows must make sense too."""
    good = build.packetlogger([(1, b"\x0e\0")])
    assert recognises(good)
    assert not recognises(good + b"this is no record")


def test_a_record_too_short_for_its_header_is_damage(build: Any, reads: Any) -> None:
    """A length below the nine octets that it counts ends the trace."""
    read = reads(build.packetlogger([(1, build.event())] * 4) + b"\0\0\0\3" + bytes(20))
    assert len(read.advertisements) == 4
    assert "claims -6 bytes" in read.problem


def test_text_is_not_packetlogger(reads: Any) -> None:
    """A text file is refused and quoted."""
    with pytest.raises(TraceError, match="text file that begins 'hello"):
        reads(b"hello world, this is a text of some length")
