# SPDX-License-Identifier: Apache-2.0
"""Recognises what a file is by its first bytes: a trace and its reader, or something else and what to do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bzd.errors import TraceError
from bzd.traces import btsnoop, jsonl, packetlogger, pcap, pcapng
from bzd.traces.links import Decoders, Record
from bzd.traces.source import GZIP_MAGIC, ByteStream

Reader = Callable[[ByteStream, Decoders], tuple[str, Iterator[Record]]]
"""Reads a stream of its format: gives the format's name and the records."""

ENOUGH = 32
"""Bytes by which every format is recognised; more are looked at where they are there."""

_READERS: tuple[tuple[bytes, Reader], ...] = (
    (btsnoop.MAGIC, btsnoop.read),
    (pcapng.MAGIC, pcapng.read),
    *((magic, pcap.read) for magic in pcap.MAGICS),
    *((magic, pcap.read_modified) for magic in pcap.MODIFIED_MAGICS),
)

_OTHERS = (
    (
        b"PK\x03\x04",
        "a zip archive",
        "if it is an Android bug report, unzip it and read FS/data/misc/bluetooth/logs/btsnoop_hci.log",
    ),
    (GZIP_MAGIC, "gzipped twice", "gunzip it once"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it: xz -dc IN | bzd trace info -"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it: zstd -dc IN | bzd trace info -"),
    (b"BZh", "compressed with bzip2", "unpack it: bzip2 -dc IN | bzd trace info -"),
    (b"SQLite format 3\0", "an SQLite database", "`bzd contacts --state DIR` reads a store"),
    (b"snoop\0\0\0", "a Solaris snoop file, which holds no Bluetooth", None),
    (
        b"Bluetooth monitor ver",
        "the text that btmon prints",
        "record with `btmon -w FILE`; its text cannot be turned back",
    ),
    (
        b"HCI sniffer",
        "the text that hcidump prints",
        "record with `hcidump -w FILE`; its text cannot be turned back",
    ),
    (
        b"--- BEGIN:BTSNOOP_LOG_SUMMARY",
        "the summary in an Android bug report",
        "btsnooz.py of the Android sources turns it into a btsnoop file",
    ),
)
"""First bytes, name and hint of what testers hold that is no trace. From the formats' own descriptions."""


def recognise(stream: ByteStream) -> Reader:
    """The reader for a stream, nothing of which is consumed.

    Raises:
        TraceError: if it is no trace; says what it is if that is known.
    """
    start = stream.peek(ENOUGH) and stream.peek_available()
    for magic, reader in _READERS:
        if start.startswith(magic):
            return reader
    if start.lstrip().startswith(b"{"):
        return jsonl.read
    for magic, name, hint in _OTHERS:
        if start.startswith(magic):
            raise TraceError(f"{name}, not a trace", hint)
    if packetlogger.recognises(start):
        return packetlogger.read
    raise TraceError(f"{_description(start)}, not a trace")


def _description(start: bytes) -> str:
    """What unknown bytes look like: their beginning, as text or hex, never more than a few characters."""
    sample = start[:ENOUGH]
    try:
        text = sample.decode("utf-8", errors="strict" if len(start) <= ENOUGH else "ignore")
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character.isspace() for character in text):
        return f"a text file that begins {text.strip()[:20]!r}"
    return f"an unknown format that begins {start[:8].hex(' ')}"
