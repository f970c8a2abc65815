# SPDX-License-Identifier: Apache-2.0
"""How many contacts of one hour are stored: the longest.

A flood of rolling IDs that are each heard a few times makes contacts that pass any filter a real neighbour passes. The
store must not grow with them, so that of each hour, by the start of the contacts, the longest `limit` are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from bzd.model import Contact, ContactKey

_HOUR_S = 3600
_HOURS = 48
"""Hours that are remembered. A contact lies within one UTC day and closes at most a day later, so a clock that goes
forward needs 25 hours back; twice that leaves room for a recorder's wrong dates. The hour that came up first is
forgotten first, and begins anew if it comes again."""


class Verdict(NamedTuple):
    """What the quota says of a contact.

    Attributes:
        admitted: whether it is to be kept.
        pushed_out: the key of the contact that was admitted earlier and has to go for it, None without one.
    """

    admitted: bool
    pushed_out: ContactKey | None = None


@dataclass(slots=True)
class _Hour:
    """Contacts admitted for an hour: their seconds by key, and a heap of (seconds, key) in which some are outdated."""

    seconds: dict[ContactKey, float] = field(default_factory=dict)
    heap: list[tuple[float, ContactKey]] = field(default_factory=list)

    def put(self, key: ContactKey, seconds: float) -> None:
        self.seconds[key] = seconds
        heappush(self.heap, (seconds, key))
        if len(self.heap) > 2 * len(self.seconds) + 1:
            self.heap = [(seconds, key) for key, seconds in self.seconds.items()]
            heapify(self.heap)

    def shortest(self) -> tuple[float, ContactKey]:
        while self.seconds.get(self.heap[0][1]) != self.heap[0][0]:
            heappop(self.heap)
        return self.heap[0]

    def replace_shortest(self, key: ContactKey, seconds: float) -> ContactKey:
        _, pushed_out = heapreplace(self.heap, (seconds, key))
        del self.seconds[pushed_out]
        self.seconds[key] = seconds
        return pushed_out


class HourlyQuota:
    """Admits at most a number of contacts per hour of their start and keeps the longest, in O(log n) each.

    Args:
        limit: most contacts per hour, at least 1.

    Attributes:
        refused: offers that were not admitted because others of their hour are longer; a contact that is offered again
            counts each time.
        repeated: offers under the key of a contact that was admitted before.
        pushed_out: contacts that were admitted and had to go for a longer one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hours: dict[int, _Hour] = {}
        self.refused = 0
        self.repeated = 0
        self.pushed_out = 0

    def offer(self, contact: Contact) -> Verdict:
        """Whether to keep a contact.

        One that was admitted and has grown since may be offered again and stays. A shorter one of the same key is what
        was heard before once more (a trace that holds the same twice), and is not admitted.
        """
        hour = self._hour(int(contact.start // _HOUR_S))
        key, seconds = contact.key, contact.duration_s
        if (before := hour.seconds.get(key)) is not None:
            self.repeated += 1
            if seconds < before:
                return Verdict(admitted=False)
            hour.put(key, seconds)
            return Verdict(admitted=True)
        if len(hour.seconds) < self._limit:
            hour.put(key, seconds)
            return Verdict(admitted=True)
        if seconds <= hour.shortest()[0]:
            self.refused += 1
            return Verdict(admitted=False)
        self.pushed_out += 1
        return Verdict(admitted=True, pushed_out=hour.replace_shortest(key, seconds))

    def _hour(self, number: int) -> _Hour:
        hour = self._hours.get(number)
        if hour is None:
            hour = self._hours[number] = _Hour()
            if len(self._hours) > _HOURS:
                del self._hours[next(iter(self._hours))]
        return hour
