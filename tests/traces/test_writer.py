# SPDX-License-Identifier: Apache-2.0
"""Writing traces: what goes out comes back, and other programs read it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.model import Advertisement
from bzd.traces.formats import recognise
from bzd.traces.hci import tx_power_in
from bzd.traces.source import ByteStream
from bzd.traces.trace import Trace
from bzd.traces.writer import BtsnoopWriter, JsonlWriter, TraceWriter

ADDRESSES = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":").upper())
OCTETS = st.integers(-128, 127)


@st.composite
def _advertisements(draw: st.DrawFn, largest: int = 1650) -> Advertisement:
    """Any advertisement that a reader may give; times have microseconds."""
    time = draw(st.integers(0, 4 * 10**15)) / 10**6  # until the year 2096, where a float still holds microseconds
    address = draw(ADDRESSES | st.just(""))
    kind = draw(st.sampled_from(["public", "random", None]))
    data = draw(st.binary(max_size=40) | st.binary(max_size=largest))
    tx_power = draw(st.none() | OCTETS)
    stated = tx_power_in(data) if tx_power is None else tx_power
    return Advertisement(round(time, 6), address, kind, draw(st.none() | OCTETS), data, stated)


def _written(kind: Callable[[BinaryIO], TraceWriter], advertisements: Iterable[Advertisement]) -> bytes:
    file = io.BytesIO()
    writer = kind(file)
    for advertisement in advertisements:
        writer.write(advertisement)
    return file.getvalue()


def _read(content: bytes) -> list[Advertisement]:
    stream = ByteStream(io.BytesIO(content).read)
    trace = Trace("test", stream, recognise(stream))
    found = list(trace)
    assert trace.problem is None
    assert trace.counts.malformed == 0
    return found


def _rounded(advertisements: Iterable[Advertisement]) -> list[Advertisement]:
    return [advertisement._replace(time=round(advertisement.time, 6)) for advertisement in advertisements]


def _carried(advertisement: Advertisement) -> Advertisement:
    """What btsnoop can carry of an advertisement, as the writer's documentation says."""
    _, address, kind, rssi, data, tx_power = advertisement
    return advertisement._replace(
        address_type=(kind or "public") if address else None,
        rssi=127 if rssi is None else rssi,
        # 127 is "not available" in a report, so a tx power of 127 dBm cannot be told from none.
        tx_power=tx_power_in(data) if tx_power == 127 else tx_power,
    )


@settings(deadline=None)
@given(st.lists(_advertisements(), max_size=5))
def test_json_lines_keep_everything(advertisements: list[Advertisement]) -> None:
    """What is written as JSON Lines is read back, every field."""
    assert _rounded(_read(_written(JsonlWriter, advertisements))) == advertisements


@settings(deadline=None)
@given(st.lists(_advertisements(), max_size=5))
def test_btsnoop_keeps_what_it_can_carry(advertisements: list[Advertisement]) -> None:
    """What is written as btsnoop is read back: time, address, data and tx power, whatever their size."""
    read = _rounded(_read(_written(BtsnoopWriter, advertisements)))
    assert read == [_carried(advertisement) for advertisement in advertisements]


@settings(deadline=None)
@given(st.lists(_advertisements(), max_size=5))
def test_there_and_back(advertisements: list[Advertisement]) -> None:
    """JSON Lines to btsnoop to JSON Lines to btsnoop: the first conversion changes what it must, the second nothing."""
    first = _read(_written(BtsnoopWriter, _read(_written(JsonlWriter, advertisements))))
    again = _read(_written(BtsnoopWriter, _read(_written(JsonlWriter, first))))
    assert _rounded(again) == _rounded(first)


def _sample(build: Any) -> list[Advertisement]:
    """Legacy, empty, long and anonymous advertisements of one second."""
    kinds: list[tuple[str, bytes, int | None]] = [
        (build.address, build.data, None),
        (build.address, b"", None),
        (build.address, b"\xfe\xff" + bytes(253), 7),
        ("", b"\2\1\6", None),
    ]
    return [
        Advertisement(build.time + number / 8, address, "random" if address else None, -50 - number, data, power)
        for number, (address, data, power) in enumerate(kinds)
    ]


def test_btmon_reads_it(build: Any, tmp_path: Path) -> None:
    """Btmon shows each report with its RSSI."""
    if shutil.which("btmon") is None:
        pytest.skip("btmon is not installed")
    path = tmp_path / "trace.btsnoop"
    path.write_bytes(_written(BtsnoopWriter, _sample(build)))
    shown = subprocess.run(["btmon", "-r", str(path)], check=True, capture_output=True, text=True, timeout=60).stdout
    assert re.findall(r"RSSI: (-\d+) dBm", shown) == ["-50", "-51", "-52", "-52", "-53"]
    assert shown.count(f"Address: {build.address}") == 4
    assert "Exposure Notification" in shown or "0xfd6f" in shown


def test_tshark_reads_it(build: Any, tmp_path: Path) -> None:
    """Tshark shows each report with its time and RSSI, and finds nothing malformed."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = tmp_path / "trace.btsnoop"
    path.write_bytes(_written(BtsnoopWriter, _sample(build)[:2]))
    fields = ["-e", "frame.time_epoch", "-e", "bthci_evt.rssi", "-e", "_ws.malformed"]
    shown = subprocess.run(
        ["tshark", "-r", str(path), "-Y", "bthci_evt", "-T", "fields", *fields],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.splitlines()
    assert [line.rstrip().split("\t") for line in shown] == [
        ["1600000000.250000000", "-50"],
        ["1600000000.375000000", "-51"],
    ]
