# SPDX-License-Identifier: Apache-2.0
"""The installed badge outlives what happens to it, and doctor tells each fault of machine, settings and store."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.e2e.guest import bluez
from tests.e2e.guest.badge import UNIT, call, doctor, shown, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.faults import FAULTS
from tests.e2e.guest.installed import BACK_S, badge, drop_in, status, well
from tests.e2e.guest.told import RUNNING, STOPPED, Told, unplugged

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 900.0

_Findings = dict[str, dict[str, str]]
_RADIO_FAULTS = ("bluetoothd killed", "radio blocked by rfkill", "dbus-daemon restarted")
"""Of `FAULTS`, which the scenario `recovery` tries on the radio alone; these reach it through the sandbox."""
_HANGS_S = 20.0
"""A watchdog of 5 s, the end of the process, RestartSec=5, and an emulated processor."""


async def run(bed: Bed) -> None:
    """Run it."""
    async with badge(bed):
        before = await shown("MainPID")
        _, findings = await doctor()
        for fault in RUNNING:
            findings = await _expect(bed, fault, findings)
        await _is_well(bed, "after all that")
        told = (await shown("MainPID"), await shown("NRestarts"))
        bed.check("it is the same process", told == (before, "0"), told)
        await bluez.run("systemctl", "stop", UNIT)
        for fault in STOPPED:
            findings = await _expect(bed, fault, findings)
        await bluez.run("systemctl", "start", UNIT)
        await _is_well(bed, "started again")
        await _without_adapter(bed)
        await _hang(bed)
        await _survive(bed)


async def _expect(bed: Bed, fault: Told, before: _Findings) -> _Findings:
    """Doctor tells a fault, and did not tell the same `before`; returns what it finds now."""
    async with fault.present(bed):
        code, findings = await doctor(*fault.words, under=fault.under)
    found = findings[fault.check]
    # A warning alone does not make the badge unwell, but others of its checks may be problems meanwhile.
    right = found["verdict"] == fault.verdict and (fault.verdict != "problem" or code == 13)
    right = right and found != before[fault.check]
    bed.check(f"doctor notices {fault.name}", right, f"{code}, {found['verdict']}: {found['text']}")
    return findings


async def _is_well(bed: Bed, when: str) -> None:
    seconds = await within(BACK_S, lambda: well(bed))
    bed.check(f"the badge is well {when}", seconds is not None, seconds or await status())


async def _without_adapter(bed: Bed) -> None:
    """A Pi whose controller is missing at boot must not loop."""
    async with unplugged(bed):
        outcome = await call("systemctl", "restart", UNIT)
        bed.check("without its adapter it says READY", outcome.status == 0, outcome.err)
        await asyncio.sleep(8)
        told = (await shown("ActiveState"), await shown("NRestarts"))
        bed.check("it stays, and waits", told == ("active", "0"), told)
        text = await shown("StatusText")
        bed.check("its status names the adapter", "hci0" in text, text)
    await _is_well(bed, "once the adapter is there")


async def _hang(bed: Bed) -> None:
    """A process that is stopped is one that hangs."""
    await drop_in("watchdog", "WatchdogSec=5")
    await bluez.run("systemctl", "restart", UNIT)
    await _is_well(bed, "under a short watchdog")
    before = await shown("MainPID")
    os.kill(int(before), signal.SIGSTOP)

    async def another() -> bool:
        return await shown("MainPID") not in {before, "0"}

    seconds = await within(_HANGS_S, another)
    bed.check(f"a badge that hangs is replaced within {_HANGS_S:g} s", seconds is not None, seconds)
    await _is_well(bed, "after that")
    await drop_in("watchdog")
    await bluez.run("systemctl", "restart", UNIT)
    await _is_well(bed, "with its own watchdog")


async def _survive(bed: Bed) -> None:
    """Through the sandbox: the bus that was started again is found, and nothing ends the process."""
    chosen = [fault for fault in FAULTS if fault.name in _RADIO_FAULTS]
    bed.check("there are such faults", len(chosen) == len(_RADIO_FAULTS), [fault.name for fault in chosen])
    before = await shown("MainPID")
    for fault in chosen:
        await fault.happen(bed)
        await _is_well(bed, f"after this: {fault.name}")
        told = (await shown("MainPID"), await shown("NRestarts"))
        bed.check(f"{fault.name}: it is the same process", told == (before, "0"), told)
