# SPDX-License-Identifier: Apache-2.0
"""`bzd doctor --radio` finds every way of scanning clean, beside a badge that runs and that knows it afterwards."""

from __future__ import annotations

from tests.e2e.guest import tried
from tests.e2e.guest.bed import Bed

LIMIT_S = 240.0

_WAYS = ("advertising", "full", "active", "passive")


async def run(bed: Bed) -> None:
    """Run it."""
    async with tried.badge(bed) as status:
        bed.check("before, nobody has looked", (await status())["verdict"] is None)
        outcomes, findings = await tried.trial(bed, "full")
        bed.check("every way is clean", outcomes == dict.fromkeys(_WAYS, "clean"), outcomes)
        bed.check("doctor says so", findings["leaks"]["verdict"] == "ok", findings["leaks"]["text"])
        bed.check("the badge knows", (await status())["verdict"] == "clean", await status())
        types = (await tried.caught(bed)).types
        bed.check("an eavesdropper agrees", types == {"random"}, types)
