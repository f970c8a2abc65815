# SPDX-License-Identifier: Apache-2.0
"""How many of the reports that a controller hears reach a program, in each way of scanning; full, nearly all."""

from __future__ import annotations

from functools import partial

from bleak.exc import BleakError

from bzd.errors import BzdError
from tests.e2e.guest import bluez
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import MODES, Listening
from tests.e2e.guest.measuring import HEADER, JITTER_DB, Way, check_full, measure
from tests.e2e.guest.own import OwnScanner

QUICK = False
LIMIT_S = 600.0

_BADGES = 20
_LISTEN_S = 21.0
"""Two cycles of the kernel's active scan, 10.24 s each (DISCOV_LE_TIMEOUT)."""


async def run(bed: Bed) -> None:
    """Run it."""
    rows = []
    for way in _ways():
        await bed.start(1, duplicates=way.duplicates)
        try:
            rows.append(await measure(bed, way, _BADGES, _LISTEN_S))
        except (BleakError, BzdError) as error:
            bed.check(f"{way.name} can be measured", passed=False, detail=error)
    title = f"Each badge every 250 ms, +-{JITTER_DB} dB, BlueZ {await bluez.version()}, {bed.kind} controller"
    bed.table(title, HEADER, [row.cells() for row in rows])
    for row in rows:
        if row.way.name.endswith("full"):
            check_full(bed, row)


def _ways() -> list[Way]:
    bare = [Way(f"bleak {mode}", "data", partial(Listening, mode, "hci0")) for mode in MODES]
    own = [Way(f"bzd {mode}", "data", partial(OwnScanner, mode, "hci0")) for mode in OwnScanner.MODES]
    return [*bare, *own, Way("bzd full", "address", partial(OwnScanner, "full", "hci0"))]
