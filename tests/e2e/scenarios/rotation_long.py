# SPDX-License-Identifier: Apache-2.0
"""The same over a hundred rotations in each way of scanning."""

from __future__ import annotations

from tests.e2e.guest import rotating
from tests.e2e.guest.bed import Bed

QUICK = False
LIMIT_S = 1300.0


async def run(bed: Bed) -> None:
    """Run it."""
    await rotating.prove(bed, rotations=100, hold_s=0.5)
