# SPDX-License-Identifier: Apache-2.0
"""Installed as an admin does, the sandboxed service starts, makes its store, is on air, and stops when it is told."""

from __future__ import annotations

import re
import time

from tests.e2e.guest import bluez
from tests.e2e.guest.badge import BZD, STATE, UNIT, call, shown, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.installed import ADMIN, BACK_S, IDENTITY, journal, on_air, status, surround

CONTROLLERS = ("legacy",)
LIMIT_S = 300.0

_EXPOSURE_MAX = 0.3
_STOP_S = 4.0
"""2 s are promised; emulated processors are several times slower."""


async def run(bed: Bed) -> None:
    """Run it."""
    await surround(bed)
    await _install(bed)
    await _start(bed)
    await _stop(bed)
    await bluez.run(BZD, "install-service", "--uninstall", "--delete-data")


async def _install(bed: Bed) -> None:
    words = (BZD, "install-service", "--recipient", str(ADMIN))
    written = (await bluez.run(*words)).splitlines()
    bed.check("install-service writes its files", len(written) > 5, f"{len(written)} lines")
    bed.check("nothing was made before the first start", list(STATE.iterdir()) == [], [*STATE.iterdir()])
    again = await call(*words)
    bed.check("again is harmless", (again.status, again.out) == (0, ""), again)
    bed.check("it starts at boot", await shown("UnitFileState") == "enabled")
    level = re.search(r"exposure level.*: ([\d.]+)", await bluez.run("systemd-analyze", "security", "--no-pager", UNIT))
    bed.check(
        f"exposure is at most {_EXPOSURE_MAX}",
        level is not None and float(level[1]) <= _EXPOSURE_MAX,
        level and level[1],
    )


async def _start(bed: Bed) -> None:
    started = time.monotonic()
    outcome = await call("systemctl", "start", UNIT)
    bed.check("it says READY", outcome.status == 0, f"{time.monotonic() - started:.1f} s {outcome.err}")
    owner = STATE.stat()
    user = (await bluez.run("id", "-u", "bzd")).strip()
    bed.check("the store is its user's alone", (str(owner.st_uid), owner.st_mode & 0o777) == (user, 0o700))
    keys = {path.read_text().split()[2] for path in (STATE / "recipients").iterdir()}
    bed.check("the store is sealed to the admin", keys == {ADMIN.read_text().split()[2]}, keys)
    bed.check("no identity lies beside it", not (STATE / "identity.key").exists())
    bed.check("the machine was noted", (STATE / "machine").stat().st_uid == owner.st_uid)
    seconds = await within(BACK_S, lambda: on_air(bed))
    bed.check("a rolling ID is on air", seconds is not None, seconds)
    seconds = await within(BACK_S, _hears)
    bed.check("it hears the neighbour", seconds is not None, seconds)


async def _hears() -> bool:
    """More than once, which makes a contact."""
    return int((await status()).get("sightings_per_minute", 0)) > 3


async def _stop(bed: Bed) -> None:
    started = time.monotonic()
    await bluez.run("systemctl", "stop", UNIT)
    seconds = time.monotonic() - started
    bed.check(f"it stops within {_STOP_S:g} s", seconds < _STOP_S, f"{seconds:.1f} s")
    bed.check("it leaves the air", not await on_air(bed))
    said = await journal()
    bed.check("its journal says so", "everything is stored" in said and "Traceback" not in said, said[-300:])
    read = await call(BZD, "contacts", "--identity", str(IDENTITY), "--jsonl")
    bed.check("the neighbour is in the store", len(read.out.splitlines()) == 1, read)
