# SPDX-License-Identifier: Apache-2.0
"""Joins extended advertising data that arrives in several pieces.

A controller hands out up to 229 bytes in one report and marks it "incomplete, more data to come" (Core specification
Vol 4 Part E 7.7.65.13); on the air the pieces are AUX_ADV_IND and AUX_CHAIN_IND (Vol 6 Part B 2.3.4).
"""

from __future__ import annotations

from collections.abc import Hashable

from bzd.traces.counts import TraceCounts

COMPLETE, INCOMPLETE, TRUNCATED = 0, 1, 2
"""Data status of a report (Core specification Vol 4 Part E 7.7.65.13, Event_Type bits 5 and 6)."""
MAX_DATA = 1650
"""Longest advertising data, bytes (Core specification Vol 4 Part E 7.8.57)."""
_MAX_PENDING = 64
"""Advertisers whose data may be incomplete at once. A controller interleaves very few; a flood must not take memory."""
_MAX_AGE_S = 5.0
"""Seconds between two pieces. A chain's next packet comes at most 2.46 s later (Core specification Vol 6 Part B
2.3.4.5: 13 bits of 300 us), so an older piece belongs to a chain whose rest was lost."""


class Fragments:
    """The pieces of which the rest has not come yet, bounded in number and size.

    Attributes:
        pending: time and data of each beginning, by its key.
    """

    def __init__(self, counts: TraceCounts) -> None:
        self._counts = counts
        self.pending: dict[Hashable, tuple[float, bytes]] = {}

    def join(self, key: Hashable, time: float, data: bytes, status: int) -> bytes | None:
        """Add a piece; the whole data if this was its last, else None.

        Args:
            key: what the pieces of one advertisement have in common.
            time: unix seconds of this piece.
            data: the piece.
            status: COMPLETE, INCOMPLETE or TRUNCATED; anything else is taken as TRUNCATED.
        """
        begun, head = self.pending.pop(key, (time, b""))
        if head and abs(time - begun) > _MAX_AGE_S:
            self._counts.lost_fragments += 1
            head = b""
        whole = head + data
        if len(whole) > MAX_DATA:
            self._counts.lost_fragments += 1
            return None
        if status == INCOMPLETE:
            self._keep(key, time, whole)
            return None
        if status != COMPLETE:
            self._counts.truncated_data += 1
        return whole

    def _keep(self, key: Hashable, time: float, data: bytes) -> None:
        if len(self.pending) >= _MAX_PENDING:
            del self.pending[next(iter(self.pending))]
            self._counts.lost_fragments += 1
        self.pending[key] = (time, data)

    def finish(self) -> None:
        """Count what is still incomplete at the end of the trace."""
        self._counts.lost_fragments += len(self.pending)
        self.pending.clear()
