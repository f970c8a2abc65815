# SPDX-License-Identifier: Apache-2.0
"""What admins set and ask of the installed badge: settings, recipients, identity, recordings, upgrade and back."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from pathlib import Path
from uuid import UUID

from bzd.store import inspect, open_reader
from bzd.store.identity import Identity
from tests.e2e.guest import bluez
from tests.e2e.guest.badge import BZD, STATE, UNIT, call, shown, trace, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.installed import (
    ADMIN,
    BACK_S,
    CONFIG,
    IDENTITY,
    NEIGHBOUR,
    badge,
    drop_in,
    journal,
    on_air,
    status,
    well,
)

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 900.0

_STRANGER = "1A:00:00:00:00:02"
"""A beacon without a rolling ID (Eddystone's service, no data)."""
_HEARD = Path("/root/heard.jsonl")
_CREDENTIAL = Path("/etc/credstore/bzd-identity")
_METRICS = Path("/var/lib/node-exporter")
_NEW = Path("/opt/bzd-2")
_FLUSHED_S = 90.0
"""What is known is written at least once a minute."""
_PATIENCE_S = 60.0
"""The matching process takes some seconds in the guest, the metrics are written twice a minute."""


async def run(bed: Bed) -> None:
    """Run it."""
    async with badge(bed):
        await bed.radio("beacon", address=_STRANGER, data="0201060303aafe", interval=0.2)
        await _first_boot(bed)
        await _again(bed)
        await _record(bed)
        await _reload(bed)
        await _metrics(bed)
        await _credential(bed)
        await _upgrade(bed)


async def _first_boot(bed: Bed) -> None:
    """What the store that the unit made says of itself."""
    boot = UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
    identity = Identity.loads(IDENTITY.read_bytes())

    async def anchored() -> bool:
        with open_reader(STATE, [identity]) as reader:
            return {anchor.boot_id for anchor in reader.anchors()} == {boot}

    with open_reader(STATE, [identity]) as reader:
        bed.check("the label is the host name", reader.label == socket.gethostname(), reader.label)
    seconds = await within(_FLUSHED_S, anchored)
    bed.check("the clock is anchored to this boot", seconds is not None, seconds)


async def _again(bed: Bed) -> None:
    """Installing where a badge runs."""
    before = (await shown("MainPID"), inspect(STATE).store_id)
    again = await call(BZD, "install-service", "--recipient", str(ADMIN))
    after = (await shown("MainPID"), inspect(STATE).store_id)
    bed.check("install-service again disturbs no running badge", (again.status, after) == (0, before), again.err)
    bed.check("it warns before a card with a store is imaged", "imaged" in again.err, again.err)


async def _record(bed: Bed) -> None:
    """Beside the running service."""
    recorded = await call(BZD, "record", "-o", str(_HEARD), "--duration", "6s")
    if bed.check("record ends by itself", recorded.status == 0, recorded.err.strip()):
        text, info = _HEARD.read_text(), await trace(_HEARD)
        bed.check("a neighbour is recorded", text.count(NEIGHBOUR) > 5, f"{text.count(NEIGHBOUR)}, {info['format']}")
        bed.check("what has no rolling ID is left out", _STRANGER not in text)
        bed.check("nobody else may read it", _HEARD.stat().st_mode & 0o777 == 0o600)
        replayed = await call(BZD, "replay", str(_HEARD), "--jsonl")
        bed.check("replayed, it gives one contact", len(replayed.out.splitlines()) == 1, replayed.err.strip()[-300:])
    snoop = _HEARD.with_suffix(".btsnoop")
    recorded = await call(BZD, "record", "--all", "-o", str(snoop), "--duration", "4s")
    opened = await call("btmon", "-r", str(snoop))
    seen = (opened.out.count(NEIGHBOUR), opened.out.count(_STRANGER))
    bed.check("--all has both, and btmon opens it", (recorded.status, opened.status) == (0, 0) and all(seen), seen)
    live = f"timeout 12 sh -c 'btmon -w /dev/fd/3 3>&1 >/dev/null' | {BZD} replay - --jsonl"
    piped = await call("sh", "-c", live)
    one = len(piped.out.splitlines()) == 1
    bed.check("btmon piped into replay gives one contact", one, piped.err.strip()[-300:])


async def _reload(bed: Bed) -> None:
    before = await shown("MainPID")
    CONFIG.write_text("[scan]\nmodus = 'active'\n")
    await bluez.run("systemctl", "reload", UNIT)

    async def told() -> bool:
        return bool((await status()).get("config_error"))

    bed.check("a mistake in bzd.toml is in the status", await within(BACK_S, told) is not None)
    text = await shown("StatusText")
    bed.check("and in systemd's", "configuration" in text, text)
    bed.check("the journal says that the old one stays", "stays as it was" in await journal())
    bed.check(
        "the badge goes on", await within(BACK_S, lambda: well(bed)) is not None and await shown("MainPID") == before
    )
    CONFIG.unlink()
    await bluez.run(BZD, "keygen", "-o", "/root/deputy.key")
    shutil.copy("/root/deputy.pub", STATE / "recipients")
    await bluez.run("systemctl", "reload", UNIT)

    async def sealed() -> bool:
        return len((await status()).get("sealed_to", {}).get("contacts", [])) == 2

    bed.check("a second recipient is taken", await within(BACK_S, sealed) is not None, (await status())["sealed_to"])
    keys = (await status())["sealed_to"]["contacts"]
    said = await journal()
    bed.check("the journal has both fingerprints", all(key in said for key in keys), keys)
    bed.check("the mistake is told no more", not (await status())["config_error"])


async def _metrics(bed: Bed) -> None:
    """A place that the sandbox closes, opened as bzd.toml says."""
    _METRICS.mkdir()
    shutil.chown(_METRICS, "bzd")
    file = _METRICS / "bzd.prom"
    CONFIG.write_text(f"[metrics]\ntextfile = '{file}'\n")
    await drop_in("metrics", f"ReadWritePaths={_METRICS}")
    await bluez.run("systemctl", "restart", UNIT)

    async def written() -> bool:
        return file.exists()

    seconds = await within(_PATIENCE_S, written)
    text = file.read_text() if file.exists() else ""
    bed.check("metrics are written where a drop-in allows it", "bzd_store_bytes" in text, seconds)
    exporter = await call("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat", str(file))
    bed.check("a node exporter may read them", exporter.status == 0, exporter.err)
    social = [name for name in ("bzd_neighbours", "bzd_contacts_today", "bzd_sightings_per_minute") if name in text]
    bed.check("and say nothing of who is near", not social, social)
    CONFIG.unlink()
    await drop_in("metrics")
    shutil.rmtree(_METRICS)


async def _credential(bed: Bed) -> None:
    """What the service sees of an identity that root may read, which is more than that root has put it there."""
    _CREDENTIAL.parent.mkdir(mode=0o700, exist_ok=True)
    protected = Path("/root/protected.key")
    Path("/root/word").write_text("a passphrase\n")
    await bluez.run(BZD, "keygen", "-o", str(protected), "--passphrase-file", "/root/word")
    shutil.copy(protected, _CREDENTIAL)
    await bluez.run("systemctl", "restart", UNIT)

    async def trouble() -> bool:
        return "passphrase" in ((await status()).get("matching", {}).get("trouble") or "")

    began = time.monotonic()
    told = await within(_PATIENCE_S, trouble)
    bed.check("an identity under a passphrase is told", told is not None, (await call(BZD, "status")).out[-300:])
    takes_s = time.monotonic() - began
    shutil.copy(IDENTITY, _CREDENTIAL)
    await _opens(bed, "an identity in /etc/credstore", takes_s)
    _CREDENTIAL.unlink()
    sealed = Path("/etc/bzd/identity.cred")
    words = ("--with-key=host", "--name=bzd-identity", str(IDENTITY), str(sealed))
    encrypted = await call("systemd-creds", "encrypt", *words)
    if encrypted.status:
        bed.skip("an encrypted identity", encrypted.err.strip())
        return
    await drop_in("identity", f"LoadCredentialEncrypted=bzd-identity:{sealed}")
    await _opens(bed, "an encrypted identity", takes_s)
    await drop_in("identity")


async def _opens(bed: Bed, what: str, takes_s: float) -> None:
    """That the service can use it: the store opens, so that the matching process has nothing to complain of."""
    outcome = await call("systemctl", "restart", UNIT)

    async def by_itself() -> bool:
        return bool((await status()).get("matching", {}).get("by_itself"))

    there = await within(_PATIENCE_S, by_itself)
    bed.check(f"{what} reaches the service", outcome.status == 0 and there is not None, outcome.err)
    await asyncio.sleep(1.5 * takes_s)  # as long as it took to complain of a bad one, and more
    matching = (await status())["matching"]
    bed.check(f"{what} opens the store", matching["by_itself"] and not matching["trouble"], matching)


async def _upgrade(bed: Bed) -> None:
    """Another version beside the old one, on the same store, and back again."""
    contacts, sealed = await _contacts(), sorted(path.name for path in (STATE / "recipients").iterdir())
    bed.check("there is something to keep", contacts > 0, contacts)
    shutil.copytree("/opt/bzd", _NEW, symlinks=True)
    for path in (_NEW / "bin/bzd", _NEW / "pyvenv.cfg"):
        path.write_text(path.read_text().replace("/opt/bzd", str(_NEW)))
    for prefix in (_NEW, Path("/opt/bzd")):
        done = await call(f"{prefix}/bin/bzd", "install-service", "--now", "--no-radio-check")
        bed.check(f"from {prefix}: install-service --now", done.status == 0, done.err)
        seconds = await within(BACK_S, lambda: well(bed))
        command = Path(f"/proc/{await shown('MainPID')}/cmdline").read_text().split("\0")
        bed.check(f"from {prefix}: it runs", seconds is not None and f"{prefix}/bin/bzd" in command, command)
        kept = sorted(path.name for path in (STATE / "recipients").iterdir())
        bed.check(f"from {prefix}: the recipients stay", kept == sealed, kept)
        first = Path("/etc/systemd/system/bzd-init.service.d/recipients.conf").read_text()
        bed.check(
            f"from {prefix}: so they do for a first boot", f"ExecStart={prefix}/bin/bzd init --re" in first, first
        )
        now = await _contacts()
        bed.check(f"from {prefix}: no contact is lost", now >= contacts, f"{contacts}, then {now}")
    bed.check("the link leads to what runs", str(Path("/usr/local/bin/bzd").readlink()) == BZD)
    shutil.rmtree(_NEW)
    bed.check("it is on air still", await on_air(bed))


async def _contacts() -> int:
    """How many there are for the admin."""
    found = await call(BZD, "contacts", "--state", str(STATE), "--identity", str(IDENTITY), "--jsonl")
    return len(found.out.splitlines())
