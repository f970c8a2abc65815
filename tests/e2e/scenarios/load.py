# SPDX-License-Identifier: Apache-2.0
"""A crowd of 100 badges is heard whole, and its cost is told beside that of a bare bleak scanner."""

from __future__ import annotations

from functools import partial

from tests.e2e.guest import bluez
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.listening import Listening
from tests.e2e.guest.measuring import HEADER, Row, Way, check_full, measure
from tests.e2e.guest.own import OwnScanner

QUICK = False
LIMIT_S = 400.0

_LISTEN_S = 15.0
_CROWDS = (10, 100, 500)
_SATURATED = 500
"""So many saturate an emulated guest: bluetoothd and dbus-daemon take all of it."""


async def run(bed: Bed) -> None:
    """Run it."""
    ways = (
        Way("bleak full", "data", partial(Listening, "full", "hci0")),
        Way("bzd full", "data", partial(OwnScanner, "full", "hci0")),
    )
    rows: list[Row] = []
    for badges in _CROWDS:
        for way in ways:
            await bed.start(1)
            rows.append(await measure(bed, way, badges, _LISTEN_S))
    bed.table(f"Crowds, BlueZ {await bluez.version()}, {bed.kind} controller", HEADER, [row.cells() for row in rows])
    for row in rows:
        if row.badges < _SATURATED:
            check_full(bed, row)
