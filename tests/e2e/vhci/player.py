# SPDX-License-Identifier: Apache-2.0
"""Play a recorded trace into controllers, as if its devices were here: at its own pace, or faster."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.e2e.vhci.air import Air
from tests.e2e.vhci.wire import LEGACY_DATA_MAX, RSSI_UNAVAILABLE, Frame, Kind, address_bytes

_PATIENCE_S = 0.05
"""A report that is less late than this delays none after it; a badge's are 200 ms apart or more."""
_UNKNOWN_ADDRESS = "00:00:00:00:00:00"


class Report(NamedTuple):
    """One advertising report of a trace.

    Attributes:
        time: seconds; only differences count.
        address: as text, empty where the trace has none.
        address_type: `public`, `random` or None where the trace does not say (then it is taken for random).
        rssi: dBm, None where the trace has none.
        data: advertising data.
    """

    time: float
    address: str
    address_type: str | None
    rssi: int | None
    data: bytes


@dataclass(slots=True)
class Played:
    """What became of a trace.

    Attributes:
        played: reports put on air.
        too_long: reports left out, since their data does not fit into a legacy PDU.
        unheard: positions in the trace of reports that no controller handed to its host, since none was scanning just
            then (Linux begins an active scan anew every 10.24 s) or its filter of duplicates held them back.
        late_s: by how much longer it took than it should have, since the machine stood still now and then.
    """

    played: int = 0
    too_long: int = 0
    unheard: list[int] = field(default_factory=list)
    late_s: float = 0.0


def read(path: Path) -> Iterator[Report]:
    """The reports of a trace: JSON lines with the fields of `Report`, or any format that bzd reads.

    Raises:
        OSError: if the file cannot be read.
        bzd.errors.TraceError: if it is neither.
    """
    with path.open("rb") as file:
        is_json = file.read(1) == b"{"
    return _read_lines(path) if is_json else _read_trace(path)


def _read_lines(path: Path) -> Iterator[Report]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)
            if "data" in fields:
                data = bytes.fromhex(fields["data"])
                yield Report(fields["time"], fields["address"], fields["address_type"], fields["rssi"], data)


def _read_trace(path: Path) -> Iterator[Report]:
    from bzd.traces import open_trace  # noqa: PLC0415  the radio itself needs nothing but the standard library

    for advertisement in open_trace(str(path)):
        yield Report(*advertisement[:5])


async def play(air: Air, reports: Iterable[Report], speed: float = 1.0, longest_gap_s: float = math.inf) -> Played:
    """Put reports on air in their order for all controllers, each at its time.

    Args:
        air: the air.
        reports: the trace; a report that goes back in time is sent with its predecessor.
        speed: so many times as fast as recorded. BlueZ keeps one RSSI per device and turn of its main loop: played much
            faster than recorded, samples are lost that would not be.
        longest_gap_s: longer silences of the trace are cut to this, seconds of the trace.
    """
    loop = asyncio.get_running_loop()
    done = Played()
    due, last = loop.time(), -math.inf
    for position, report in enumerate(reports):
        if last > -math.inf:
            due += min(max(report.time - last, 0.0), longest_gap_s) / speed
        last = max(last, report.time)
        wait = due - loop.time()
        if wait < -_PATIENCE_S:
            # What is late stays late: caught up with in one burst, reports of a device would become one in BlueZ.
            done.late_s -= wait
            due -= wait
        # Reports that come in a burst still let the controllers answer their host now and then.
        if wait > 0 or position % 64 == 0:
            await asyncio.sleep(max(0.0, wait))
        if len(report.data) > LEGACY_DATA_MAX:
            done.too_long += 1
            continue
        done.played += 1
        delivered = air.delivered
        air.receive(_frame(report), RSSI_UNAVAILABLE if report.rssi is None else report.rssi)
        if air.delivered == delivered:
            done.unheard.append(position)
    return done


def _frame(report: Report) -> Frame:
    address = address_bytes(report.address or _UNKNOWN_ADDRESS)
    return Frame(address, report.address_type != "public", Kind.BROADCAST, report.data)
