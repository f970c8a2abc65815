# SPDX-License-Identifier: Apache-2.0
"""A badge that scans and advertises on one adapter and changes its ID again and again, faster than it ever would."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence

from bzd.protocols import bluezone, sightings
from bzd.radio.advertiser import INTERVAL_MS
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.eavesdropper import Intercept
from tests.e2e.guest.listening import crowd_data
from tests.e2e.guest.own import OwnRadio, OwnScanner

_NEIGHBOURS = 5
_DISCOVERY_S = 10.24
"""Length of a discovery of the kernel, which begins another one after it by itself (DISCOV_LE_TIMEOUT of
include/net/bluetooth/hci_core.h); the real life of an ID sees some 60 to 120 of them."""
_STAY_S = 25.0
"""How long the last ID but one is on air: the kernel's discovery begins anew twice meanwhile, and an address that it
then takes or keeps is on air when the ID after it comes."""
_GAP_MAX_S = 2.0
"""Longest time that a rotation may keep it from listening; up to 0.8 s were measured (`bzd.radio`), and the emulated
machine may stand still for a second more."""
_HEADER = ("mode", "IDs", "addresses", "scan request addresses", "linked", "gap in scanning ms: median", "greatest")


async def prove(bed: Bed, rotations: int, hold_s: float) -> None:
    """Rotate in every mode and check what was on air.

    Args:
        bed: the test bed.
        rotations: how often the ID changes in each mode.
        hold_s: seconds for which an ID is on air; one of them for longer, see `_STAY_S`.
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
        what = f"{mode}: no rotation keeps it from listening for more than {_GAP_MAX_S:g} s"
        bed.check(what, max(gaps) <= _GAP_MAX_S, f"{max(gaps) * 1000:.0f} ms")
        found = (len(caught.ids), len(caught.payloads), len(caught.requests), len(caught.linked()))
        rows.append((mode, *found, round(statistics.median(gaps) * 1000), round(max(gaps) * 1000)))
    bed.table(f"{rotations} rotations on one {bed.kind} controller that scans as well", _HEADER, rows)


async def other_protocol(bed: Bed) -> None:
    """Advertise Bluezone's IDs, which another badge hears; what was on air is checked as well."""
    await bed.start(2)
    await bed.radio("link", sender=0, receiver=1, dbm=-60, jitter_db=4)
    async with OwnScanner("full", "hci1") as listener, OwnRadio("hci0", "full", bluezone.NAME) as radio:
        shown = await _until_heard(listener, 1)
        await radio.rotate()
        shown = await _until_heard(listener, 2)
    bed.check("another badge hears Bluezone's IDs, the one and the next", len(shown) == 2, f"{len(shown)} IDs")
    caught = Intercept.of(await bed.radio("on_air"), 0)
    _check_addresses(bed, bluezone.NAME, caught, 2)


async def _rotate(bed: Bed, mode: str, rotations: int, hold_s: float) -> Sequence[float]:
    """Advertise one ID more than there are rotations; seconds without scanning, for each change."""
    # Connectable neighbours, so that an active scan has somebody to send requests to.
    data = crowd_data()
    await bed.radio("crowd", number=_NEIGHBOURS, data=data, interval=0.2, dbm=-60, kind="CONNECTABLE")
    gaps = []
    async with OwnRadio("hci0", mode) as radio:
        for _ in range(rotations - 1):
            await asyncio.sleep(hold_s)
            gaps.append(await radio.rotate())
        await _stay(bed, mode, radio)
        gaps.append(await radio.rotate())
        await asyncio.sleep(hold_s)
        bed.check(f"{mode}: neighbours are heard meanwhile", len(radio.heard) > 0, len(radio.heard))
    return gaps


async def _stay(bed: Bed, mode: str, radio: OwnRadio) -> None:
    """Keep an ID on air while the kernel's discovery ends and begins anew."""
    before = await bed.controller()
    await asyncio.sleep(_STAY_S - _DISCOVERY_S)
    heard = len(radio.heard)
    await asyncio.sleep(_DISCOVERY_S)
    after = await bed.controller()
    bed.check(f"{mode}: the ID is still on air", after["advertising"] == before["advertising"] and after["scan"]["on"])
    if mode != "passive":
        starts, heard = after["scan_starts"] - before["scan_starts"], len(radio.heard) - heard
        enough = starts >= int(_STAY_S / _DISCOVERY_S)
        bed.check(f"{mode}: the kernel scanned anew beside it", enough, f"{starts} times")
        bed.check(f"{mode}: neighbours are heard after that", heard > 0, f"{heard} reports")
    if bed.kind == "extended":
        low, high = INTERVAL_MS
        shown = after["interval_ms"]
        what = f"{mode}: frames are {low} to {high} ms apart"
        bed.check(what, bool(shown) and all(low <= each <= high for each in shown), shown)


def _check(bed: Bed, mode: str, caught: Intercept, expected: int) -> None:
    _check_addresses(bed, mode, caught, expected)
    if mode == "passive":
        bed.check(f"{mode}: no scan requests", not caught.requests, len(caught.requests))
    else:
        bed.check(f"{mode}: scan requests were looked at", len(caught.requests) > 0, len(caught.requests))


def _check_addresses(bed: Bed, mode: str, caught: Intercept, expected: int) -> None:
    bed.check(f"{mode}: each ID was on air", len(caught.ids) == expected, len(caught.ids))
    bed.check(f"{mode}: no address outlives its ID", not caught.linked(), caught.linked() or len(caught.payloads))
    bed.check(f"{mode}: no ID has two addresses", not caught.followed(), caught.followed() or len(caught.addresses))
    bed.check(f"{mode}: the public address is never on air", caught.types == {"random"}, ", ".join(caught.types))
    bed.check(f"{mode}: every address is non-resolvable", not caught.resolvable(), caught.resolvable() or "all")


async def _until_heard(listener: OwnScanner, number: int) -> set[bytes]:
    """Wait until so many IDs of Bluezone were heard, or for 10 s; those that were."""
    for _ in range(100):
        if len(shown := _ids_of(listener)) >= number:
            break
        await asyncio.sleep(0.1)
    return shown


def _ids_of(listener: OwnScanner) -> set[bytes]:
    found = (each for heard in listener.heard for each in sightings(heard))
    return {each.rolling_id for each in found if each.protocol == bluezone.NAME}
