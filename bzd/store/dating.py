# SPDX-License-Identifier: Apache-2.0
"""Dating what was kept while the clock was not known to be right.

The difference between the right time and CLOCK_BOOTTIME is one number for a whole boot, so one good look at both dates
everything of that boot, earlier or later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bzd.model import Contact
from bzd.proximity.midnight import cut
from bzd.store.fields import TIME_MAX_S
from bzd.store.records import ClockAnchor

KEY_ERROR_MAX_S = 7200.0
"""A daily key that was used by a clock more wrong than this is of no use to others: GAEN matches IDs up to two hours
from their interval (Exposure Notification Cryptography Specification v1.2.1, "Matching")."""


class Clocks:
    """What is known of the clocks of all boots.

    Args:
        anchors: all that there are, in the order in which they were written.
    """

    def __init__(self, anchors: Iterable[ClockAnchor]) -> None:
        self._right: dict[bytes, float] = {}
        self._guess: dict[bytes, float] = {}
        for anchor in anchors:
            # The last one wins: a clock is set because it was wrong before.
            (self._right if anchor.synced else self._guess)[anchor.boot_id] = anchor.wall - anchor.boottime

    def dated(self, contact: Contact, segment: Iterable[ClockAnchor]) -> list[Contact]:
        """A contact of a segment without a day, with its time as far as it is known.

        Args:
            contact: its times are CLOCK_BOOTTIME.
            segment: the anchors in its segment, which name its boot; without one it stays as it is.

        Returns:
            With its right time and `synced`, if its boot was ever synchronised; else with the best guess. Where it
            then runs over a UTC midnight, in pieces that do not.
        """
        boot = next((anchor.boot_id for anchor in segment), None)
        if boot is None:
            return [contact]
        synced = boot in self._right
        offset = self._right[boot] if synced else self._guess.get(boot, 0.0)
        start, end = (round((time + offset) * 1000) / 1000 for time in (contact.start, contact.end))
        if not 0 <= start <= end < TIME_MAX_S:
            return [contact]
        return cut(replace(contact, start=start, end=end, synced=synced))

    def error_s(self, segment: Iterable[ClockAnchor]) -> float | None:
        """How wrong the clock was at most in a segment without a day, in seconds; None where nobody knows."""
        wrong = [
            abs(self._right[anchor.boot_id] - (anchor.wall - anchor.boottime))
            for anchor in segment
            if not anchor.synced and anchor.boot_id in self._right
        ]
        return max(wrong, default=None)
