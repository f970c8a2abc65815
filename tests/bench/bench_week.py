# SPDX-License-Identifier: Apache-2.0
"""A hurried week of the daemon without a radio: `python -m tests.bench.bench_week [--days 9] [--factor 1500]`.

The process is `bzd run` with its real radio, on a dbus-daemon of its own with the fake BlueZ of `tests/radio`; only its
clocks run faster (`tests/e2e/guest/hurried.py`). Twenty others are near, whose IDs and addresses change every half
hour; days older than two are deleted. Prints a row a day. `tests/e2e/run --only week` does it with the real BlueZ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from bzd.store import create
from bzd.store.identity import Identity
from tests.e2e.guest import hurried
from tests.e2e.guest.days import HEADER, Days
from tests.radio.conftest import SystemBus
from tests.radio.fake_bluez import FakeBluez

_OTHERS = 20
_OTHERS_S = 1800.0
"""Seconds of the badge until the others' IDs change."""
_REPORTS_PER_S = 60
"""Reports a second of the machine."""
_SERVICE = "0000fd6f-0000-1000-8000-00805f9b34fb"
_SETTINGS = ("store.retention_days=2", "proximity.max_gap_s=1500")
_START_S = 30.0


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=9)
    parser.add_argument("--factor", type=float, default=1500.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bus = SystemBus(Path(name))
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={bus.socket}"
        bus.start()
        try:
            asyncio.run(_week(Path(name), options.days, options.factor))
        finally:
            bus.stop()


async def _week(folder: Path, days: int, factor: float) -> None:
    bluez = FakeBluez(legacy=False)
    await bluez.start()
    identity = Identity.generate()
    state = folder / "state"
    create(state, recipients=[identity.public], label="week", identity=identity, now=time.time())
    words = hurried.words(factor, state, "hci0", _SETTINGS)
    environment = os.environ | {"RUNTIME_DIRECTORY": str(folder)}
    badge = await asyncio.create_subprocess_exec(*words, env=environment)
    crowd = asyncio.create_task(_others(bluez, _OTHERS_S / factor))
    try:
        async with asyncio.timeout(_START_S):
            while not (folder / "status.json").exists():  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0.1)
        print("day", *HEADER, sep=" | ")
        counted = Days(badge.pid, partial(_status, folder))
        for number in range(days):
            await asyncio.sleep(86400.0 / factor)
            print(number + 1, *counted.end(), sep=" | ", flush=True)
    finally:
        crowd.cancel()
        badge.terminate()
        await badge.wait()
        await bluez.stop()


async def _others(bluez: FakeBluez, stay_s: float) -> None:
    """Twenty others, all of whom are replaced by twenty others again and again."""
    for generation in range(1 << 32):
        began, payloads = time.monotonic(), [os.urandom(20) for _ in range(_OTHERS)]
        number = 0
        while (passed := time.monotonic() - began) < stay_s:
            while number < passed * _REPORTS_PER_S:
                who = number % _OTHERS
                bluez.report(_address(generation, who), random.randint(-80, -50), {_SERVICE: payloads[who]})
                number += 1
            await asyncio.sleep(0.02)
        bluez.forget_devices()


def _address(generation: int, who: int) -> str:
    digits = f"1a{generation & 0xFFFFFF:06x}{who:04x}".upper()
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


def _status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return found


if __name__ == "__main__":
    main()
