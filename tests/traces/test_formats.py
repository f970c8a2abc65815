# SPDX-License-Identifier: Apache-2.0
"""Recognising what a file is."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from bzd.errors import TraceError
from bzd.traces import open_trace


@pytest.mark.parametrize(
    ("content", "said", "hinted"),
    [
        (b"PK\x03\x04" + bytes(60), "zip archive", "FS/data/misc/bluetooth/logs"),
        (b"Bluetooth monitor ver 5.66\n= Note: Linux", "text that btmon prints", "btmon -w FILE"),
        (b"HCI sniffer - Bluetooth packet analyzer ver 5.50\n", "text that hcidump prints", "hcidump -w"),
        (b"--- BEGIN:BTSNOOP_LOG_SUMMARY (8 bytes in) ---\n", "summary in an Android bug report", "btsnooz.py"),
        (b"SQLite format 3\0" + bytes(40), "SQLite database", "bzd contacts"),
        (b"\xfd7zXZ\x00" + bytes(40), "xz", "xz -dc"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "zstd", "zstd -dc"),
        (b"BZh91AY&SY" + bytes(40), "bzip2", "bzip2 -dc"),
        (gzip.compress(gzip.compress(b"x" * 99)), "gzipped twice", "gunzip it once"),
        (b"snoop\0\0\0" + bytes(40), "Solaris", "btsnoop"),
        (b"Dear diary,\nit is raining", "a text file that begins 'Dear diary,\\nit is ra'", "btsnoop"),
        ("Größe".encode() * 20, "a text file that begins 'Größe", "btsnoop"),
        (b"\x7fELF" + bytes(range(128, 188)), "unknown format that begins 7f 45 4c 46", "btsnoop"),
        (b"\0", "unknown format that begins 00", "btsnoop"),
        (b"b", "a text file that begins 'b'", "btsnoop"),
        (b"[1, 2]", "a text file", "JSON Lines"),
    ],
)
def test_what_is_no_trace_is_named(reads: Any, content: bytes, said: str, hinted: str) -> None:
    """What testers hold by mistake is named, and the hint says what to do instead."""
    with pytest.raises(TraceError) as caught:
        reads(content)
    assert said in str(caught.value)
    assert hinted in caught.value.hint


def test_the_name_of_a_file_does_not_count(build: Any, tmp_path: Path) -> None:
    """A btsnoop file by any name is btsnoop."""
    path = tmp_path / "capture.jsonl"
    path.write_bytes(build.btsnoop([build.h4(build.event())]))
    with open_trace(str(path)) as trace:
        assert trace.format == "btsnoop (H4)"


@pytest.mark.parametrize(
    ("name", "found", "reports"),
    [
        ("misc/nk521-android.btsnoop", "btsnoop (H4)", 22202),
        ("misc/whad-ble-pairing.pcap", "pcap (BLE link layer with RF header)", 0),
        ("misc/opendroneid-nordic.pcapng", "pcapng (nRF Sniffer)", 244),
        ("misc/crackle-le-secure.pcapng", "pcapng (BLE link layer with RF header)", 42),
        ("dp3t-exp27/10.pklg", "PacketLogger (big-endian)", 165),
    ],
)
def test_real_captures(shared: Path, name: str, found: str, reports: int) -> None:
    """Captures of five recorders are recognised and read whole."""
    with open_trace(str(shared / "data/captures" / name)) as trace:
        assert sum(1 for _ in trace) == reports
    assert (trace.format, trace.problem, trace.counts.malformed) == (found, None, 0)


def test_the_headers_alone_are_empty_traces(build: Any, reads: Any) -> None:
    """A recorder that was stopped at once leaves a trace without records, which is no error."""
    empty = (build.btsnoop([]), build.pcap([], 187), build.section(), build.section() + build.interface(187))
    for content in (*empty, b'{"schema":"bzd.trace/1"}\n'):
        read = reads(content)
        assert (read.advertisements, read.problem) == ([], None)
