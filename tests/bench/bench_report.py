# SPDX-License-Identifier: Apache-2.0
"""What a report costs: `python -m tests.bench.bench_report [--rounds 3] [--seconds 15]`.

`bzd run` beside a bare bleak scanner that does nothing with what it hears, each in turn as a process of its own on a
dbus-daemon with the fake BlueZ of `tests/radio`: a hundred badges, four reports a second of each. Once that scanner is
sent RSSI alone, as bluetoothd does unless asked for more, once RSSI and payload, as bzd asks. Prints processor time of
the process (scheduler/sched-stats of the kernel's documentation) in us for each report: the least of the rounds, since
whatever else a machine does only adds, then all of them. A round in which the process did not hear what was sent is an
error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dbus_fast import Variant

from tests.e2e.guest.listening import SERVICE, Listening
from tests.radio.conftest import SystemBus, until
from tests.radio.daemon_bed import a_daemon
from tests.radio.fake_bluez import FakeBluez

_BADGES = 100
_PAUSE_S = 0.0025
"""400 reports a second, one by one."""
_BURST = 8
"""What is caught up with after the machine stood still; much more would not fit into the socket at once."""
_SETTLE_S = 3.0
_HEARD = 0.95
"""Part of the reports that must have been heard: whoever hears nothing is cheap."""
_WAYS = ("bleak, RSSI alone", "bleak, with payloads", "bzd run")
_CHILD = "listen"


def main() -> None:
    """Print a line for each way."""
    if sys.argv[1:2] == [_CHILD]:
        asyncio.run(_listen())
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    spent: dict[str, list[float]] = {way: [] for way in _WAYS}
    for number in range(options.rounds * len(_WAYS)):
        way = _WAYS[number % len(_WAYS)]
        with tempfile.TemporaryDirectory() as name:
            bus = SystemBus(Path(name))
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={bus.socket}"
            bus.start()
            try:
                spent[way].append(asyncio.run(_measure(Path(name), way, options.seconds)))
            finally:
                bus.stop()
    for way, found in spent.items():
        rounds = ", ".join(f"{us:.1f}" for us in sorted(found))
        print(f"{way:<22} {min(found):6.1f} us, {min(found) / min(spent[_WAYS[1]]):.2f} ({rounds})")


async def _listen() -> None:
    """The bare scanner; the fake BlueZ sends the same whatever it is asked for."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Listening("full", "hci0") as listening:
        await ended.wait()
        print(listening.callbacks)


async def _measure(folder: Path, way: str, seconds: float) -> float:
    """Processor time of one process, in us for each report.

    Raises:
        SystemExit: if it did not hear them.
    """
    async with a_daemon(folder) if way == "bzd run" else _bare() as (running, bluez):
        known = await _crowd(bluez, way, _SETTLE_S)
        before = _spent_us(running.process.pid)
        sent = await _crowd(bluez, way, seconds)
        spent_us = _spent_us(running.process.pid) - before
        await asyncio.sleep(_SETTLE_S)
        heard = await running.heard() if isinstance(running, _Bare) else running.status()["radio"]["reports"]
    if not _HEARD * (known + sent) <= heard <= known + sent:
        raise SystemExit(f"{way}: {heard} of {known + sent} reports were heard")
    return spent_us / sent


class _Bare:
    """A bare scanner that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def heard(self) -> int:
        """End it; how many reports it has heard."""
        self.process.terminate()
        out, _ = await self.process.communicate()
        return int(out)


@asynccontextmanager
async def _bare() -> AsyncIterator[tuple[_Bare, FakeBluez]]:
    bluez = FakeBluez()
    await bluez.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bench_report", _CHILD, stdout=asyncio.subprocess.PIPE
    )
    try:
        await until(lambda: bluez.discovering, 20.0)
        yield _Bare(process), bluez
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await bluez.stop()


async def _crowd(bluez: FakeBluez, way: str, seconds: float) -> int:
    """Send reports for so long; gives their number."""
    loop, sent = asyncio.get_running_loop(), 0
    due = loop.time()
    end = due + seconds
    while (now := loop.time()) < end:
        due = max(due, now - _BURST * _PAUSE_S)
        while due <= now:
            _report(bluez, way, sent)
            sent, due = sent + 1, due + _PAUSE_S
        await asyncio.sleep(_PAUSE_S)
    return sent


def _report(bluez: FakeBluez, way: str, number: int) -> None:
    badge, turn = number % _BADGES, number // _BADGES
    address, rssi = f"3A:00:00:00:00:{badge:02X}", -60 - turn % 4
    if way == _WAYS[0] and len(bluez.devices) == _BADGES:
        bluez.change_device(address, {"RSSI": Variant("n", rssi)}, [])
    else:
        bluez.report(address, rssi, {SERVICE: bytes([badge]) * 20})


def _spent_us(pid: int) -> float:
    """Time on a processor of all threads, in us."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1000


if __name__ == "__main__":
    main()
