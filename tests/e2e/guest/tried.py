# SPDX-License-Identifier: Apache-2.0
"""`bzd doctor --radio` beside a badge that runs, as an admin does it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bzd.radio.verdict import VERDICTS_FILE
from tests.e2e.guest import bluez
from tests.e2e.guest.badge import BZD, call, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.eavesdropper import Intercept

_STATE, _RUNTIME = Path("/root/tried"), Path("/run/tried")
_BACK_S = 20.0
_NEIGHBOUR = "1A:00:00:00:00:01"


@asynccontextmanager
async def badge(bed: Bed) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """A badge that runs on hci0 while the block lasts; gives what asks it for its status."""
    await bed.start(1)
    await bed.radio("beacon", address=_NEIGHBOUR, data="0201060303aafe", interval=0.05, kind="CONNECTABLE")
    shutil.rmtree(_STATE, ignore_errors=True)
    await bluez.run(BZD, "init", "--state", str(_STATE))
    os.environ["RUNTIME_DIRECTORY"] = str(_RUNTIME)
    process = await asyncio.create_subprocess_exec(BZD, "run", "--state", str(_STATE))
    try:
        seconds = await within(_BACK_S, lambda: _is_well(bed))
        bed.check("the badge is on air", seconds is not None, seconds)
        yield status
    finally:
        process.terminate()
        await process.wait()


async def status() -> dict[str, Any]:
    """What the badge says of its radio."""
    outcome = await call(BZD, "status", "--json")
    found: dict[str, Any] = json.loads(outcome.out)["radio"] if outcome.out else {}
    return found


async def trial(bed: Bed, mode: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Try the radio out; afterwards the badge must be back and use `mode`. The outcomes, and doctor's findings."""
    before, began = await _on_air(bed), time.monotonic()
    outcome = await call(BZD, "doctor", "--radio", "--json", "--state", str(_STATE))
    lasted = time.monotonic() - began
    bed.check("doctor --radio comes to an end", bool(outcome.out), f"{lasted:.0f} s {outcome.err.strip()}")
    found = json.loads(outcome.out)
    header = ("way", "scan first", "IDs", "addresses", "of scan requests", "linked", "staying", "failed", "refused")
    bed.table(
        f"{found['radio']['setup']}; {found['radio']['firmware']}",
        header,
        [each.values() for each in found["radio"]["attempts"]],
    )
    bed.check("nothing of the recording is left", not [*Path("/run").glob("bzd-trial-*")])
    kept = (_STATE / VERDICTS_FILE).read_text()
    public = await bluez.adapter_property("hci0", "Address")
    bed.check("the verdict is kept without the address", public is not None and public not in kept, kept[:60])
    seconds = await within(_BACK_S, lambda: _is_well(bed, mode))
    after = await _on_air(bed)
    bed.check("the badge is back, under another ID", seconds is not None and after != before, (seconds, await status()))
    return found["radio"]["outcomes"], {check["check"]: check for check in found["checks"]}


async def caught(bed: Bed) -> Intercept:
    """What an eavesdropper caught of hci0."""
    return Intercept.of(await bed.radio("on_air"), 0)


async def _is_well(bed: Bed, mode: str = "full") -> bool:
    radio = await status()
    return bool(radio.get("advertising") and radio["mode"] == mode and radio["scanning"] and await _on_air(bed))


async def _on_air(bed: Bed) -> list[str]:
    shown: list[str] = (await bed.controller())["advertising"]
    return shown
