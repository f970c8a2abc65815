# SPDX-License-Identifier: Apache-2.0
"""What the store has confirmed is there after the power failed, and the store opens without repair."""

from __future__ import annotations

import time
from pathlib import Path

from bzd.model import Contact, ScanInstance
from bzd.store import create, open_appender, open_reader
from bzd.store.identity import Identity
from tests.e2e.guest.bed import Bed

CONTROLLERS = ("legacy",)
QUICK = False

_STATE = Path("/var/lib/bzd/state")
_CONFIRMED = 60
"""Contacts that are confirmed when the power fails; more are being written at that moment."""
_FOR_EVER = 100_000
_START = 1_700_000_000.0


async def run(bed: Bed) -> None:
    """Write contacts one by one until the power fails."""
    identity = Identity.generate()
    create(_STATE, recipients=[identity.public], label="badge", identity=identity, now=_START)
    started = time.monotonic()
    with open_appender(_STATE) as appender:
        for number in range(_FOR_EVER):
            appender.commit([_contact(number)])
            if number + 1 == _CONFIRMED:
                print(f"{_CONFIRMED} commits in {time.monotonic() - started:.1f} s", flush=True)
                bed.cut()


async def after_cut(bed: Bed) -> None:
    """Read them."""
    identity = Identity.loads((_STATE / "identity.key").read_bytes())
    with open_reader(_STATE, [identity]) as reader:
        starts = [contact.start for contact in reader.contacts()]
        bed.check("the store opens without a complaint", not reader.problems, reader.problems or "no problems")
    expected = [_contact(number).start for number in range(len(starts))]
    bed.check("all confirmed contacts are there", len(starts) >= _CONFIRMED, f"{len(starts)} of {_CONFIRMED} or more")
    bed.check("none is missing in between", starts == expected)
    with open_appender(_STATE) as appender:
        appender.commit([_contact(_FOR_EVER)])
    with open_reader(_STATE, [identity]) as reader:
        bed.check("and it takes further ones", len(list(reader.contacts())) == len(starts) + 1)


def _contact(number: int) -> Contact:
    start = _START + number
    scan = ScanInstance(offset_s=0.0, seconds=4.0, sightings=2, rssi_mean=-60.0, rssi_max=-58)
    identifier = number.to_bytes(16, "big")
    return Contact("gaen", identifier, bytes(4), start, start + 4.0, 4.0, 1.0, synced=True, scans=(scan,))
