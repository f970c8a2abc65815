# SPDX-License-Identifier: Apache-2.0
"""Any bytes at all give advertisements, counts or a TraceError, whatever format they begin like."""

from __future__ import annotations

import gzip
import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import TraceError
from bzd.model import Advertisement
from bzd.traces.formats import recognise
from bzd.traces.links import LATEST, NAMES
from bzd.traces.source import ByteStream
from bzd.traces.statistics import gather
from bzd.traces.trace import Trace
from bzd.traces.writer import BtsnoopWriter, JsonlWriter

FORMATS = ["btsnoop", "monitor", "pcapng", "packetlogger", "jsonl", "gzip", *(f"pcap {link}" for link in NAMES)]


def _packets(build: Any) -> list[bytes]:
    """Events and commands of every kind, without H4 indicator."""
    report = b"\x01\x01" + build.raw_address + b"\x01" + bytes(6) + b"\xc0"
    directed = bytes((0x3E, 2 + len(report), 0x0B, 1)) + report
    return [build.event(), build.extended(status=1), build.extended(tx_power=4), directed, b"\xff\1\0"]


def _seed(build: Any, name: str) -> bytes:
    """A small sound trace of a format."""
    events = _packets(build)
    scan = b"\x01\x42\x20\x06\x01\0\0\0\0\0"
    h4 = [scan, *(build.h4(event) for event in events)]
    rf_header = struct.pack("<BbbBIH", 37, -60, -90, 0, 0x8E89BED6, 0x0003)
    nordic = bytes((1, 0x38, 0, 3, 0, 0, 2, 10, 0x01, 37, 60)) + bytes(6)
    payload = bytes((9, 0x09)) + build.raw_address + b"\1\2" + build.data
    air = [build.link_packet(), build.air(bytes((0x47, len(payload))) + payload)]
    framed = {
        187: h4,
        201: [bytes(4) + packet for packet in h4],
        251: air,
        254: [b"\0\0\0\3" + event for event in events],
        256: [rf_header + packet for packet in air],
        272: [nordic + packet for packet in air],
    }
    if name.startswith("pcap "):
        link_type = int(name.split()[1])
        return bytes(build.pcap(framed[link_type], link_type))
    if name == "jsonl":
        file = io.BytesIO()
        writer = JsonlWriter(file)
        for number in range(3):
            writer.write(Advertisement(build.time + number, build.address, "random", -60, build.data, 4))
        return file.getvalue()
    blocks = [build.section(), build.interface(187, options=[(9, b"\x06")]), build.interface(251)]
    made = {
        "btsnoop": build.btsnoop(h4),
        "monitor": build.btsnoop(events, datalink=2001, flags=1 << 16 | 3),
        "pcapng": b"".join(blocks + [build.enhanced(packet, 10**15) for packet in h4]),
        "packetlogger": build.packetlogger([(1, event) for event in events]),
    }
    return bytes(gzip.compress(made["btsnoop"], mtime=0) if name == "gzip" else made[name])


def _survives(content: bytes) -> None:
    """Read, write and sum up whatever it is."""
    try:
        stream = ByteStream(io.BytesIO(content).read)
        trace = Trace("fuzz", stream, recognise(stream))
        advertisements = list(trace)
    except TraceError:
        return
    assert trace.counts.reports == len(advertisements)
    writers = JsonlWriter(io.BytesIO()), BtsnoopWriter(io.BytesIO())
    for advertisement in advertisements:
        assert 0 <= advertisement.time <= LATEST
        for writer in writers:
            writer.write(advertisement)
    stream = ByteStream(io.BytesIO(content).read)
    json.dumps(gather(Trace("fuzz", stream, recognise(stream))).rssi)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    """Bytes without any form are refused or read."""
    _survives(content)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=60)
@given(tail=st.binary(max_size=300))
def test_any_bytes_behind_a_sound_beginning(build: Any, name: str, tail: bytes) -> None:
    """Bytes without form where records should be."""
    seed = _seed(build, name)
    _survives(seed[: 16 if name in {"btsnoop", "monitor"} else 24] + tail)
    _survives(seed + tail)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_mutations_of_a_sound_trace(build: Any, name: str, data: st.DataObject) -> None:
    """Octets changed, taken out and put in anywhere."""
    content = bytearray(_seed(build, name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.binary(max_size=4))
        content[at : at + data.draw(st.integers(0, 4))] = change
    _survives(bytes(content))


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_of_a_sound_trace(build: Any, name: str) -> None:
    """A trace cut off at any byte is refused or gives what it holds."""
    seed = _seed(build, name)
    for end in range(1, len(seed)):
        _survives(seed[:end])


@pytest.mark.parametrize("name", FORMATS)
def test_the_seeds_are_sound(build: Any, name: str) -> None:
    """The unchanged traces of this file are read without a fault, so that what is fuzzed is what is meant."""
    stream = ByteStream(io.BytesIO(_seed(build, name)).read)
    trace = Trace("seed", stream, recognise(stream))
    assert len(list(trace)) >= 2
    assert (trace.problem, trace.counts.malformed, trace.counts.bad_crc) == (None, 0, 0)
