# SPDX-License-Identifier: Apache-2.0
"""The player puts a trace on air report by report, in order and at the asked pace, and says what it left out."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path

import pytest

from bzd.model import Advertisement
from bzd.traces.writer import BtsnoopWriter, JsonlWriter
from tests.e2e.vhci import player
from tests.e2e.vhci.air import Air
from tests.e2e.vhci.controller import Controller
from tests.e2e.vhci.journal import Journal

TRACE = [
    Advertisement(1000.0, "1A:00:00:00:00:01", "random", -60, b"\x02\x01\x04"),
    Advertisement(1000.3, "00:AA:00:00:00:02", "public", -70, b"\x02\x01\x06"),
    Advertisement(1000.6, "1A:00:00:00:00:03", "random", -80, bytes([31]) + bytes(31)),
    Advertisement(1001.2, "1A:00:00:00:00:04", "random", None, b"\x02\x01\x1a"),
]

_STILL_S = 0.03
"""A player that was late by no more than this was not held up."""


def _play(reports: list[player.Report], **how: float) -> tuple[player.Played, list[bytes], list[float]]:
    """Play to a controller that scans; also the events that its host got, and when."""
    air, events, times = Air(Journal()), list[bytes](), list[float]()
    controller = Controller(medium=air, send=lambda event: _keep(events, times, event), address=bytes(6))
    air.controllers[0] = controller
    controller.receive(bytes.fromhex("010b2007") + struct.pack("<BHHBB", 0, 96, 48, 0, 0))
    controller.receive(bytes.fromhex("010c20020100"))
    events.clear()
    times.clear()
    return asyncio.run(player.play(air, reports, **how)), events, times


def _pace(**how: float) -> list[float]:
    """When the reports of the trace came; played again where this machine stood still meanwhile."""
    for _ in range(10):
        played, _events, times = _play([player.Report(*each[:5]) for each in TRACE], **how)
        if played.late_s < _STILL_S:
            break
    return times


def _keep(events: list[bytes], times: list[float], event: bytes) -> None:
    events.append(event)
    times.append(time.monotonic())


@pytest.mark.parametrize("suffix", ["jsonl", "btsnoop"])
def test_reads_what_bzd_writes(tmp_path: Path, suffix: str) -> None:
    """The traces of bzd itself are read without bzd, others with bzd's readers; both give the same reports."""
    trace = tmp_path / f"t.{suffix}"
    with trace.open("wb") as file:
        writer = JsonlWriter(file) if suffix == "jsonl" else BtsnoopWriter(file)
        for advertisement in TRACE[:2]:
            writer.write(advertisement)
    assert [*player.read(trace)] == [player.Report(*advertisement[:5]) for advertisement in TRACE[:2]]


def test_every_report_reaches_the_host() -> None:
    """Address, type, RSSI and data arrive as in the trace; an RSSI that is not there is 127; too long is told."""
    played, events, _ = _play([player.Report(*each[:5]) for each in TRACE], speed=100.0)
    assert (played.played, played.too_long) == (3, 1)
    kinds, addresses, levels = zip(*((event[6], event[7:13], event[-1]) for event in events), strict=True)
    assert kinds == (1, 0, 1)
    assert [address[0] for address in addresses] == [1, 2, 4]
    assert levels == (256 - 60, 256 - 70, 127)
    assert [event[14:-1] for event in events] == [TRACE[0].data, TRACE[1].data, TRACE[3].data]


def test_pace() -> None:
    """Gaps between reports are those of the trace, divided by the speed."""
    times = _pace(speed=4.0)
    assert times[1] - times[0] == pytest.approx(0.3 / 4, abs=0.05)
    assert times[2] - times[0] == pytest.approx(1.2 / 4, abs=0.05)


def test_a_machine_that_stands_still() -> None:
    """Lateness is kept, and told, instead of being made up for in a burst that BlueZ would not tell apart."""
    air, times = Air(Journal()), list[float]()

    def send(event: bytes) -> None:
        if event[1] == 0x3E:
            times.append(time.monotonic())
            time.sleep(0.4 if len(times) == 1 else 0.0)

    air.controllers[0] = controller = Controller(medium=air, send=send, address=bytes(6))
    controller.receive(bytes.fromhex("010c20020100"))
    reports = [player.Report(at, "1A:00:00:00:00:01", "random", -60, b"\x02\x01\x04") for at in (0.0, 0.2, 0.4)]
    played = asyncio.run(player.play(air, reports))
    assert times[2] - times[1] == pytest.approx(0.2, abs=0.05)
    assert played.late_s == pytest.approx(0.2, abs=0.05)


def test_silence_is_cut() -> None:
    """A longer gap than wanted is cut to it, and shorter ones stay."""
    times = _pace(speed=2.0, longest_gap_s=0.4)
    assert times[1] - times[0] == pytest.approx(0.3 / 2, abs=0.05)
    assert times[2] - times[1] == pytest.approx((0.3 + 0.4) / 2, abs=0.05)


def test_what_nobody_heard_is_told() -> None:
    """Reports that come while no controller scans are named by their position."""
    air = Air(Journal())
    air.controllers[0] = Controller(medium=air, send=lambda _: None, address=bytes(6))
    played = asyncio.run(player.play(air, [player.Report(*each[:5]) for each in TRACE], speed=1000.0))
    assert played.unheard == [0, 1, 3]
