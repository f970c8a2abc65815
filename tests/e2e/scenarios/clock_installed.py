# SPDX-License-Identifier: Apache-2.0
"""The installed badge may not ask the kernel about the clock; it believes a time server's all the same, and no hand's.

systemd-timedated is asked, which the sandbox lets through on the bus. The mark that systemd-timesyncd leaves is there
all the time, as it is on a badge that a time server was once reached from.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.e2e.guest import bluez, wall
from tests.e2e.guest.badge import BZD, UNIT, call, shown, within
from tests.e2e.guest.bed import Bed

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 300.0

_MORNING = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""
_DAY_S = 86400.0
_PATIENCE_S = 40.0
"""It is asked every ten seconds, and timedated started for it."""


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    with wall.put_right(), wall.vouched():
        wall.serve(_MORNING)
        await bluez.run(BZD, "install-service")
        try:
            await bluez.run("systemctl", "start", UNIT)
            await _becomes(bed, "a time server's clock is believed", synced=True)
            await wall.set_by_hand(time.time() + _DAY_S)
            await _becomes(bed, "one that was set by hand is not", synced=False)
            await bluez.run("systemctl", "restart", UNIT)
            await _becomes(bed, "nor by a daemon that was started afterwards", synced=False)
            wall.serve(_MORNING + _DAY_S / 2)
            await _becomes(bed, "the time server's is again", synced=True)
            said = await bluez.run("journalctl", "--no-pager", "-o", "cat", "-u", UNIT)
            bed.check("the journal says so", "the clock is not known to be right" in said, said[-300:])
        finally:
            await bluez.run(BZD, "install-service", "--uninstall", "--delete-data")


async def _becomes(bed: Bed, what: str, *, synced: bool) -> None:
    pid = int(await shown("MainPID"))

    async def so() -> bool:
        found = await _status()
        return found.get("pid") == pid and found["clock"]["synced"] is synced

    seconds = await within(_PATIENCE_S, so)
    bed.check(what, seconds is not None, f"{seconds} s")


async def _status() -> dict[str, Any]:
    """What `bzd status --json` says; empty while no badge runs."""
    out = (await call(BZD, "status", "--json")).out
    found: dict[str, Any] = json.loads(out) if out else {}
    return found
