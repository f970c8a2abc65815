# SPDX-License-Identifier: Apache-2.0
"""What is played through the real stack, and how much of it may be lost on the way for reasons that are not bzd's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.e2e.guest.bed import SHARED, Bed

CAPTURE = SHARED / "data/captures/dp3t-exp25/06.btsnoop"
"""An hour of a phone that listens 4 s in 5 minutes to other phones, real exposure notifications; not ours to copy."""
CAPTURE_GAP_S = 0.5
"""Its silences of five minutes are cut to this; played faster instead, it would lose samples (`vhci.player.play`)."""
NO_CAPTURE = "no folder `shared` with captures beside the checkout"
WALK_S = 30
"""Seconds of the project's own trace, which is always played."""
LATE_S = 0.5
"""By so much may a report be late on its way through an emulated machine."""
LOST = 0.01
"""Part of the reports that BlueZ may lose: when the machine stood still it finds several of a device at once, and keeps
the last."""
_UNHEARD = 0.03
"""Part of the reports that may come while the kernel begins its scan anew, milliseconds in every 10.24 s."""


def check_heard(bed: Bed, what: str, played: Mapping[str, Any]) -> set[int]:
    """Check that the controller handed on nearly all of a trace.

    Args:
        bed: the test bed.
        what: is checked, in words.
        played: what the radio's `play` answered.

    Returns:
        Positions in the trace of the reports that it did not hand on: bzd never had a chance to hear them.
    """
    unheard = set(played["unheard"])
    found = f"{len(unheard)} of {played['played']} were not, {played['too_long']} more are too long"
    found += f", the machine stood still for {played['late_s']:.1f} s"
    bed.check(what, len(unheard) < played["played"] * _UNHEARD, found)
    return unheard
