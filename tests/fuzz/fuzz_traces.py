# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of every trace format, the packets in them, and AD structures.

Not collected by pytest; needs `pip install atheris` beside bzd. One target a run, libFuzzer's options behind it::

    python -m tests.fuzz.fuzz_traces pcapng -max_total_time=600 -max_len=4096
    python -m tests.fuzz.fuzz_traces            # names the targets

A file named behind the target is run once, without atheris: that is how a finding is reproduced. What is found becomes
a test in tests/traces.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys

from bzd.errors import TraceError
from bzd.model import Advertisement, plausible_rssi
from bzd.protocols import ad, recognise, sightings
from bzd.traces.counts import TraceCounts
from bzd.traces.formats import recognise as recognise_format
from bzd.traces.hci import Decoder, HciDecoder
from bzd.traces.linklayer import LinkLayerDecoder
from bzd.traces.links import LATEST, NAMES
from bzd.traces.listening import ScanLog
from bzd.traces.source import ByteStream
from bzd.traces.trace import Trace
from bzd.traces.writer import BtsnoopWriter, JsonlWriter
from tests.fuzz.fuzzing import Target, run

_BTSNOOP = b"btsnoop\0" + struct.pack(">I", 1)
_PCAP = struct.pack("<IHHiII", 0xA1B2C3D4, 2, 4, 0, 0, 65535)
_PCAPNG = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_LINKS = sorted(NAMES)


def _check(advertisements: list[Advertisement]) -> None:
    """What every advertisement must be, whoever made it, and that both writers take it."""
    writers = JsonlWriter(io.BytesIO()), BtsnoopWriter(io.BytesIO())
    for advertisement in advertisements:
        if not 0 <= advertisement.time <= LATEST or len(advertisement.data) > 1650:
            raise AssertionError(f"impossible advertisement: {advertisement}")
        if plausible_rssi(advertisement.rssi):
            sightings(advertisement)
        for writer in writers:
            writer.write(advertisement)


def anything(data: bytes) -> None:
    """A file of whatever form."""
    try:
        stream = ByteStream(io.BytesIO(data).read)
        _check(list(Trace("fuzz", stream, recognise_format(stream))))
    except TraceError:
        return


def btsnoop_h4(data: bytes) -> None:
    """Records of btsnoop with H4 packets."""
    anything(_BTSNOOP + struct.pack(">I", 1002) + data)


def btsnoop_hci(data: bytes) -> None:
    """Records of btsnoop with packets told apart by flags."""
    anything(_BTSNOOP + struct.pack(">I", 1001) + data)


def btsnoop_monitor(data: bytes) -> None:
    """Records of btsnoop of the Linux monitor."""
    anything(_BTSNOOP + struct.pack(">I", 2001) + data)


def pcap(data: bytes) -> None:
    """Records of pcap; the first octet chooses the link type."""
    anything(_PCAP + struct.pack("<I", _LINKS[data[0] % len(_LINKS)] if data else 187) + data[1:])


def pcapng(data: bytes) -> None:
    """Blocks behind a section header."""
    anything(_PCAPNG + data)


def packetlogger(data: bytes) -> None:
    """Records of PacketLogger behind a sound one."""
    anything(struct.pack(">IIIB", 9, 0, 0, 0xFC) + data)


def jsonl(data: bytes) -> None:
    """Lines of JSON Lines."""
    anything(b'{"schema":"bzd.trace/1"}\n' + data)


def gzipped(data: bytes) -> None:
    """A damaged gzip stream: the first two octets choose where the rest is written over a sound one."""
    packed = bytearray(gzip.compress(_BTSNOOP + struct.pack(">I", 1002) + bytes(range(256)) * 8, mtime=0))
    at = int.from_bytes(data[:2], "big") % len(packed)
    packed[at : at + len(data[2:])] = data[2:]
    anything(bytes(packed))


def _decode(decoder: Decoder, data: bytes) -> None:
    """One packet, and then the same cut into two, so that fragments have something to join."""
    for packet in (data, data[: len(data) // 2], data[len(data) // 2 :]):
        _check(list(decoder(1.0, packet)))


def hci(data: bytes) -> None:
    """An H4 packet."""
    decoder = HciDecoder(TraceCounts(), ScanLog())
    _decode(decoder.h4, data)
    _decode(decoder.event, b"\x3e" + data)


def link_layer(data: bytes) -> None:
    """A sniffed advertising packet; without its checksum, which no fuzzer guesses."""
    decoder = LinkLayerDecoder(TraceCounts())
    pdu = data[:1] + bytes((len(data[1:256]),)) + data[1:256]
    _decode(decoder.bare, bytes.fromhex("d6be898e") + pdu)
    _decode(decoder.with_rf_header, data)
    _decode(decoder.nordic, data)


def ad_structures(data: bytes) -> None:
    """Advertising data, and every protocol's decoder on it."""
    structures = ad.parse(data)
    recognise(data)
    if b"".join(bytes((len(payload) + 1, kind)) + payload for kind, payload in ad.split(data)) != data[: _whole(data)]:
        raise AssertionError("split changed the data")
    for uuid in structures.service_uuids:
        ad.uuid_to_bytes(uuid)


def _whole(data: bytes) -> int:
    """Octets of advertising data that belong to whole structures."""
    return sum(2 + len(payload) for _, payload in ad.split(data))


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        anything, btsnoop_h4, btsnoop_hci, btsnoop_monitor, pcap, pcapng, packetlogger, jsonl, gzipped, hci, link_layer,
        ad_structures,
    )
}  # fmt: skip


if __name__ == "__main__":
    run(sys.argv, TARGETS)
