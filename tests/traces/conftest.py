# SPDX-License-Identifier: Apache-2.0
"""Builds small traces of every format from the formats' own layouts, independently of the readers and writers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bzd.model import Advertisement
from bzd.traces import Trace, open_trace
from bzd.traces.counts import TraceCounts

ADDRESS = "11:22:33:44:55:66"
RAW_ADDRESS = bytes.fromhex("665544332211")
DATA = bytes.fromhex("020106") + bytes.fromhex("03036ffd17166ffd") + bytes(range(20))
TIME = 1_600_000_000.25
BTSNOOP_EPOCH_S = 62_168_256_000
"""Seconds from the year 0 to 1970: 719,528 days (of the proleptic Gregorian calendar) of 86,400 s, as btmon has it."""


class Build:
    """Makes packets and files."""

    address, raw_address, data, time = ADDRESS, RAW_ADDRESS, DATA, TIME

    def event(self, data: bytes = DATA, rssi: int = -60, *, kind: int = 1) -> bytes:
        """An LE Advertising Report event of one report, from its event code on."""
        report = struct.pack("<BB6sB", 3, kind, RAW_ADDRESS, len(data)) + data + struct.pack("b", rssi)
        return bytes((0x3E, 2 + len(report), 2, 1)) + report

    def extended(
        self,
        data: bytes = DATA,
        rssi: int = -60,
        *,
        status: int = 0,
        kind: int = 1,
        tx_power: int = 127,
        address: bytes = RAW_ADDRESS,
    ) -> bytes:
        """An LE Extended Advertising Report event of one report, from its event code on."""
        report = struct.pack(
            "<HB6sBBBbbHB6sB", status << 5, kind, address, 1, 0, 3, tx_power, rssi, 0, 0, bytes(6), len(data)
        )
        return bytes((0x3E, 2 + len(report) + len(data), 0x0D, 1)) + report + data

    def h4(self, event: bytes) -> bytes:
        """An event behind its H4 indicator."""
        return b"\x04" + event

    def link_packet(self, data: bytes = DATA, *, kind: int = 2, crc: bool = True, coded: bool = False) -> bytes:
        """A legacy advertising packet as it is on the air."""
        pdu = bytes((kind | 0x40, 6 + len(data))) + RAW_ADDRESS + data
        return self.air(pdu, crc=crc, coded=coded)

    def air(self, pdu: bytes, *, crc: bool = True, coded: bool = False) -> bytes:
        """A PDU between access address and CRC, which is computed bit by bit as the specification draws it."""
        return bytes.fromhex("d6be898e") + (b"\0" if coded else b"") + pdu + (self.crc(pdu) if crc else b"")

    def crc(self, pdu: bytes) -> bytes:
        """The CRC of Core specification Vol 6 Part B 3.1.1: a shift register, its position 0 first in `register`."""
        register = [int(bit) for bit in f"{0x555555:024b}"[::-1]]
        for octet in pdu:
            for number in range(8):
                feedback = register[23] ^ (octet >> number & 1)
                register = [0, *register[:23]]
                for tap in (0, 1, 3, 4, 6, 9, 10):
                    register[tap] ^= feedback
        bits = register[::-1]
        return bytes(sum(bit << place for place, bit in enumerate(bits[start : start + 8])) for start in (0, 8, 16))

    def btsnoop(self, packets: Iterable[bytes], *, datalink: int = 1002, flags: int = 1, original: int = 0) -> bytes:
        """A btsnoop file; records are a second apart."""
        out = b"btsnoop\0" + struct.pack(">II", 1, datalink)
        for number, packet in enumerate(packets):
            stamp = round((TIME + number + BTSNOOP_EPOCH_S) * 1e6)
            out += struct.pack(">IIIIQ", max(len(packet), original), len(packet), flags, 0, stamp) + packet
        return out

    def pcap(self, packets: Iterable[bytes], link_type: int, *, order: str = "<", nano: bool = False) -> bytes:
        """A pcap file; records are a second apart."""
        magic = 0xA1B23C4D if nano else 0xA1B2C3D4
        out = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
        for number, packet in enumerate(packets):
            fraction = 250_000_000 if nano else 250_000
            out += struct.pack(f"{order}IIII", int(TIME) + number, fraction, len(packet), len(packet)) + packet
        return out

    def block(self, kind: int, body: bytes, order: str = "<") -> bytes:
        """A pcapng block."""
        body += bytes(-len(body) % 4)
        length = struct.pack(f"{order}I", len(body) + 12)
        return struct.pack(f"{order}I", kind) + length + body + length

    def section(self, order: str = "<") -> bytes:
        """A pcapng section header."""
        return self.block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)

    def interface(self, link_type: int, order: str = "<", *, options: Iterable[tuple[int, bytes]] = ()) -> bytes:
        """A pcapng interface description."""
        raw = b"".join(
            struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options
        )
        return self.block(1, struct.pack(f"{order}HHI", link_type, 0, 0) + raw + bytes(4 if raw else 0), order)

    def enhanced(self, packet: bytes, ticks: int, order: str = "<", *, interface: int = 0) -> bytes:
        """A pcapng enhanced packet, with a comment behind it."""
        head = struct.pack(f"{order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet))
        comment = struct.pack(f"{order}HH", 1, 4) + b"note" + bytes(4)
        return self.block(6, head + packet + bytes(-len(packet) % 4) + comment, order)

    def packetlogger(self, packets: Iterable[tuple[int, bytes]], order: str = ">") -> bytes:
        """A PacketLogger file of (type, packet); records are a second apart."""
        return b"".join(
            struct.pack(f"{order}IIIB", len(packet) + 9, int(TIME) + number, 250_000, kind) + packet
            for number, (kind, packet) in enumerate(packets)
        )


@dataclass(frozen=True)
class Read:
    """What a trace gave."""

    advertisements: list[Advertisement] = field(repr=False)
    format: str
    counts: TraceCounts
    problem: str | None
    trace: Trace


Reads = Callable[..., Read]


@pytest.fixture(scope="session")
def build() -> Build:
    """Makes packets and files."""
    return Build()


@pytest.fixture(scope="session")
def reads(tmp_path_factory: pytest.TempPathFactory) -> Reads:
    """Reads bytes as a trace file."""
    path: Path = tmp_path_factory.mktemp("traces") / "trace"

    def read(content: bytes, *, time_offset: float = 0.0) -> Read:
        path.write_bytes(content)
        with open_trace(str(path), time_offset=time_offset) as trace:
            advertisements = list(trace)
        return Read(advertisements, trace.format, trace.counts, trace.problem, trace)

    return read
