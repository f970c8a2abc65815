# SPDX-License-Identifier: Apache-2.0
"""`bzd trace info`, `sightings` and `convert`, as a tester calls them."""

from __future__ import annotations

import csv
import io
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from bzd.cli import trace_report
from bzd.model import Advertisement
from bzd.traces import open_trace
from bzd.traces.writer import BtsnoopWriter, JsonlWriter

TIME = 1_600_000_000.25
IDENTIFIED = bytes.fromhex("03036ffd17166ffd") + bytes(range(20))
ADDRESS = "11:22:33:44:55:66"
HEARD = [
    Advertisement(TIME, ADDRESS, "random", -60, IDENTIFIED),
    Advertisement(TIME + 10, ADDRESS, "random", 127, IDENTIFIED),
    Advertisement(TIME + 3700, "11:22:33:44:55:67", "public", -71, b"\2\1\6"),
]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A btsnoop capture of three reports, two of them with an ID, one of those without RSSI."""
    path = tmp_path / "capture.btsnoop"
    with path.open("wb") as file:
        writer = BtsnoopWriter(file)
        for advertisement in HEARD:
            writer.write(advertisement)
    return path


def test_info_for_people(bzd: Any, capture: Path) -> None:
    """Format, counts, times in UTC, IDs and histogram are shown."""
    done = bzd("trace", "info", capture)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert "format     btsnoop (Linux monitor)" in lines
    assert "records    4 (advertising reports: 3, other records: 1)" in lines
    assert any(line.startswith("first      2020-09-13T12:26:40.250Z   ") for line in lines)
    assert any(line.startswith("last       2020-09-13T13:28:20.250Z   ") for line in lines)
    assert "span       1 h 1 min" in lines
    assert "gaen       sightings: 2, rolling IDs: 1" in lines
    assert [line.split() for line in lines[-5:]] == [
        ["-75", "to", "-71", "1", "█" * 40],
        ["-70", "to", "-66", "0"],
        ["-65", "to", "-61", "0"],
        ["-60", "to", "-56", "1", "█" * 40],
        ["none", "1"],
    ]


def test_info_as_json(bzd: Any, capture: Path) -> None:
    """The same as one object with unix times."""
    info = bzd("trace", "info", capture, "--json").json
    assert info["schema"] == "bzd.trace-info/1"
    assert (info["format"], info["problem"]) == ("btsnoop (Linux monitor)", None)
    assert (info["first"], info["last"], info["addresses"]) == (TIME, TIME + 3700, 2)
    assert info["protocols"] == {"gaen": {"sightings": 2, "ids": 1, "ids_exact": True}}
    assert info["rssi"] == {"-71": 1, "-60": 1, "127": 1}
    assert info["counts"]["reports"] == 3
    assert info["counts"]["truncated"] is False
    assert info["scan_period"]["seconds"] == 0


def test_time_offset(bzd: Any, capture: Path) -> None:
    """--time-offset is added to every time, in every command."""
    assert bzd("trace", "info", capture, "--time-offset", "-02:00", "--json").json["first"] == TIME - 7200
    assert bzd("trace", "sightings", capture, "--time-offset", "+05:30", "--jsonl").jsonl[0]["time"] == TIME + 19800
    target = capture.with_suffix(".jsonl")
    assert bzd("trace", "convert", capture, target, "--time-offset", "-02:00").code == 0
    with open_trace(str(target)) as trace:
        assert next(iter(trace)).time == TIME - 7200


def test_the_bars_are_ascii_where_they_must_be(bzd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without UTF-8 the histogram is drawn with #."""
    del bzd
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert trace_report._bar(0.5) == "#" * 20


def test_sightings_as_json_lines(bzd: Any, capture: Path) -> None:
    """One sighting a line with the contract's fields; what has no RSSI is left out and counted."""
    done = bzd("trace", "sightings", capture, "--jsonl")
    assert done.jsonl == [
        {
            "schema": "bzd.sighting/1",
            "time": TIME,
            "protocol": "gaen",
            "rolling_id": bytes(range(16)).hex(),
            "metadata": "10111213",
            "rssi": -60,
            "address": ADDRESS,
            "address_type": "random",
        }
    ]
    assert "bzd: sightings left out because their RSSI cannot be true: 1" in done.err


def test_the_other_forms_of_sightings(bzd: Any, capture: Path) -> None:
    """JSON, CSV and columns show the same sighting."""
    assert [found["rssi"] for found in bzd("trace", "sightings", capture, "--json").json["sightings"]] == [-60]
    [row] = csv.DictReader(io.StringIO(bzd("trace", "sightings", capture, "--csv").out))
    assert (row["time"], row["rolling_id"]) == (str(TIME), bytes(range(16)).hex())
    header, line = bzd("trace", "sightings", capture).out.splitlines()
    assert header.split()[:2] == ["local", "time"]
    assert line.split()[-2:] == ["-60", ADDRESS]


