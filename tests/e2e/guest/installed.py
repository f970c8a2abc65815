# SPDX-License-Identifier: Apache-2.0
"""The badge as an admin installs it: sealed to a key of the admin's, on air beside a neighbour, and gone afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e.guest import bluez
from tests.e2e.guest.badge import BZD, UNIT, call, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import proximity_data

ADMIN = Path("/root/admin.pub")
IDENTITY = ADMIN.with_suffix(".key")
NEIGHBOUR = "1A:00:00:00:00:01"
CONFIG = Path("/etc/bzd/bzd.toml")
BACK_S = 30.0
"""Seconds that a start of the service and a first advertisement may take in an emulated guest."""


async def surround(bed: Bed) -> None:
    """One adapter, a neighbour, and a new key of the admin's."""
    await bed.start(1)
    await bed.radio("beacon", address=NEIGHBOUR, data=proximity_data(bytes(20)).hex(), interval=0.2, jitter_db=4)
    for path in (ADMIN, IDENTITY):
        path.unlink(missing_ok=True)
    await bluez.run(BZD, "keygen", "-o", str(IDENTITY))


@asynccontextmanager
async def badge(bed: Bed) -> AsyncIterator[None]:
    """It runs while the block lasts."""
    await surround(bed)
    await bluez.run(BZD, "install-service", "--recipient", str(ADMIN))
    try:
        await bluez.run("systemctl", "start", UNIT)
        seconds = await within(BACK_S, lambda: on_air(bed))
        bed.check("the badge is on air", seconds is not None, seconds)
        yield
    finally:
        await bluez.run(BZD, "install-service", "--uninstall", "--delete-data")


async def on_air(bed: Bed) -> bool:
    """Whether the adapter advertises."""
    return bool((await bed.controller())["advertising"])


async def status() -> dict[str, Any]:
    """What `bzd status --json` says; empty while nothing runs."""
    outcome = await call(BZD, "status", "--json")
    found: dict[str, Any] = json.loads(outcome.out) if outcome.out else {}
    return found


async def well(bed: Bed) -> bool:
    """Whether the badge hears and can be heard, and says so."""
    radio = (await status()).get("radio", {})
    return bool(radio.get("scanning") and radio["advertising"] and not radio["troubles"]) and await on_air(bed)


async def drop_in(name: str, *lines: str) -> None:
    """Change the service as `systemctl edit` does; without lines, take that change back."""
    path = Path(f"/etc/systemd/system/{UNIT}.d/{name}.conf")
    path.parent.mkdir(exist_ok=True)
    if lines:
        path.write_text("\n".join(["[Service]", *lines, ""]))
    else:
        path.unlink()
    await bluez.run("systemctl", "daemon-reload")


async def journal() -> str:
    """What the service said since the machine started."""
    return await bluez.run("journalctl", "--no-pager", "-o", "cat", "-b", "-u", UNIT)
