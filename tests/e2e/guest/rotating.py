# SPDX-License-Identifier: Apache-2.0
"""A badge that scans and advertises on one adapter and changes its ID again and again, faster than it ever would."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence

from tests.e2e.guest.bed import Bed
from tests.e2e.guest.eavesdropper import Intercept
from tests.e2e.guest.listening import crowd_data
from tests.e2e.guest.own import OwnRadio, OwnScanner

_NEIGHBOURS = 5
_HEADER = ("mode", "IDs", "addresses", "scan request addresses", "linked", "gap in scanning ms: median", "greatest")


async def prove(bed: Bed, rotations: int, hold_s: float) -> None:
    """Rotate in every mode and check what was on air.

    Args:
        bed: the test bed.
        rotations: how often the ID changes in each mode.
        hold_s: seconds for which an ID is on air.
    """
    rows = []
    for mode in OwnScanner.MODES:
        await bed.start(1)
        try:
            gaps = await _rotate(bed, mode, rotations, hold_s)
        except TimeoutError as error:
            bed.check(f"{mode}: the radio rotates", passed=False, detail=error)
            continue
        caught = Intercept.of(await bed.radio("on_air"), 0)
        _check(bed, mode, caught, rotations + 1)
        found = (len(caught.ids), len(caught.payloads), len(caught.requests), len(caught.linked()))
        rows.append((mode, *found, round(statistics.median(gaps) * 1000), round(max(gaps) * 1000)))
    bed.table(f"{rotations} rotations on one {bed.kind} controller that scans as well", _HEADER, rows)


async def _rotate(bed: Bed, mode: str, rotations: int, hold_s: float) -> Sequence[float]:
    """Advertise one ID more than there are rotations; seconds without scanning, for each change."""
    # Connectable neighbours, so that an active scan has somebody to send requests to.
    data = crowd_data()
    await bed.radio("crowd", number=_NEIGHBOURS, data=data, interval=0.2, dbm=-60, kind="CONNECTABLE")
    gaps = []
    async with OwnRadio("hci0", mode) as radio:
        for _ in range(rotations):
            await asyncio.sleep(hold_s)
            gaps.append(await radio.rotate())
        await asyncio.sleep(hold_s)
        bed.check(f"{mode}: neighbours are heard meanwhile", len(radio.heard) > 0, len(radio.heard))
    return gaps


def _check(bed: Bed, mode: str, caught: Intercept, expected: int) -> None:
    bed.check(f"{mode}: each ID was on air", len(caught.ids) == expected, len(caught.ids))
    bed.check(f"{mode}: no address outlives its ID", not caught.linked(), caught.linked() or len(caught.payloads))
    bed.check(f"{mode}: no ID has two addresses", not caught.followed(), caught.followed() or len(caught.addresses))
    bed.check(f"{mode}: the public address is never on air", caught.types <= {"random"}, ", ".join(caught.types))
    bed.check(f"{mode}: every address is non-resolvable", not caught.resolvable(), caught.resolvable() or "all")
    if mode == "passive":
        bed.check(f"{mode}: no scan requests", not caught.requests, len(caught.requests))
    else:
        bed.check(f"{mode}: scan requests were looked at", len(caught.requests) > 0, len(caught.requests))
