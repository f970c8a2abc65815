# SPDX-License-Identifier: Apache-2.0
"""The badge as a sandboxed service: what others see of it, a pause over restarts, doctor's word, and its removal."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

from bzd.radio.adapter import MAIN_CONF
from bzd.radio.verdict import VERDICTS_FILE
from tests.e2e.guest import bluez, installed
from tests.e2e.guest.badge import BZD, STATE, UNIT, call, doctor, shown, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.installed import BACK_S, CONFIG, on_air

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 600.0

_STOP_S = 4.0
"""2 s are promised; emulated processors are several times slower."""


async def run(bed: Bed) -> None:
    """Run it."""
    async with installed.badge(bed):
        await _look(bed)
        await _pause(bed)
        await _faults(bed)
        await _restart(bed)
        await _experimental(bed)
        await _leave(bed)


async def _look(bed: Bed) -> None:
    """What a member of the group and an admin see."""
    await asyncio.sleep(3)
    group = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=bzd")
    status = await call(*group, BZD, "status", "--json")
    bed.check("the group may see the status", status.status == 0, status.err or status.out[:300])
    alien = await call("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "ls", "/run/bzd")
    bed.check("nobody else may", alien.status != 0)
    closed = await call(*group, "ls", str(STATE))
    bed.check("the group may not see the store", closed.status != 0)
    code, findings = await doctor()
    bad = {name: found["text"] for name, found in findings.items() if found["verdict"] == "problem"}
    bed.check("doctor finds a healthy badge", (code, bad) == (0, {}), bad)
    for name in ("adapter", "address privacy", "advertising", "other advertisers", "sampling", "store", "service"):
        bed.check(f"doctor is content with {name}", findings[name]["verdict"] == "ok", findings[name]["text"])
    pid = await shown("MainPID")
    locked = re.search(r"VmLck:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    bed.check("its memory is locked", locked is not None and int(locked[1]) > 0, locked and f"{locked[1]} kB")
    limits = re.search(r"Max core file size +(\d+)", Path(f"/proc/{pid}/limits").read_text())
    bed.check("it writes no core files", limits is not None and limits[1] == "0")


async def _pause(bed: Bed) -> None:
    """Over a stop and a start, which empty /run/bzd as a reboot does."""
    await bluez.run(BZD, "pause")

    async def silent() -> bool:
        return not await on_air(bed)

    bed.check("paused, it leaves the air", await within(BACK_S, silent) is not None)
    await bluez.run("systemctl", "stop", UNIT)
    bed.check("nothing is left in /run/bzd", not Path("/run/bzd").exists())
    await bluez.run("systemctl", "start", UNIT)
    await asyncio.sleep(8)
    bed.check("started again, it is silent still", await silent())
    await bluez.run(BZD, "resume")
    bed.check("resumed, it is on air", await within(BACK_S, lambda: on_air(bed)) is not None)
    bed.check("nothing is left of the pause", not (STATE / "paused").exists())


async def _faults(bed: Bed) -> None:
    """What doctor says when something is wrong."""
    await bluez.run("busctl", "set-property", *_property("Discoverable"), "b", "true")
    await _expect(bed, "a discoverable adapter", "address privacy")
    await bluez.run("busctl", "set-property", *_property("Discoverable"), "b", "false")
    await bluez.set_powered("hci0", on=False)
    await _expect(bed, "an adapter that is off", "adapter")
    await bluez.set_powered("hci0", on=True)
    STATE.chmod(0o755)
    await _expect(bed, "a state directory that is open to all", "permissions")
    STATE.chmod(0o700)
    noted = (STATE / "machine").read_bytes() if (STATE / "machine").exists() else b""
    if bed.check("the machine was noted", bool(noted)):
        (STATE / "machine").write_text("machine-id 00\n")
        await _expect(bed, "a copied card", "origin")
        (STATE / "machine").write_bytes(noted)
    await bluez.run("systemctl", "stop", "bluetooth")
    await _expect(bed, "a stopped bluetoothd", "bluetoothd")
    await bluez.run("systemctl", "start", "bluetooth")
    await bluez.powered("hci0")

    async def well() -> bool:
        return (await doctor())[0] == 0 and await on_air(bed)

    seconds = await within(BACK_S, well)
    bed.check("the badge is well again after all that", seconds is not None, seconds)


def _property(name: str) -> tuple[str, str, str, str]:
    return ("org.bluez", "/org/bluez/hci0", "org.bluez.Adapter1", name)


async def _expect(bed: Bed, fault: str, check: str) -> None:
    code, findings = await doctor()
    found = findings[check]
    bed.check(f"doctor notices {fault}", (code, found["verdict"]) == (13, "problem"), f"{code}, {found['text']}")


async def _restart(bed: Bed) -> None:
    before = await shown("MainPID")
    reloaded = await call("systemctl", "reload", UNIT)
    bed.check("it reloads and goes on", (reloaded.status, await shown("MainPID")) == (0, before), reloaded.err)
    await bluez.run("systemctl", "kill", "--signal=KILL", UNIT)

    async def back() -> bool:
        return await shown("ActiveState") == "active" and await shown("MainPID") not in {before, "0"}

    seconds = await within(BACK_S, back)
    bed.check("killed, it is started again", seconds is not None, seconds)
    started = time.monotonic()
    await bluez.run("systemctl", "stop", UNIT)
    seconds = time.monotonic() - started
    bed.check(f"it stops within {_STOP_S:g} s", seconds < _STOP_S, f"{seconds:.1f} s")
    bed.check("it leaves the air", not await on_air(bed))
    said = await installed.journal()
    bed.check("no traceback in its journal", "Traceback" not in said, said[-500:] if "Traceback" in said else "")
    CONFIG.write_text("[scan]\nmodus = 'active'\n")
    failed = await call("systemctl", "start", UNIT)
    await asyncio.sleep(8)
    bed.check("a mistake in bzd.toml is told, not tried for ever", await shown("NRestarts") == "0", failed.err[:200])
    CONFIG.unlink()
    await bluez.run("systemctl", "reset-failed", UNIT)


async def _experimental(bed: Bed) -> None:
    """Bluetoothd as it comes, and then as --experimental has it."""
    await bed.start(1, experimental=False)
    _, findings = await doctor()
    bed.check("doctor misses the experimental interfaces", findings["sampling"]["verdict"] == "warning")
    MAIN_CONF.write_text("[General]\n")  # as Debian has it: what stands there wins over the command line
    outcome = await call(BZD, "install-service", "--experimental", "--now")
    bed.check("install-service --experimental --now", outcome.status == 0, outcome.err.strip())
    bed.check("it has tried the radio out", (STATE / VERDICTS_FILE).exists(), outcome.out)
    await bluez.powered("hci0")
    _, findings = await doctor()
    bed.check("bluetoothd then offers them", findings["sampling"]["verdict"] == "ok", findings["sampling"]["text"])


async def _leave(bed: Bed) -> None:
    await bluez.run(BZD, "install-service", "--uninstall")
    bed.check("uninstalled, it is gone", await shown("LoadState") == "not-found", await shown("LoadState"))
    bed.check("its data stay", (STATE / "store.sqlite").exists())
    await bluez.run(BZD, "install-service", "--uninstall", "--delete-data")
    bed.check("and go when told to", not STATE.exists() and not Path("/etc/bzd").exists())
    bed.check("its user goes with them", (await call("id", "bzd")).status != 0)
    info = json.loads((await call(BZD, "doctor", "--json")).out)
    bed.check("doctor still works then", info["schema"] == "bzd.doctor/1")
