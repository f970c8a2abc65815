# SPDX-License-Identifier: Apache-2.0
"""An eavesdropper cannot link a badge's IDs by an address, in any way of scanning, scan requests included."""

from __future__ import annotations

from tests.e2e.guest import rotating
from tests.e2e.guest.bed import Bed

LIMIT_S = 360.0


async def run(bed: Bed) -> None:
    """Run it."""
    await rotating.prove(bed, rotations=6, hold_s=1.0)
    await rotating.other_protocol(bed)
