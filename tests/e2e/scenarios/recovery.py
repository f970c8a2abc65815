# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to bluetoothd, the adapter or the bus, the radio is back within 5 s, under an ID never used."""

from __future__ import annotations

import asyncio
import time

from tests.e2e.guest import sharing
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.eavesdropper import Intercept
from tests.e2e.guest.faults import FAULTS, Fault
from tests.e2e.guest.listening import proximity_data
from tests.e2e.guest.own import OwnRadio

QUICK = False
LIMIT_S = 1000.0

_PATIENCE_S = 70.0
_LOOK_S = 0.05
_REVIVED_S = 1.0
"""When an adapter is reset, the kernel sends the advertisement that it still holds under a new address, until
bluetoothd, which then starts, clears it: no program can be quicker."""
_NEIGHBOUR = "1A:00:00:00:00:01"


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    data = proximity_data(bytes(20)).hex()
    await bed.radio("beacon", address=_NEIGHBOUR, data=data, interval=0.2, jitter_db=4, kind="CONNECTABLE")
    async with OwnRadio("hci0", "full") as radio:
        rows = [(fault.name, *await _survive(bed, radio, fault)) for fault in FAULTS]
        caught = Intercept.of(await bed.radio("on_air"), 0)
        # Last: what other programs send from the same controller is not the badge's.
        await sharing.advertisement(bed, radio)
        await sharing.discovery(bed, radio)
    bed.table(f"Seconds until the radio is back, {bed.kind} controller", ("after", "seconds", "restarts seen"), rows)
    bed.check("no address outlives its ID", not caught.linked(), caught.linked() or len(caught.payloads))
    revived_s = caught.revived_s()
    what = f"an ID that a reset revives is gone within {_REVIVED_S:g} s"
    bed.check(what, revived_s <= _REVIVED_S, f"{len(caught.followed())}, {revived_s * 1000:.0f} ms at most")
    bed.check("the public address is never on air", caught.types == {"random"}, ", ".join(sorted(caught.types)))


async def _survive(bed: Bed, radio: OwnRadio, fault: Fault) -> tuple[str, int]:
    """Let a fault happen; the seconds until the radio was whole again, and how many losses it has noticed so far."""
    before = await _on_air(bed)
    await _happen(bed, radio, fault)
    heard = len(radio.heard)
    try:
        seconds = await radio.until(lambda: _whole(radio, heard), _PATIENCE_S)
    except TimeoutError as error:
        reports = (await bed.controller())["reports"]
        detail = f"{error}; {radio.state.scan}; {reports} reports from the controller"
        bed.check(f"{fault.name}: back", passed=False, detail=detail)
        return "never", radio.state.restarts
    bed.check(f"{fault.name}: back within {fault.back_s:g} s", seconds <= fault.back_s, f"{seconds:.1f} s")
    await asyncio.sleep(0.5)
    after = await _on_air(bed)
    kept = fault.name == "another program's discovery"
    bed.check(f"{fault.name}: {'the' if kept else 'a new'} ID is on air", (after == before) is kept and bool(after))
    return f"{seconds:.1f}", radio.state.restarts


async def _happen(bed: Bed, radio: OwnRadio, fault: Fault) -> None:
    """Let a fault happen, and check what the radio says and hears while it lasts."""
    began, heard, seen = time.monotonic(), len(radio.heard), set[str]()
    task = asyncio.ensure_future(fault.happen(bed))
    while not task.done():
        seen.add(radio.state.troubles.get(fault.area, ""))
        await asyncio.sleep(_LOOK_S)
    await task
    if fault.area:
        told = any(text and fault.said in text for text in seen)
        bed.check(f"{fault.name}: the radio says so", told, " / ".join(sorted(filter(None, seen))) or "nothing")
    if fault.hears:
        seconds, reports = time.monotonic() - began, len(radio.heard) - heard
        what = f"{fault.name}: heard meanwhile, every other second at least"
        bed.check(what, reports >= seconds / 2, f"{reports} reports in {seconds:.0f} s")


def _whole(radio: OwnRadio, heard: int) -> bool:
    state = radio.state
    return state.advertising and state.scanning and len(radio.heard) > heard + 1 and not state.troubles


async def _on_air(bed: Bed) -> list[str]:
    """What the controller advertises now."""
    stats = await bed.controller()
    shown: list[str] = stats["advertising"]
    return shown
