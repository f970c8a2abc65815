# SPDX-License-Identifier: Apache-2.0
"""Finding the rows of a store in the pages of its file, without SQLite: for files that SQLite refuses.

Follows https://www.sqlite.org/fileformat2.html: sections 1.6 (b-tree pages), 2.1 (record format) and 4.1 (log). Every
row of a store fits its page, so that a leaf page is read by itself: no header, no schema, no parent page is needed.
Pure: bytes in, rows out. What makes no sense is skipped and counted; whether a row is genuine shows when it is opened.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bzd.store.container import PAGE_BYTES
from bzd.store.sealing import BLOB_BYTES, NONCE_BYTES, SEALED_KEY_BYTES, SUITE_ID

Value = int | bytes | None
"""A column's value; stores hold no others."""

_HEADER_BYTES = 100
_LEAF = 0x0D
_KNOWN_TYPES = {0x02, 0x05, 0x0A, 0x0D}
_LOG_HEADER = struct.Struct(">8I")
_LOG_MAGIC = {0x377F0682, 0x377F0683}
_FRAME = struct.Struct(">6I")
_INTEGER_BYTES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}


@dataclass(slots=True)
class PageCounts:
    """What was seen of a file's pages.

    Attributes:
        pages: pages read, those in the log included.
        damaged: pages that are of no known kind and not empty, and leaf pages with rows that make no sense.
    """

    pages: int = 0
    damaged: int = 0


def file_pages(file: BinaryIO) -> Iterator[bytes]:
    """The pages of a database file; a last one that is cut short is filled with zeros."""
    while page := file.read(PAGE_BYTES):
        yield page.ljust(PAGE_BYTES, b"\0")


def log_pages(file: BinaryIO) -> Iterator[bytes]:
    """The pages in a write-ahead log, oldest first, up to the first frame of an earlier use of the log."""
    header = file.read(_LOG_HEADER.size)
    if len(header) != _LOG_HEADER.size:
        return
    magic, _, page_bytes, _, *salts, _, _ = _LOG_HEADER.unpack(header)
    if magic not in _LOG_MAGIC or page_bytes != PAGE_BYTES:
        return
    while len(frame := file.read(_FRAME.size + PAGE_BYTES)) == _FRAME.size + PAGE_BYTES:
        if list(_FRAME.unpack_from(frame)[2:4]) != salts:
            return
        yield frame[_FRAME.size :]


def rows(pages: Iterator[bytes], counts: PageCounts) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """Every row of a store's tables in the leaf pages: the name of its table and its values, the row ID put in."""
    for page in pages:
        counts.pages += 1
        start = _HEADER_BYTES if page.startswith(b"SQLite format 3\0") else 0
        if page[start] != _LEAF:
            counts.damaged += page[start] not in _KNOWN_TYPES and any(page)
            continue
        whole = True
        for offset in _cells(page, start):
            row = _cell(page, offset)
            whole &= row is not None
            table = None if row is None else _table(row)
            if row is not None and table is not None:
                yield table, row
        counts.damaged += not whole


def _cells(page: bytes, start: int) -> Iterator[int]:
    (count,) = struct.unpack_from(">H", page, start + 3)
    first = start + 8
    count = min(count, (PAGE_BYTES - first) // 2)
    return (offset for (offset,) in struct.iter_unpack(">H", page[first : first + 2 * count]))


def _cell(page: bytes, offset: int) -> tuple[Value, ...] | None:
    """The values of the row at an offset; None if it makes no sense."""
    try:
        size, offset = _varint(page, offset)
        row_id, offset = _varint(page, offset)
        if offset + size > PAGE_BYTES:
            return None
        values = _values(page[offset : offset + size])
    except (IndexError, ValueError):
        return None
    # An INTEGER PRIMARY KEY is stored as NULL, its value being the row ID.
    row_id -= (row_id >> 63) << 64  # it is a signed 64-bit number
    return (row_id, *values[1:]) if values and values[0] is None else tuple(values)


def _values(payload: bytes) -> list[Value]:
    header_bytes, offset = _varint(payload, 0)
    body = header_bytes
    values: list[Value] = []
    while offset < header_bytes:
        kind, offset = _varint(payload, offset)
        length = (kind - 12) // 2 if kind >= 12 else _INTEGER_BYTES.get(kind, -1)
        if length < 0 or body + length > len(payload):
            raise ValueError("a value outside its row")
        values.append(_value(kind, payload[body : body + length]))
        body += length
    return values


def _value(kind: int, data: bytes) -> Value:
    if kind == 0:
        return None
    if kind in {8, 9}:
        return kind - 8
    return data if kind >= 12 else int.from_bytes(data, "big", signed=True)


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """A variable-length integer and the offset after it; of nine bytes the last counts in full."""
    value = 0
    for position in range(8):
        byte = data[offset + position]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, offset + position + 1
    return value << 8 | data[offset + 8], offset + 9


def _table(row: tuple[Value, ...]) -> str | None:
    """The table that a row must be of, by the shape of its values."""
    shape = tuple(len(value) if isinstance(value, bytes) else type(value) for value in row)
    if shape == (int, NONCE_BYTES, BLOB_BYTES):
        return "record"
    if shape == (int, len(SUITE_ID), SEALED_KEY_BYTES):
        return "sealed_key"
    if shape == (int, 16, 32) and row[0] == 1:
        return "store"
    if shape in {(int, int, int, int), (int, int, type(None), int)}:
        return "segment"
    return "trace" if shape == (32,) else None
