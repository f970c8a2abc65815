# SPDX-License-Identifier: Apache-2.0
"""Two badges meet: each logs the other's IDs and none of its own, and when one is a case, the other is warned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.e2e.guest import bluez, ids, wall
from tests.e2e.guest.badge import BZD, call, within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon

_MORNING = 1_800_000_000.0
"""2027-01-15T08:00:00Z: far from midnight, where daily keys change."""
_LATER_S = 5400.0
"""Further than an ID that was ahead by an interval may be behind its time (`bzd.radio.rotation`), and within the two
hours that matching tolerates."""
_SILENT_S = 2.0
"""A pause is answered once the radio was told; to unregister takes it some 0.1 s more, and longer on a busy host."""
_STOP_S = 4.0
"""2 s are promised, and held in `steady`; here two badges stop at once, on emulated processors."""


async def run(bed: Bed) -> None:
    """Run it."""
    await bed.start(2)
    folder = Path(mkdtemp())
    with wall.put_right():
        wall.serve(_MORNING)
        anna, ben = Daemon("anna", "hci0"), Daemon("ben", "hci1")
        try:
            await _meet(bed, anna, ben)
            after = await _become_a_case(bed, anna, folder / "case.zip")
            await ben.hear_more()
            shown = [await ids.check_once(bed, badge.name, number) for number, badge in enumerate((anna, ben))]
        finally:
            seconds = max(await asyncio.gather(anna.stop(), ben.stop()))
        bed.check(f"both stop within {_STOP_S:g} s", seconds <= _STOP_S, f"{seconds:.1f} s")
        _compare(bed, anna, heard=shown[1])
        _compare(bed, ben, heard=shown[0])
        await _warn(bed, anna, ben, folder, after)


async def _meet(bed: Bed, anna: Daemon, ben: Daemon) -> None:
    """Let them be near each other under several IDs."""
    for sender, receiver in ((0, 1), (1, 0)):
        await bed.radio("link", sender=sender, receiver=receiver, dbm=-52, jitter_db=4)
    await asyncio.gather(anna.start(), ben.start())
    await asyncio.gather(anna.hear_more(), ben.hear_more())
    await anna.ask("pause")
    seconds = await within(_SILENT_S, lambda: _silent(bed, 0))
    bed.check(f"a paused badge is off the air within {_SILENT_S:g} s", seconds is not None, f"{seconds} s")
    await anna.ask("resume")
    await asyncio.gather(anna.hear_more(), ben.hear_more())
    before = anna.rotations, ben.rotations
    wall.pass_by(_LATER_S)
    await anna.until(lambda _: anna.rotations > before[0])
    await ben.until(lambda _: ben.rotations > before[1])
    await asyncio.gather(anna.hear_more(), ben.hear_more())


async def _become_a_case(bed: Bed, badge: Daemon, export: Path) -> Sequence[bytes]:
    """Export the keys of a running badge, today's included; the IDs that it has on air after that."""
    before = badge.rotations
    await bluez.run(BZD, "export", "keys", "--state", str(badge.state), "--include-today", "--yes", "-o", str(export))
    await badge.until(lambda _: badge.rotations > before)
    return await ids.now(bed, 0)


async def _silent(bed: Bed, controller: int) -> bool:
    return not (await bed.controller(controller))["advertising"]


def _compare(bed: Bed, badge: Daemon, heard: Sequence[bytes]) -> None:
    logged = {contact.rolling_id for contact in badge.contacts()}
    what = f"{badge.name} has contacts of each ID that the other had, and of no more"
    bed.check(what, logged == set(heard), f"{len(logged)} of {len(heard)}")
    bed.check(f"{badge.name}'s clock dated them", all(contact.synced for contact in badge.contacts()))


async def _warn(bed: Bed, case: Daemon, other: Daemon, folder: Path, after: Sequence[bytes]) -> None:
    """Publish the one's keys, and match them with both stores; `after` are IDs of a key that was not exported."""
    batch, secret, public = str(folder / "batch.zip"), str(folder / "ha.pem"), str(folder / "ha.pub")
    await bluez.run(BZD, "keygen", "--signing", "-o", secret)
    await bluez.run(BZD, "publish", str(folder / "case.zip"), "-o", batch, "--sign-key", secret, "--no-embargo")
    warned, himself = [
        await _match("--state", str(badge.state), "--verify-key", public, batch) for badge in (other, case)
    ]
    contacts = sum(encounter["contacts"] for encounter in warned)
    expected = sum(contact.rolling_id not in after for contact in other.contacts())
    bed.check("all contacts of exported keys are encounters", contacts == expected > 0, f"{contacts} of {expected}")
    later = len(other.contacts()) - expected
    bed.check("a key that was exported is not advertised any more", later == len(after) == 1, f"{later} later")
    bed.check("the case met no case", himself == [], himself or "no encounter")


async def _match(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await call(BZD, "match", "--json", *words)).out)["encounters"]
    return found
