# SPDX-License-Identifier: Apache-2.0
"""bzd's own JSON Lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bzd.errors import TraceError
from bzd.model import Advertisement
from bzd.traces.jsonl import LONGEST_LINE, from_json, to_json

HEADER = b'{"schema":"bzd.trace/1"}\n'
EN = "0000fd6f-0000-1000-8000-00805f9b34fb"
GOOD: dict[str, Any] = {"time": 1.5, "address": "11:22:33:44:55:66", "address_type": "random", "rssi": -60}


def _lines(*values: object) -> bytes:
    return HEADER + b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_a_line_written_by_hand(reads: Any) -> None:
    """Without `data`, the advertising data is rebuilt: UUIDs, service data, manufacturer data."""
    value = {**GOOD, "service_uuids": [EN], "service_data": {EN: "0102"}, "manufacturer_data": {"76": "0a"}}
    read = reads(_lines(value))
    data = bytes.fromhex("03036ffd" + "05166ffd0102" + "04ff4c000a")
    assert read.advertisements == [Advertisement(1.5, "11:22:33:44:55:66", "random", -60, data)]
    assert read.format == "bzd JSON Lines"


def test_raw_data_comes_before_its_parts(reads: Any) -> None:
    """Where `data` is given, the parts are only for people."""
    [found] = reads(_lines({**GOOD, "data": "020106", "service_uuids": [EN]})).advertisements
    assert found.data == b"\2\1\6"


def test_fields_that_may_be_missing(reads: Any) -> None:
    """Only the time is needed; unknown fields are left alone."""
    assert reads(_lines({"time": 1, "colour": "red"})).advertisements == [Advertisement(1.0, "", None, None, b"")]


@pytest.mark.parametrize(
    "change",
    [
        {"time": None},
        {"time": True},
        {"time": "1"},
        {"time": -1},
        {"time": 1e300},
        {"time": float("nan")},
        {"address": "11:22"},
        {"address": "11:22:33:44:55:66\n"},
        {"address_type": "secret"},
        {"address_type": ["public"]},
        {"rssi": -4294967234},
        {"rssi": -60.5},
        {"rssi": True},
        {"tx_power": 128},
        {"data": "0"},
        {"data": 7},
        {"data": "00" * 1651},
        {"service_uuids": "fd6f"},
        {"service_uuids": ["fd6f"]},
        {"service_uuids": [1]},
        {"service_data": {EN: 1}},
        {"service_data": {EN: "00" * 300}},
        {"service_data": [EN]},
        {"manufacturer_data": {"-1": ""}},
        {"manufacturer_data": {"99999999999": ""}},
        {"manufacturer_data": {"x": ""}},
    ],
)
def test_values_that_cannot_be_are_counted_and_passed_over(reads: Any, change: dict[str, Any]) -> None:
    """A bad line between two good ones is counted; the good ones are read."""
    read = reads(_lines(GOOD, {**GOOD, **change}, GOOD), time_offset=-1.0)
    assert (len(read.advertisements), read.counts.malformed, read.problem) == (2, 1, None)


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b"7", b"[" * 30000, b'{"time":', b"\xff\xfe", b"1" * 5000])
def test_lines_that_are_no_objects_are_counted(reads: Any, line: bytes) -> None:
    """Neither broken JSON nor deep nesting nor long numbers end the reading."""
    good = json.dumps(GOOD).encode()
    read = reads(HEADER + line + b"\n" + good + b"\n")
    assert (len(read.advertisements), read.counts.malformed) == (1, 1)


def test_a_line_of_megabytes_is_passed_over(reads: Any) -> None:
    """A line longer than any advertisement is counted once, wherever it stands, without being kept."""
    good, long = json.dumps(GOOD).encode() + b"\n", b'{"x":"' + b"y" * (40 * LONGEST_LINE) + b'"}\n'
    read = reads(HEADER + long + good + long + good)
    assert (len(read.advertisements), read.counts.malformed) == (2, 2)


def test_a_line_cut_off_at_the_end_is_no_fault_of_the_trace(reads: Any) -> None:
    """The last line without its end is a cut-off file; one that is whole but for its line feed is read."""
    whole = _lines(GOOD, GOOD)
    assert reads(whole[:-10]).problem == "it is cut off in the middle of a line"
    assert len(reads(whole[:-10]).advertisements) == 1
    assert reads(whole[:-1]).problem is None
    assert len(reads(whole[:-1]).advertisements) == 2


def test_blank_lines_and_carriage_returns(reads: Any) -> None:
    """Blank lines are nothing; lines that an editor ended with CR LF are read."""
    assert len(reads(_lines(GOOD, GOOD).replace(b"\n", b"\r\n\r\n")).advertisements) == 2


def test_times_beyond_all_dates_after_the_offset(reads: Any) -> None:
    """An offset that moves a time before 1970 makes it a bad time."""
    read = reads(_lines(GOOD), time_offset=-7200.0)
    assert (read.advertisements, read.counts.bad_time) == ([], 1)


@pytest.mark.parametrize("first", [b"{}", b'{"schema":"bzd.contact/1"}', b'{"schema":7}', b'{"time":1}', b"{broken"])
def test_other_json_is_refused(reads: Any, first: bytes) -> None:
    """JSON Lines of another schema, or without one, are an error whose hint shows the right first line."""
    with pytest.raises(TraceError, match="JSON Lines") as caught:
        reads(first + b"\n")
    assert '{"schema": "bzd.trace/1"}' in caught.value.hint


def test_a_newer_version_is_refused(reads: Any) -> None:
    """A newer format says that a newer bzd is needed."""
    with pytest.raises(TraceError, match=r"bzd\.trace/2") as caught:
        reads(b'{"schema":"bzd.trace/2"}\n')
    assert "newer bzd" in caught.value.hint


def test_what_is_written_is_the_contract() -> None:
    """The fields of a line, their names and forms."""
    data = bytes.fromhex("020106" + "03036ffd" + "05166ffd0102" + "04ff4c000a" + "020af4")
    value = to_json(Advertisement(1.23456789, "11:22:33:44:55:66", "public", None, data, -12))
    assert value == {
        "time": 1.234568,
        "address": "11:22:33:44:55:66",
        "address_type": "public",
        "rssi": None,
        "tx_power": -12,
        "service_uuids": [EN],
        "service_data": {EN: "0102"},
        "manufacturer_data": {"76": "0a"},
        "data": data.hex(),
    }
    assert from_json(value) == Advertisement(1.234568, "11:22:33:44:55:66", "public", None, data, -12)