def test_no_sighting_is_a_sentence(bzd: Any, tmp_path: Path) -> None:
    """A trace without IDs says so instead of showing nothing."""
    path = tmp_path / "empty.jsonl"
    path.write_text('{"schema":"bzd.trace/1"}\n{"time":1}\n')
    done = bzd("trace", "sightings", path)
    assert (done.code, done.out) == (0, "")
    assert "no proximity ID; advertising reports: 1" in done.err


@pytest.mark.parametrize("suffix", [".jsonl", ".btsnoop"])
def test_convert_by_suffix(bzd: Any, capture: Path, tmp_path: Path, suffix: str) -> None:
    """OUT's suffix says the format; the file is private and gives the same advertisements."""
    target = tmp_path / f"out{suffix}"
    done = bzd("trace", "convert", capture, target)
    assert (done.code, done.out) == (0, "")
    assert "advertisements written: 3" in done.err
    assert target.stat().st_mode & 0o777 == 0o600
    with open_trace(str(target)) as trace:
        assert list(trace) == HEARD


def test_convert_from_and_to_standard_streams(bzd: Any, capture: Path) -> None:
    """`-` is standard input and output; the format is then said."""
    done = bzd("trace", "convert", "-", "-", "--format", "jsonl", stdin=capture.read_bytes())
    assert [value.get("rssi") for value in done.jsonl] == [None, -60, 127, -71]
    assert bzd("trace", "convert", "-", "-", stdin=capture.read_bytes()).code == 2


def test_convert_overwrites_nothing_by_mistake(bzd: Any, capture: Path, tmp_path: Path) -> None:
    """A file that is there is kept without --force; the input is never written over, by whatever link."""
    before = capture.read_bytes()
    target = tmp_path / "out.jsonl"
    target.write_text("precious")
    assert bzd("trace", "convert", capture, target).code == 5
    assert target.read_text() == "precious"
    assert bzd("trace", "convert", capture, target, "--force").code == 0
    link = tmp_path / "link.btsnoop"
    os.link(capture, link)
    for name in (capture, link):
        done = bzd("trace", "convert", capture, name, "--force")
        assert done.code == 5
        assert "is the trace that is read" in done.err
    assert capture.read_bytes() == before


def test_convert_leaves_nothing_behind_on_failure(bzd: Any, tmp_path: Path) -> None:
    """What is no trace makes no output file."""
    source = tmp_path / "text.txt"
    source.write_text("hello")
    assert bzd("trace", "convert", source, tmp_path / "out.jsonl").code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


@pytest.mark.parametrize("command", [["info"], ["sightings"], ["convert", "OUT"]])
def test_a_cut_file_warns_and_succeeds(bzd: Any, capture: Path, tmp_path: Path, command: list[str]) -> None:
    """A recorder that died leaves a trace that is used, with a warning and exit code 0."""
    cut = tmp_path / "cut.btsnoop"
    cut.write_bytes(capture.read_bytes()[:-3])
    rest = [str(tmp_path / "out.jsonl") if word == "OUT" else word for word in command[1:]]
    done = bzd("trace", command[0], cut, *rest)
    assert done.code == 0
    assert f"bzd: warning: {cut}: it is cut off in the middle of a record; what it holds was used" in done.err


@pytest.mark.parametrize("command", ["info", "sightings"])
def test_errors_are_one_line_and_a_hint(bzd: Any, tmp_path: Path, command: str) -> None:
    """Missing files, directories, empty files, zips and other link types: exit code 4, an error and a hint, no more."""
    usbmon = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 220)
    contents = {"empty": b"", "zip": b"PK\x03\x04" + bytes(40), "usb.pcap": usbmon, "text": b"hello"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "missing", "."):
        done = bzd("trace", command, tmp_path / name)
        assert (done.code, done.out) == (4, "")
        error, hint = done.err.splitlines()
        assert error.startswith(f"bzd: error: {tmp_path / name}: ")
        assert hint.startswith("bzd: hint: ")


def test_usage_errors(bzd: Any, capture: Path) -> None:
    """A wrong offset, an unknown suffix and a missing argument are wrong usage."""
    assert bzd("trace", "info", capture, "--time-offset", "2h").code == 2
    assert bzd("trace", "convert", capture, "out.txt").code == 2
    assert bzd("trace", "info").code == 2


def test_control_characters_in_names_are_not_printed(bzd: Any, tmp_path: Path) -> None:
    """A file name cannot write to the terminal what it likes."""
    path = tmp_path / "a\x1b[31m.jsonl"
    with path.open("wb") as file:
        JsonlWriter(file)
    assert "\x1b" not in bzd("trace", "info", path).out
