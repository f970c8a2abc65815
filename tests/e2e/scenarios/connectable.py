# SPDX-License-Identifier: Apache-2.0
"""An adapter that was discoverable stays connectable; the badge mends that, and shows no public address afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

from bzd.protocols import ad
from tests.e2e.guest import bluez
from tests.e2e.guest.badge import doctor, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon
from tests.e2e.guest.mgmt import Management

QUICK = False
LIMIT_S = 240.0

_ADAPTER = ("org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1")
_TIMEOUT_S = 6
_BACK_S = 20.0
_KERNELS_OWN_S = 4.0
"""With extended advertising the kernel shows the address by itself once it was discoverable, each 1.28 s."""
_CAUGHT_FRAMES = 3
"""Frames under the public address, before the badge has left the air: one as a rule, 100 to 150 ms apart."""
_CAUGHT_WHERE_IT_WAITS = 8
"""The same of one ID where bluetoothd has to be waited for (`bzd.radio.advertiser.Advertiser.refreshing`)."""
_TIMES = 6
"""So often it is made discoverable and not."""


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    await bluez.run("busctl", "set-property", *_ADAPTER, "DiscoverableTimeout", "u", str(_TIMEOUT_S))
    async with Daemon("badge", "hci0") as badge:
        await asyncio.sleep(1)
        bed.check("before, everything is sent from random addresses", not await _public(bed))
        await _for_a_while(bed, badge)
        await _again_and_again(bed, badge)
        await _past_bluetoothd(bed, badge)
    await _before_the_badge(bed)


async def _for_a_while(bed: Bed, badge: Daemon) -> None:
    """`bluetoothctl discoverable on`, and nobody turns it off."""
    await _discoverable(on=True)
    await badge.until(lambda status: not status["radio"]["advertising"], _TIMEOUT_S)
    caught = await _public(bed)
    detail = ", ".join(f"{row['count']} in {1000 * (row['last'] - row['first']):.0f} ms" for row in caught)
    frames = sum(row["count"] for row in caught)
    waits = await bluez.adapter_property("hci0", "Connectable") is None  # 5.66, of the two that this is run with
    most = _CAUGHT_WHERE_IT_WAITS if waits else _CAUGHT_FRAMES
    bed.check("discoverable, it leaves the air", frames <= most, f"{frames} frames: {detail}")

    async def over() -> bool:
        return await bluez.adapter_property("hci0", "Discoverable") == "false"

    bed.check("the timeout ends that", await within(2 * _TIMEOUT_S, over) is not None)
    seconds = await badge.until(lambda status: status["radio"]["advertising"], _BACK_S)
    back = await _public(bed)
    await asyncio.sleep(_KERNELS_OWN_S)
    bed.check("when that has ended, it is on air again", passed=True, detail=f"{seconds:.1f} s")
    bed.check("no further ID was public", _with_id(back) == _with_id(caught), back)
    later = await _public(bed)
    bed.check("and nothing is any more", later == back, later)
    bed.check("the kernel has the adapter not connectable", not _connectable())


async def _again_and_again(bed: Bed, badge: Daemon) -> None:
    """By hand, as somebody does who pairs a keyboard: bluetoothd survives each time that the badge leaves the air."""
    before = await bluez.main_pid()
    for _ in range(_TIMES):
        await _discoverable(on=True)
        await badge.until(lambda status: not status["radio"]["advertising"], _TIMEOUT_S)
        await _discoverable(on=False)
        await badge.until(lambda status: status["radio"]["advertising"], _BACK_S)
    bed.check(f"bluetoothd lives after {_TIMES} times", await bluez.main_pid() == before)


async def _past_bluetoothd(bed: Bed, badge: Daemon) -> None:
    """`btmgmt connectable on`: seen by the badge where bluetoothd shows it, by doctor as root everywhere."""
    with Management(0) as management:
        told = management.connect(on=True) == 0
    if bed.kind == "extended" and not told:
        # It begins instance 0 for it, of which a controller that was off knows nothing.
        bed.skip("doctor says that it is connectable", "the kernel fails to make this controller so")
        return
    bed.check("the kernel is told to connect", told)
    _, findings = await doctor()
    found = findings["address privacy"]
    bed.check("doctor says that it is connectable", found["verdict"] == "problem", found["text"])
    bed.check("and how to mend it", "connectable off" in found["remedy"], found["remedy"])
    if await bluez.adapter_property("hci0", "Connectable") is None:
        bed.skip("the badge leaves the air", "this bluetoothd does not say that an adapter is connectable")
    else:
        await badge.until(lambda status: not status["radio"]["advertising"], _BACK_S)
        bed.check("the badge leaves the air", passed=True)


async def _before_the_badge(bed: Bed) -> None:
    """Somebody did so before it was started: what bluetoothd does not show is mended."""
    await bluez.run("systemctl", "restart", "bluetooth")
    await bluez.powered("hci0")
    bed.check("bluetoothd leaves no adapter connectable when it starts", not _connectable())
    with Management(0) as management:
        management.connect(on=True)
    if await bluez.adapter_property("hci0", "Connectable") is not None:
        bed.skip("the badge mends it when it starts", "this bluetoothd shows it, and the badge leaves it to its admin")
        return
    before = await _public(bed)
    async with Daemon("later", "hci0"):
        await asyncio.sleep(2)
        bed.check("the badge mends it when it starts", not _connectable())
    bed.check("no frame of that time is public", await _public(bed) == before)


async def _discoverable(*, on: bool) -> None:
    await bluez.run("busctl", "set-property", *_ADAPTER, "Discoverable", "b", str(on).lower())


def _connectable() -> bool:
    with Management(0) as management:
        return management.connectable()


def _with_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with more than the kernel's own flags and tx power."""
    return [row for row in rows if ad.parse(bytes.fromhex(row["data"])).service_data]


async def _public(bed: Bed) -> list[dict[str, Any]]:
    """What was sent under the public address so far."""
    rows = (await bed.radio("on_air"))["frames"]
    return [row for row in rows if row["hci"] == 0 and row["address_type"] == "public"]
