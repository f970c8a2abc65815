# SPDX-License-Identifier: Apache-2.0
"""The badge runs as a sandboxed service: installed as an admin does, watched by doctor, and gone again on request."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

from bzd.radio.adapter import MAIN_CONF
from bzd.radio.verdict import VERDICTS_FILE
from tests.e2e.guest import bluez
from tests.e2e.guest.badge import BZD, STATE, UNIT, call, doctor, shown, trace, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import proximity_data

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 600.0

_ADMIN = Path("/root/admin.pub")
_WALK = Path("/root/heard.jsonl")
_NEIGHBOUR = "1A:00:00:00:00:01"
_EXPOSURE_MAX = 0.3
_STOP_S = 4.0
"""2 s are promised; emulated processors are several times slower."""
_BACK_S = 30.0


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    await bed.radio("beacon", address=_NEIGHBOUR, data=proximity_data(bytes(20)).hex(), interval=0.2, jitter_db=4)
    await _install(bed)
    await _start(bed)
    await _look(bed)
    await _record(bed)
    await _pause(bed)
    await _faults(bed)
    await _restart(bed)
    await _credential(bed)
    await _experimental(bed)
    await _leave(bed)


async def _install(bed: Bed) -> None:
    await bluez.run(BZD, "keygen", "-o", str(_ADMIN.with_suffix(".key")))
    words = (BZD, "install-service", "--recipient", str(_ADMIN))
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
    bed.check("the store is sealed to the admin", keys == {_ADMIN.read_text().split()[2]}, keys)
    bed.check("no identity lies beside it", not (STATE / "identity.key").exists())
    on_air = await within(_BACK_S, lambda: _on_air(bed))
    bed.check("a rolling ID is on air", on_air is not None, on_air)


async def _on_air(bed: Bed) -> bool:
    return bool((await bed.controller())["advertising"])


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


async def _record(bed: Bed) -> None:
    """Beside the running service."""
    recorded = await call(BZD, "record", "-o", str(_WALK), "--duration", "5s")
    bed.check("record ends by itself", recorded.status == 0, recorded.err.strip())
    if recorded.status == 0:
        info = await trace(_WALK)
        heard = sum(1 for line in _WALK.read_text().splitlines() if _NEIGHBOUR in line)
        bed.check("a neighbour is recorded beside the running service", heard > 5, f"{heard} reports, {info['format']}")
    snoop = _WALK.with_suffix(".btsnoop")
    recorded = await call(BZD, "record", "--all", "-o", str(snoop), "--duration", "3s")
    opened = await call("btmon", "-r", str(snoop))
    shown_by_btmon = opened.out.count(_NEIGHBOUR)
    bed.check(
        "btmon opens a recording", (recorded.status, opened.status) == (0, 0) and shown_by_btmon > 0, shown_by_btmon
    )


async def _pause(bed: Bed) -> None:
    """Over a stop and a start, which empty /run/bzd as a reboot does."""
    await bluez.run(BZD, "pause")

    async def silent() -> bool:
        return not await _on_air(bed)

    bed.check("paused, it leaves the air", await within(_BACK_S, silent) is not None)
    await bluez.run("systemctl", "stop", UNIT)
    bed.check("nothing is left in /run/bzd", not Path("/run/bzd").exists())
    await bluez.run("systemctl", "start", UNIT)
    await asyncio.sleep(8)
    bed.check("started again, it is silent still", await silent())
    await bluez.run(BZD, "resume")
    bed.check("resumed, it is on air", await within(_BACK_S, lambda: _on_air(bed)) is not None)
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
        return (await doctor())[0] == 0 and await _on_air(bed)

    seconds = await within(_BACK_S, well)
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

    seconds = await within(_BACK_S, back)
    bed.check("killed, it is started again", seconds is not None, seconds)
    started = time.monotonic()
    await bluez.run("systemctl", "stop", UNIT)
    seconds = time.monotonic() - started
    bed.check(f"it stops within {_STOP_S:g} s", seconds < _STOP_S, f"{seconds:.1f} s")
    bed.check("it leaves the air", not await _on_air(bed))
    journal = await bluez.run("journalctl", "--no-pager", "-o", "cat", "-u", UNIT)
    bed.check(
        "no traceback in its journal", "Traceback" not in journal, journal[-500:] if "Traceback" in journal else ""
    )
    mistaken = Path("/etc/bzd/bzd.toml")
    mistaken.write_text("[scan]\nmodus = 'active'\n")
    failed = await call("systemctl", "start", UNIT)
    await asyncio.sleep(8)
    bed.check("a mistake in bzd.toml is told, not tried for ever", await shown("NRestarts") == "0", failed.err[:200])
    mistaken.unlink()
    await bluez.run("systemctl", "reset-failed", UNIT)


async def _credential(bed: Bed) -> None:
    """An identity from /etc/credstore, and an encrypted one."""
    identity = _ADMIN.with_suffix(".key")
    store = Path("/etc/credstore")
    store.mkdir(mode=0o700, exist_ok=True)
    (store / "bzd-identity").write_bytes(identity.read_bytes())
    await _has_credential(bed, "an identity in /etc/credstore")
    (store / "bzd-identity").unlink()
    sealed = Path("/etc/bzd/identity.cred")
    encrypted = await call(
        "systemd-creds", "encrypt", "--with-key=host", "--name=bzd-identity", str(identity), str(sealed)
    )
    if encrypted.status:
        bed.skip("an encrypted identity", encrypted.err.strip())
        return
    dropin = Path(f"/etc/systemd/system/{UNIT}.d/identity.conf")
    dropin.parent.mkdir(exist_ok=True)
    dropin.write_text(f"[Service]\nLoadCredentialEncrypted=bzd-identity:{sealed}\n")
    await bluez.run("systemctl", "daemon-reload")
    await _has_credential(bed, "an encrypted identity")
    dropin.unlink()
    await bluez.run("systemctl", "daemon-reload")


async def _has_credential(bed: Bed, what: str) -> None:
    outcome = await call("systemctl", "restart", UNIT)
    given = Path(f"/run/credentials/{UNIT}/bzd-identity")
    there = given.exists() and given.read_bytes() == _ADMIN.with_suffix(".key").read_bytes()
    bed.check(f"{what} reaches the service", (outcome.status, there) == (0, True), outcome.err)


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
