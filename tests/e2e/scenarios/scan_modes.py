# SPDX-License-Identifier: Apache-2.0
"""How many of the reports that a controller hears reach a program, in each way of scanning: of full, nearly all.

`full with payloads` is bare bleak with the monitor and the filter that bzd uses: bluetoothd then sends both the same.
"""

from __future__ import annotations

from functools import partial

from bleak.exc import BleakError

from bzd.errors import BzdError
from tests.e2e.guest import bluez
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import MODES, Listening
from tests.e2e.guest.measuring import HEADER, JITTER_DB, Way, check_full, check_heard, measure
from tests.e2e.guest.own import OwnScanner

QUICK = False
LIMIT_S = 900.0

_BADGES = 20
_CYCLE_S = 10.24
"""The kernel begins its active scan anew so often (DISCOV_LE_TIMEOUT of include/net/bluetooth/hci_core.h)."""
_LISTEN_S = 2 * _CYCLE_S
_LISTEN_LONG_S = 6 * _CYCLE_S
"""For the modes in which a report of each badge comes once a cycle, or once a minute."""


async def run(bed: Bed) -> None:
    """Run it."""
    rows = []
    for way in _ways():
        await bed.start(1, duplicates=way.duplicates)
        try:
            rows.append(await measure(bed, way, _BADGES, _LISTEN_LONG_S if _is_sparse(way) else _LISTEN_S))
        except (BleakError, BzdError) as error:
            bed.check(f"{way.name} can be measured", passed=False, detail=error)
    title = f"Each badge every 250 ms, +-{JITTER_DB} dB, BlueZ {await bluez.version()}, {bed.kind} controller"
    bed.table(title, HEADER, [row.cells() for row in rows])
    for row in rows:
        if row.way.name.endswith("full"):
            check_full(bed, row)
        elif row.way.name.startswith("bzd"):
            check_heard(bed, row)


def _is_sparse(way: Way) -> bool:
    return way.name.endswith(("active", "passive"))


def _ways() -> list[Way]:
    bare = [Way(f"bleak {mode}", "data", partial(Listening, mode, "hci0")) for mode in MODES]
    own = [Way(f"bzd {mode}", "data", partial(OwnScanner, mode, "hci0")) for mode in OwnScanner.MODES]
    return [*bare, *own, Way("bzd full", "address", partial(OwnScanner, "full", "hci0"))]
