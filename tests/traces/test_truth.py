# SPDX-License-Identifier: Apache-2.0
"""Real captures against what others read in them: the authors' own decodes, and tshark."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import subprocess
from bisect import bisect_left
from collections import defaultdict
from pathlib import Path

import pytest

from bzd.protocols import sightings
from bzd.traces import open_trace

SCENES = ("dp3t-exp25", "dp3t-exp27", "dp3t-exp28")
TOLERANCE_S = 0.02
"""How far the authors' times may be from ours."""
UTC_RECORDERS = {("dp3t-exp28", 23): 7200.0, ("dp3t-exp28", 24): 7200.0}
"""Recorders that stamped UTC; all others, and the authors' rows, have local time (UTC+2)."""
STATIC = {"nrf52_capture_0": 785, "ubertooth_capture_0": 1860, "ubertooth_capture_90": 2438}
"""Advertisements of each capture, those of a good checksum."""


def _capture(folder: Path, number: int) -> Path:
    return next(path for path in folder.glob(f"{number:02d}.*") if path.suffix in {".btsnoop", ".pklg"})


def _heard(folder: Path, number: int) -> dict[bytes, list[tuple[float, int]]]:
    """(time, RSSI) of every sighting in a capture, by the bytes that were broadcast."""
    heard: dict[bytes, list[tuple[float, int]]] = defaultdict(list)
    with open_trace(str(_capture(folder, number)), time_offset=UTC_RECORDERS.get((folder.name, number), 0.0)) as trace:
        for advertisement in trace:
            for sighting in sightings(advertisement):
                heard[sighting.rolling_id + sighting.metadata].append((sighting.time, sighting.rssi))
    assert trace.problem is None
    return heard


def _rows(folder: Path) -> list[tuple[int, int, float, int]]:
    rows: list[tuple[int, int, float, int]] = []
    for path in sorted(folder.glob("scenario*.sqlite")):
        database = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        rows += database.execute("select receiver_id, transmitter_id, timestamp, rssi from results").fetchall()
        database.close()
    return rows


@pytest.mark.parametrize("scene", SCENES)
def test_every_row_of_the_authors_decode_is_found(shared: Path, scene: str) -> None:
    """Each sighting that the authors of the captures published is read: same sender, same RSSI, within 20 ms."""
    folder = shared / "data/captures" / scene
    rows = _rows(folder)
    receivers = {receiver for receiver, *_ in rows}
    heard = {receiver: _heard(folder, receiver) for receiver in receivers}
    sent = {
        sender: [bytes.fromhex(line.replace(":", "")) for line in (folder / f"{sender:02d}.ephids").read_text().split()]
        for sender in {sender for _, sender, _, _ in rows}
    }
    missing = [row for row in rows if not _found(heard[row[0]], sent[row[1]], row[2], row[3])]
    assert len(rows) > 100
    assert missing == []


def _found(heard: dict[bytes, list[tuple[float, int]]], sent: list[bytes], time: float, rssi: int) -> bool:
    for payload in sent:
        times = heard.get(payload, [])
        at = bisect_left(times, (time - TOLERANCE_S, -999))
        while at < len(times) and times[at][0] <= time + TOLERANCE_S:
            if times[at][1] == rssi:
                return True
            at += 1
    return False


def _static(shared: Path, name: str) -> tuple[list[dict[str, str]], dict[int, tuple[str, int | None]]]:
    """The rows of the independent decode, and (address, RSSI) of our advertisements by the frame they are in."""
    folder = shared / "data/captures/mitll-static"
    with (folder / f"{name}.csv").open(encoding="latin-1", newline="") as file:  # one of them is not UTF-8
        rows = list(csv.DictReader(file))
    ours: dict[int, tuple[str, int | None]] = {}
    with open_trace(str(folder / f"{name}.pcapng")) as trace:
        for advertisement in trace:
            ours[trace.counts.records] = (advertisement.address, advertisement.rssi)
    return rows, ours


@pytest.mark.parametrize("name", STATIC)
def test_advertisements_equal_the_independent_decode(shared: Path, name: str) -> None:
    """A sniffer's advertisements have address and RSSI of their row of the CSV, in order, and PDU type 0, 2, 4 or 6."""
    rows, ours = _static(shared, name)
    assert len(ours) == STATIC[name]
    for frame, (address, rssi) in ours.items():
        row = rows[frame - 1]
        assert (row["Source"].upper(), int(row["RSSI"])) == (address, rssi)
        assert row["PDU Type"] in {"0", "2", "4", "6"}


@pytest.mark.parametrize("name", STATIC)
def test_what_is_left_out_is_broken_for_tshark_too(shared: Path, name: str) -> None:
    """Each advertising frame that gives no advertisement has a wrong checksum or is malformed according to tshark."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    rows, ours = _static(shared, name)
    path = shared / f"data/captures/mitll-static/{name}.pcapng"
    fields = ["-e", "btle.crc.incorrect", "-e", "nordic_ble.crc.bad", "-e", "_ws.malformed"]
    out = subprocess.run(
        ["tshark", "-r", str(path), "-T", "fields", *fields], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert len(out) == len(rows)
    for frame, (row, broken) in enumerate(zip(rows, out, strict=True), 1):
        if row["PDU Type"] in {"0", "2", "4", "6"}:
            assert (frame in ours) == (not broken.strip()), frame


@pytest.mark.parametrize("name", ["dp3t-exp28/23.btsnoop", "misc/nk521-android.btsnoop", "dp3t-exp27/01.pklg"])
def test_addresses_and_rssi_are_those_of_tshark(shared: Path, name: str) -> None:
    """Address and RSSI of every report of an HCI log, in order, are what tshark shows."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = shared / "data/captures" / name
    wanted = "bthci_evt.le_meta_subevent == 2 || bthci_evt.le_meta_subevent == 13"
    fields = ["-e", "bthci_evt.bd_addr", "-e", "bthci_evt.rssi"]
    shown = subprocess.run(
        ["tshark", "-r", str(path), "-Y", wanted, "-T", "fields", *fields], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    with open_trace(str(path)) as trace:
        ours = [f"{advertisement.address.lower()}\t{advertisement.rssi}" for advertisement in trace]
    assert ours == [line.replace(",00:00:00:00:00:00", "") for line in shown]
