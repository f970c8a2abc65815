# SPDX-License-Identifier: Apache-2.0
"""A crowd of 100 badges is heard whole by `bzd run`, at the cost of a bare bleak scanner, in 45 MB of memory."""

from __future__ import annotations

from functools import partial

from tests.e2e.guest import bluez
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon
from tests.e2e.guest.listening import Listening
from tests.e2e.guest.measuring import HEADER, Row, Way, check_full, measure

QUICK = False
LIMIT_S = 500.0

_LISTEN_S = 20.0
_CROWDS = (10, 100, 500)
_SATURATED = 500
"""So many saturate an emulated guest: bluetoothd and dbus-daemon take all of it."""
_COST_MAX = 1.25
"""Processor time of `bzd run` may be so many times that of a bare scanner that does nothing with what it hears."""
_RSS_MAX_MB = 45.0


async def run(bed: Bed) -> None:
    """Run it."""
    ways = (
        Way("bleak full", "data", partial(Listening, "full", "hci0")),
        Way("bzd run", "data", partial(Daemon, "badge", "hci0")),
    )
    rows: list[Row] = []
    for badges in _CROWDS:
        for way in ways:
            await bed.start(1)
            rows.append(await measure(bed, way, badges, _LISTEN_S))
    bed.table(f"Crowds, BlueZ {await bluez.version()}, {bed.kind} controller", HEADER, [row.cells() for row in rows])
    for bare, own in zip(rows[::2], rows[1::2], strict=True):
        if own.badges < _SATURATED:
            check_full(bed, own)
            cost = own.usage.percent("program") / bare.usage.percent("program")
            bed.check(f"{own.badges} badges cost at most {_COST_MAX:g} of bleak", cost <= _COST_MAX, f"{cost:.2f}")
        rss_mb = own.holding.rss_mb
        bed.check(f"{own.badges} badges take at most {_RSS_MAX_MB:g} MB", rss_mb <= _RSS_MAX_MB, f"{rss_mb} MB")
