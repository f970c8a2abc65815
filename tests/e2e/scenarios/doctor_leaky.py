# SPDX-License-Identifier: Apache-2.0
"""A controller whose scans show its public address is found out, and a badge then listens without sending anything."""

from __future__ import annotations

from tests.e2e.guest import bluez, tried
from tests.e2e.guest.bed import Bed

QUICK = False
LIMIT_S = 320.0


async def run(bed: Bed) -> None:
    """Run it."""
    async with tried.badge(bed) as status:
        await bed.radio("leak", number=0)
        outcomes, findings = await tried.trial(bed, "passive")
        expected = {"advertising": "clean", "full": "leaky", "active": "leaky", "passive": "clean"}
        bed.check("the modes that leak are found", outcomes == expected, outcomes)
        bed.check("doctor says so", findings["leaks"]["verdict"] == "warning", findings["leaks"]["text"])
        bed.check("the badge knows that its mode is clean", (await status())["verdict"] == "clean", await status())
        public = await bluez.adapter_property("hci0", "Address")
        shown = await tried.caught(bed)
        bed.check("an eavesdropper saw the leak too", public in shown.requests, [*shown.requests])
