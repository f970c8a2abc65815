# SPDX-License-Identifier: Apache-2.0
"""bzd is installed and keeps a store, and bluetoothd sees the virtual controllers and what is on air."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from tests.e2e.guest import bluez, walk
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import Listening, proximity_data

_STATE = Path("/root/badge")
_TRACE = Path("/root/walk.jsonl")
_STEADY = "1A:00:00:00:00:01"


async def run(bed: Bed) -> None:
    """Run it."""
    await _program(bed)
    await bed.start()
    for number in (0, 1):
        address = await bluez.adapter_property(f"hci{number}", "Address")
        bed.check(f"bluetoothd sees hci{number}", address == f"00:AA:E2:01:00:0{number}", address)
    await _hear(bed)
    unknown = (await bed.controller())["unknown"]
    bed.check("the kernel used no command that the virtual controller lacks", not unknown, unknown)


async def _program(bed: Bed) -> None:
    version = await bluez.run("bzd", "--version")
    bed.check("bzd starts", version.startswith("bzd "), version.strip())
    shown = await bluez.run("bzd", "demo")
    bed.check("bzd demo shows an hour among others", "contacts" in shown, f"{len(shown.splitlines())} lines")
    walk.write(_TRACE, seconds=10)
    await bluez.run("bzd", "init", "--state", str(_STATE))
    await bluez.run("bzd", "replay", "--state", str(_STATE), str(_TRACE))
    contacts = json.loads(await bluez.run("bzd", "contacts", "--json", "--state", str(_STATE)))["contacts"]
    bed.check("a replayed trace is in a store on disk", len(contacts) == walk.BADGES, f"{len(contacts)} contacts")
    mode = _STATE.stat().st_mode & 0o777
    bed.check("nobody else may look into it", mode == 0o700, oct(mode))


async def _hear(bed: Bed) -> None:
    """A beacon that comes nearer is heard, with its bytes and its strength."""
    payload = os.urandom(20)
    async with Listening("full", "hci0") as heard:
        await bed.radio("beacon", address=_STEADY, data=proximity_data(payload).hex(), interval=0.1)
        means = []
        for dbm in (-90, -70, -50):
            await bed.radio("move", address=_STEADY, dbm=dbm, jitter_db=2)
            await asyncio.sleep(0.5)
            heard.clear()
            await asyncio.sleep(1.5)
            samples = heard.rssi.get(_STEADY, [0])
            means.append(round(sum(samples) / len(samples)))
        payloads = set(heard.payloads.get(_STEADY, []))
    bed.check("the very bytes of an advert arrive", payloads == {payload}, len(payloads))
    near = all(abs(mean - dbm) <= 2 for mean, dbm in zip(means, (-90, -70, -50), strict=True))
    bed.check("RSSI follows an approach", near, means)
