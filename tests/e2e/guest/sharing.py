# SPDX-License-Identifier: Apache-2.0
"""Other programs that use the adapter of a badge: what it tells of them, and that it hears beside them."""

from __future__ import annotations

import asyncio

from bzd.errors import BusError
from bzd.radio.advertiser import Advertiser
from bzd.radio.bus import Bus
from tests.e2e.guest import bluez
from tests.e2e.guest.badge import within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.own import OwnRadio

_BACK_S = 5.0
_HEARS_S = 13.0
"""The controller's filter of duplicates holds back whom the other program has heard already, until the kernel's
discovery, of 10.24 s (DISCOV_LE_TIMEOUT), begins anew."""
_SCAN_S = 20.0


async def advertisement(bed: Bed, radio: OwnRadio) -> None:
    """Another program advertises on hci0 too: the radio tells of it while it lasts.

    A legacy controller takes no other address while it scans, so that BlueZ may refuse the other program.
    """
    bus = Bus(lambda _: None)
    await bus.connect(lambda: None)
    other = Advertiser(bus, "/org/bluez/hci0", lambda: None)
    try:
        await other.register(b"")
        told = await _within(radio, present=True)
        bed.check("another program's advertisement is told", told, radio.state.troubles)
        await other.unregister()
        bed.check("and so is its end", await _within(radio, present=False), radio.state.troubles or "no troubles")
    except BusError as refusal:
        bed.skip("another program's advertisement is told", f"BlueZ refuses it beside a scan: {refusal}")
    finally:
        bus.close()


async def discovery(bed: Bed, radio: OwnRadio) -> None:
    """Another program scanned before the radio did: it hears all the same, and is whole once that has ended.

    A legacy controller takes no new address meanwhile; the radio is then silent, and says so.
    """
    await radio.pause()
    scan = asyncio.create_task(bluez.run("bluetoothctl", "--timeout", f"{_SCAN_S:.0f}", "scan", "le"))
    seconds = await within(_BACK_S, _scanned)
    bed.check("another program scans first", seconds is not None, seconds)
    heard = len(radio.heard)
    radio.resume()
    seconds = await within(_HEARS_S, lambda: _hears(radio, heard))
    bed.check("beside it the radio hears", seconds is not None, f"{seconds} s, {radio.state.troubles or 'no troubles'}")
    seconds = await within(_BACK_S, lambda: _advertises_or_says(radio))
    found = f"{seconds} s, {radio.state.troubles or 'on air'}"
    bed.check("and advertises, or says why not", seconds is not None, found)
    await scan
    try:
        took = await radio.until(lambda: radio.state.advertising and radio.state.scanning, _BACK_S)
        bed.check(f"whole within {_BACK_S:g} s of its end", passed=True, detail=f"{took:.1f} s")
    except TimeoutError as error:
        bed.check(f"whole within {_BACK_S:g} s of its end", passed=False, detail=error)


async def _within(radio: OwnRadio, *, present: bool) -> bool:
    try:
        await radio.until(lambda: ("slot" in radio.state.troubles) is present, _BACK_S)
    except TimeoutError:
        return False
    return True


async def _scanned() -> bool:
    return await bluez.adapter_property("hci0", "Discovering") == "true"


async def _hears(radio: OwnRadio, heard: int) -> bool:
    return len(radio.heard) > heard


async def _advertises_or_says(radio: OwnRadio) -> bool:
    return radio.state.advertising is not ("advertise" in radio.state.troubles)
