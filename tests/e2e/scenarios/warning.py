# SPDX-License-Identifier: Apache-2.0
"""The installed badge matches by itself what was fetched: it warns, lights a lamp, and takes the warning back."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from bzd.daemon import runtime
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.signing import SigningKey
from bzd.protocols import gaen
from tests.e2e.guest import bluez, wall
from tests.e2e.guest.badge import BZD, STATE, UNIT, call, shown, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import proximity_data
from tests.e2e.guest.memory import Holding, check_memory

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 300.0

_MORNING = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""
_CASE = DiagnosisKey(bytes(range(16)), int(_MORNING // 86400) * 144, 144)
_NEIGHBOUR = "1A:00:00:00:00:01"
_FOLDER, _CONFIG = Path("/var/lib/bzd-feed"), Path("/etc/bzd")
_WARNING, _LAMP = Path("/run/bzd/warning"), Path("/run/lamp")
_EXPOSURE_MAX = 0.3
_PATIENCE_S = 90.0
"""The matching process takes some seconds in the guest, after the first look 5 s from the start."""


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(1)
    authority = SigningKey.generate()
    with wall.put_right():
        wall.serve(_MORNING)
        _prepare(authority)
        await _meet(bed)
        await bluez.run(BZD, "install-service")
        await bluez.run("systemctl", "start", "bzd-warn.path", UNIT)
        try:
            await _heard(bed)
            await _warn(bed, authority)
            await _look(bed)
            await _withdraw(bed, authority)
        finally:
            await bluez.run(BZD, "install-service", "--uninstall", "--delete-data")
            _LAMP.unlink(missing_ok=True)


def _prepare(authority: SigningKey) -> None:
    """What an admin writes: whom to trust, a rule by which a few seconds are enough, and a lamp."""
    _CONFIG.mkdir(exist_ok=True)
    (_CONFIG / "ha.pub").write_bytes(authority.public_pem())
    rule = "thresholds = [55, 63, 70]\nweights = [1, 1, 1, 1]\nthreshold = 0\n"
    (_CONFIG / "rule.toml").write_text(rule)
    (_CONFIG / "bzd.toml").write_text("[match]\nverify_keys = ['/etc/bzd/ha.pub']\nrule = '/etc/bzd/rule.toml'\n")
    (_CONFIG / "warn").write_text(f'#!/bin/sh\necho "$1" >> {_LAMP}\n')
    (_CONFIG / "warn").chmod(0o755)
    _FOLDER.mkdir(mode=0o755, exist_ok=True)


def _put(name: str, data: bytes) -> None:
    """Into the folder, as fetching does it."""
    part = _FOLDER / f".{name}.part"
    part.write_bytes(data)
    part.chmod(0o644)
    part.replace(_FOLDER / name)


async def _meet(bed: Bed) -> None:
    """Have the case near."""
    (rolling_id,) = gaen.PROTOCOL.rolling_ids(_CASE.key, int(_MORNING // 600), 1)
    payload = rolling_id + gaen.seal(_CASE.key, rolling_id, gaen.Metadata(10))
    await bed.radio("beacon", address=_NEIGHBOUR, data=proximity_data(payload).hex(), interval=0.2, jitter_db=4)


async def _heard(bed: Bed) -> None:
    status = Path("/run/bzd/status.json")

    async def near() -> bool:
        found = json.loads(status.read_text()) if status.exists() else {}
        return bool(found and found["neighbours"] and found["clock"]["synced"])

    bed.check("the case is near, at a time that is right", await within(_PATIENCE_S, near) is not None)
    await asyncio.sleep(3)


async def _warn(bed: Bed, authority: SigningKey) -> None:
    _put("today.zip", write_key_file(KeyFile((_CASE,)), authority))
    _put("forged.zip", write_key_file(KeyFile((_CASE,)), SigningKey.generate()))
    await bluez.run("systemctl", "restart", UNIT)  # which stores what is in progress
    seconds = await within(_PATIENCE_S, lambda: _is(_WARNING.exists()))
    if bed.check("a key of the case's makes a warning", seconds is not None, seconds):
        said = _WARNING.read_text()
        bed.check("it says nothing else", said == runtime.WARNING_TEXT, said.strip())
    seconds = await within(_PATIENCE_S, lambda: _is(_lamp() == ["on"]))
    bed.check("the admin's command is run", seconds is not None, _lamp())


async def _look(bed: Bed) -> None:
    """What is said, and to whom."""
    said = (await call(BZD, "status")).out
    bed.check("root reads first what it is about", said.startswith("On 15 January 2027 you were "), said[:120])
    group = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=bzd")
    said = (await call(*group, BZD, "status")).out
    bed.check("the group reads that there is one", said.startswith("there is a warning; `sudo"), said[:120])
    told = (await call(*group, BZD, "status", "--json")).out
    silent = told.startswith("{") and "warning" not in told and "case" not in told
    bed.check("the status for programs tells nothing of it", silent, told[:120])
    journal = await bluez.run("journalctl", "--no-pager", "-o", "cat", "-u", UNIT)
    bed.check("the journal says it once", journal.count("there is a warning") == 1, journal[-300:])
    bed.check("a forged file is named", "forged.zip is not used: the signature" in journal)
    secret = (_CASE.key.hex(), *(rolling_id.hex() for rolling_id in gaen.PROTOCOL.rolling_ids(_CASE.key, 0, 3)))
    bed.check("and names no key", not any(text in journal for text in secret))
    level = re.search(r"exposure level.*: ([\d.]+)", await bluez.run("systemd-analyze", "security", "--no-pager", UNIT))
    exposed = level[1] if level else "none"
    bed.check(f"exposure is at most {_EXPOSURE_MAX}", level is not None and float(exposed) <= _EXPOSURE_MAX, exposed)
    check_memory(bed, "the daemon", Holding.of(int(await shown("MainPID"))).peak_mb)
    tasks = await shown("TasksCurrent")
    bed.check("and has ended the matching process", int(tasks) <= 12, f"{tasks} tasks")
    bed.check("the store is its user's alone", (STATE / "findings.lock").stat().st_mode & 0o777 == 0o600)


async def _withdraw(bed: Bed, authority: SigningKey) -> None:
    revoked = _CASE._replace(report_type=ReportType.REVOKED)
    _put("news.zip", write_key_file(KeyFile((), (revoked,)), authority))
    await bluez.run("systemctl", "reload", UNIT)
    seconds = await within(_PATIENCE_S, lambda: _is(not _WARNING.exists()))
    bed.check("a revocation takes it away", seconds is not None, seconds)
    seconds = await within(_PATIENCE_S, lambda: _is(_lamp()[-1:] == ["off"]))
    bed.check("the admin's command is run again", seconds is not None, _lamp())
    said = (await call(BZD, "status")).out
    bed.check("the status says so", "whose key has been withdrawn" in said.partition("\n")[0], said[:160])


def _lamp() -> list[str]:
    return _LAMP.read_text().split() if _LAMP.exists() else []


async def _is(condition: bool) -> bool:  # noqa: FBT001  what `within` awaits
    return condition
