# SPDX-License-Identifier: Apache-2.0
"""bzd's own trace format, JSON Lines; the package docstring of `bzd.traces` specifies it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bzd.errors import TraceError
from bzd.model import Advertisement
from bzd.protocols import ad
from bzd.traces.fragments import MAX_DATA
from bzd.traces.hci import tx_power_in
from bzd.traces.links import LATEST, Decoders, Record
from bzd.traces.source import ByteStream

SCHEMA = "bzd.trace/1"
LONGEST_LINE = 1 << 16
"""Longest line read, in bytes: the longest advertising data, 1650 bytes, is 3300 digits, and as much again in parts."""
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_ADDRESS_TYPES = ("public", "random", None)
_OCTET = range(-128, 128)
"""RSSI and tx power are signed octets on every interface (Core specification Vol 4 Part E 7.7.65)."""


def to_json(advertisement: Advertisement) -> dict[str, object]:
    """An advertisement as the object of one line."""
    time, address, address_type, rssi, data, tx_power = advertisement
    parts = ad.parse(data)
    return {
        "time": round(time, 6),
        "address": address,
        "address_type": address_type,
        "rssi": rssi,
        "tx_power": tx_power,
        "service_uuids": list(parts.service_uuids),
        "service_data": {uuid: payload.hex() for uuid, payload in parts.service_data.items()},
        "manufacturer_data": {str(company): payload.hex() for company, payload in parts.manufacturer_data.items()},
        "data": data.hex(),
    }


def from_json(fields: Mapping[str, Any]) -> Advertisement:
    """The advertisement of one line's object.

    Args:
        fields: the object; unknown fields are left alone.

    Raises:
        ValueError: if a field is missing or has a value that it cannot have.
    """
    time = fields.get("time")
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time <= LATEST:
        raise ValueError("time is not a number of unix seconds")
    address = str(fields.get("address") or "").upper()
    if address and not _ADDRESS.fullmatch(address):
        raise ValueError("address is not six octets")
    address_type = fields.get("address_type")
    if address_type not in _ADDRESS_TYPES:
        raise ValueError("address_type is neither public nor random nor null")
    data = _data(fields)
    power = _octet(fields, "tx_power")
    tx_power = tx_power_in(data) if power is None else power
    return Advertisement(float(time), address, address_type, _octet(fields, "rssi"), data, tx_power)


def _octet(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value not in _OCTET:
        raise ValueError(f"{name} is not a signed octet")
    return value


def _data(fields: Mapping[str, Any]) -> bytes:
    """The raw advertising data, or what the parts say of it."""
    raw = fields.get("data")
    if raw is None:
        data = ad.build(
            service_uuids=_texts(fields.get("service_uuids")),
            service_data={str(uuid): bytes.fromhex(text) for uuid, text in _pairs(fields, "service_data")},
            manufacturer_data={_company(key): bytes.fromhex(text) for key, text in _pairs(fields, "manufacturer_data")},
        )
    elif isinstance(raw, str):
        data = bytes.fromhex(raw)
    else:
        raise ValueError("data is not hex")
    if len(data) > MAX_DATA:
        raise ValueError(f"data of {len(data)} bytes; advertising data has at most {MAX_DATA}")
    return data


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("service_uuids is not a list of UUIDs")
    return value


def _pairs(fields: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    value = fields.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"{name} is not an object of hex")
    return list(value.items())


def _company(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 0xFFFF):
        raise ValueError("a company identifier is a decimal number up to 65535")
    return int(text)


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object on a line, None if there is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read(stream: ByteStream, decoders: Decoders) -> tuple[str, Iterator[Record]]:
    """The name of the format and the records, whose times stand inside.

    Raises:
        TraceError: if the first line does not name the schema.
    """
    lines = stream.lines(LONGEST_LINE)
    first = _object(next(lines, None) or b"")
    schema = first.get("schema") if first is not None else None
    if schema != SCHEMA:
        found = f"of schema {str(schema)[:40]!r}" if schema else "without a schema in its first line"
        newer = isinstance(schema, str) and schema.startswith("bzd.trace/")
        hint = "read it with a newer bzd" if newer else f'a trace begins with the line {{"schema": "{SCHEMA}"}}'
        raise TraceError(f"JSON Lines {found}", hint=hint)

    return "bzd JSON Lines", _Lines(stream, decoders).records(lines)


class _Lines:
    """Reads line after line. The advertisement is made before its record is given out, since it holds the time."""

    def __init__(self, stream: ByteStream, decoders: Decoders) -> None:
        self._stream = stream
        self._decoders = decoders
        self._made = Advertisement(0.0, "", None, None, b"")

    def records(self, lines: Iterator[bytes | None]) -> Iterator[Record]:
        for line in lines:
            if line is not None and not line.strip():
                continue
            if line is None or not self._make(line):
                if self._stream.unterminated:
                    self._stream.end_early("it is cut off in the middle of a line")
                else:
                    self._decoders.damaged()
                continue
            yield self._made.time, self._take, line

    def _make(self, line: bytes) -> bool:
        try:
            fields = _object(line)
            if fields is not None:
                self._made = from_json(fields)
        except ValueError:
            return False
        return fields is not None

    def _take(self, time: float, _line: bytes) -> tuple[Advertisement]:
        return (self._made._replace(time=time),)
