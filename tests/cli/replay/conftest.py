# SPDX-License-Identifier: Apache-2.0
"""Recordings of a simulated hour, and a store to replay them into."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from bzd.model import Advertisement, Identifier
from bzd.protocols import protocols
from bzd.radio.crowd import office_hour
from bzd.traces.writer import BtsnoopWriter

START = 1_591_788_600.0
"""2020-06-10T11:30:00Z."""

Sent = Callable[..., list[Advertisement]]
Written = Callable[[str, Iterable[Advertisement]], Path]
Stored = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def heard() -> list[Advertisement]:
    """What the first badge of the crowd hears in its hour."""
    crowd = office_hour(START, 1)
    return list(crowd.heard_by(crowd.members[0]))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes advertisements as a btsnoop file of a name and gives its path."""

    def write(name: str, advertisements: Iterable[Advertisement]) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            writer = BtsnoopWriter(file)
            for advertisement in advertisements:
                writer.write(advertisement)
        return path

    return write


@pytest.fixture
def recording(written: Written, heard: list[Advertisement]) -> Path:
    """The hour as a btsnoop file."""
    return written("hour.btsnoop", heard)


@pytest.fixture(scope="session")
def sent() -> Sent:
    """Makes one badge's advertisements at times in seconds after the start, all with one RSSI and rolling ID."""

    def make(
        times: Iterable[float], rssi: int = -60, rolling_id: bytes = bytes(16), protocol: str = "gaen"
    ) -> list[Advertisement]:
        metadata = bytes(4) if protocol == "gaen" else b""
        data = protocols()[protocol].encode(Identifier(protocol, rolling_id, metadata))
        return [Advertisement(START + second, "00:00:00:00:00:01", "random", rssi, data) for second in times]

    return make


@pytest.fixture
def state(bzd: Any, tmp_path: Path) -> Path:
    """A store with its identity beside it."""
    folder = tmp_path / "state"
    assert bzd("init", "--state", folder, "--label", "test").code == 0
    return folder


@pytest.fixture
def stored(bzd: Any) -> Stored:
    """Gives the contacts of a store as its lines of JSON."""

    def lines(state: Path) -> list[str]:
        found: list[str] = bzd("contacts", "--state", state, "--jsonl").out.splitlines()
        return found

    return lines
