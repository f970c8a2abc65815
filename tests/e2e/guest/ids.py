# SPDX-License-Identifier: Apache-2.0
"""Which rolling IDs a badge had on air, whether any was there twice, and whether its keys explain them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bzd.model import DailyKey
from bzd.protocols import recognise, rolling_ids_of
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.eavesdropper import Intercept


async def on_air(bed: Bed, controller: int = 0) -> list[bytes]:
    """The rolling IDs that a controller has sent, in order of their first frame; one in two payloads comes twice."""
    return _ids(await _intercept(bed, controller))


async def now(bed: Bed, controller: int = 0) -> list[bytes]:
    """The rolling IDs that a controller sends just now."""
    shown = (await bed.controller(controller))["advertising"]
    return [found.rolling_id for data in shown for found in recognise(bytes.fromhex(data))]


async def check_once(bed: Bed, name: str, controller: int = 0, *, revived: bool = False) -> list[bytes]:
    """Check that no interval of a key was advertised twice, and no address used for two; returns the IDs on air.

    An interval stands for one ID, and each registration takes an address of its own; so what was advertised twice was
    on air as two payloads, or from two addresses.

    Args:
        bed: the test bed.
        name: of the badge.
        controller: its number.
        revived: whether an adapter was reset meanwhile, which makes the kernel send the last ID again for an instant.
    """
    caught = await _intercept(bed, controller)
    shown = _ids(caught)
    again = len(shown) - len(set(shown)) + (0 if revived else len(caught.followed()))
    bed.check(f"{name} advertises no interval twice", bool(shown) and not again, f"{len(shown)} IDs, {again} again")
    bed.check(f"{name}: no address outlives its ID", not caught.linked(), caught.linked() or len(caught.payloads))
    types = ", ".join(sorted(caught.types))
    bed.check(f"{name}: the public address is never on air", caught.types == {"random"}, types)
    return shown


def unexplained(shown: Iterable[bytes], keys: Sequence[DailyKey]) -> list[bytes]:
    """The IDs that none of the keys stands for."""
    known = {rolling_id for key in keys for rolling_id in rolling_ids_of(key)}
    return [rolling_id for rolling_id in shown if rolling_id not in known]


async def _intercept(bed: Bed, controller: int) -> Intercept:
    return Intercept.of(await bed.radio("on_air"), (await bed.controller(controller))["hci"])


def _ids(caught: Intercept) -> list[bytes]:
    return [found.rolling_id for data in caught.ids for found in recognise(bytes.fromhex(data))]
