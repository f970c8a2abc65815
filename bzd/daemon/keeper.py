# SPDX-License-Identifier: Apache-2.0
"""Keeps contacts, own keys and clock anchors in the store: what is in progress too, so that a power cut costs a minute.

`prepare` and `write` are apart, because a card may take seconds for a write: the first looks at what the event loop
owns, the second may run in another thread. One lock guards the appender.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from bzd.daemon.timekeeping import TimeKeeper
from bzd.model import Contact, ContactKey, DailyKey
from bzd.proximity.quota import HourlyQuota
from bzd.store import Appender, Handle
from bzd.store.records import ClockAnchor

PENDING_MAX = 4096
"""Closed contacts that wait while the store cannot be written; four hours of the hourly quota's default."""
_HOUR_S = 3600
_HOURS_HELD = 7
"""Hours of data in which a stored contact can still give way to a longer one of its hour: the tracker cuts a contact
after three hours of continuous presence, six with a gap before each sighting."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """What one flush writes.

    Attributes:
        add: contacts that the store does not have yet.
        replace: contacts that have grown since they were written.
        remove: contacts that gave way to longer ones of their hour.
        closed: those of `add` and `replace`, or unchanged ones, that will not grow any more.
    """

    add: dict[ContactKey, Contact] = field(default_factory=dict)
    replace: dict[ContactKey, Contact] = field(default_factory=dict)
    remove: set[ContactKey] = field(default_factory=set)
    closed: dict[ContactKey, Contact] = field(default_factory=dict)


@dataclass(slots=True)
class KeeperCounts:
    """What was kept since the start.

    Attributes:
        day: the UTC day that `contacts` counts.
        contacts: contacts of that day in the store.
        flushes: transactions with contacts.
        unstored: contacts lost because the store could not be written for hours.
    """

    day: int = 0
    contacts: int = 0
    flushes: int = 0
    unstored: int = 0


class Keeper:
    """Writes to one store.

    Args:
        appender: the store.
        time: data time.
        limit: most contacts per hour.
    """

    def __init__(self, appender: Appender, time: TimeKeeper, limit: int) -> None:
        self._appender = appender
        self._time = time
        self._lock = Lock()
        self._pending: dict[ContactKey, Contact] = {}
        self._handles: dict[ContactKey, Handle] = {}
        self._anchors: list[ClockAnchor] = []
        self.quota = HourlyQuota(limit)
        self.counts = KeeperCounts()
        self.note_clock()

    @property
    def waiting(self) -> int:
        """Closed contacts that are not on the disk yet."""
        return len(self._pending)

    def take(self, contacts: Iterable[Contact]) -> None:
        """Contacts that closed; the next flush writes them."""
        for contact in contacts:
            if len(self._pending) >= PENDING_MAX:
                del self._pending[next(iter(self._pending))]
                self.counts.unstored += 1
            self._pending[contact.key] = contact

    def note_clock(self) -> None:
        """The clocks changed: the next flush says so; until then every segment without a day begins with them."""
        anchor = self._time.anchor()
        self._appender.undated = None if anchor.synced else anchor
        if anchor.synced or self._handles:
            self._anchors.append(anchor)

    def redate(self, shift_ms: int) -> None:
        """Contacts in progress moved by so many milliseconds; what is written of them is found again."""
        moved = {}
        for (protocol, rolling_id, start), handle in self._handles.items():
            open_ = handle.contact is not None and (protocol, rolling_id, start) not in self._pending
            at = (round(start * 1000) + shift_ms) / 1000 if open_ else start
            moved[protocol, rolling_id, at] = handle
        self._handles = moved

    def keep_key(self, key: DailyKey) -> None:
        """Seal one of the badge's own daily keys at once.

        Raises:
            BzdError: if that fails; the key must then not be used.
        """
        with self._lock:
            self._appender.add_keys([key], dated=self._time.synced)

    def prepare(self, in_progress: Iterable[Contact]) -> Batch:
        """What a flush has to write: all that closed, and what has grown of the contacts in progress."""
        batch = Batch(closed=dict(self._pending))
        wanted = {contact.key: contact for contact in in_progress} | self._pending
        for key, contact in wanted.items():
            verdict = self.quota.offer(contact)
            if verdict.pushed_out is not None:
                batch.add.pop(verdict.pushed_out, None)
                batch.replace.pop(verdict.pushed_out, None)
                if verdict.pushed_out in self._handles:
                    batch.remove.add(verdict.pushed_out)
            if not verdict.admitted:
                continue
            batch.remove.discard(key)
            handle = self._handles.get(key)
            if handle is None:
                batch.add[key] = contact
            elif handle.contact != contact:
                batch.replace[key] = contact
        return batch

    def write(self, batch: Batch) -> None:
        """Write a batch in one transaction, and what is known of the clocks before it.

        Raises:
            BzdError: if the store cannot be written; then all of it waits for the next flush.
        """
        with self._lock:
            self._write_anchors()
            handles = self._appender.commit(
                add=list(batch.add.values()),
                replace={self._handles[key]: contact for key, contact in batch.replace.items()},
                remove=[self._handles[key] for key in batch.remove],
            )
        self._handles.update(zip(batch.add, handles, strict=True))
        for key in batch.remove:
            del self._handles[key]
        self.counts.flushes += bool(batch.add or batch.replace or batch.remove)
        self._count(batch)
        self._settle(batch)

    def count_on(self, day: int, contacts: int) -> None:
        """Go on counting the contacts of a day where an earlier process stopped."""
        self.counts.day, self.counts.contacts = day, contacts

    def newest_day(self, before: int) -> int | None:
        """See `Appender.newest_day`."""
        with self._lock:
            return self._appender.newest_day(before)

    @property
    def alone(self) -> Lock:
        """Who holds it is the only one in this process that uses the store."""
        return self._lock

    def end_segments(self) -> None:
        """Forget the data keys; what comes next is sealed to the recipients as they are now."""
        with self._lock:
            self._appender.end_segments()

    def requests(self) -> list[tuple[int, str]]:
        """What other processes want; nothing while a write is under way, which may take long."""
        if not self._lock.acquire(blocking=False):
            return []
        try:
            return self._appender.requests()
        finally:
            self._lock.release()

    def answer(self, number: int, text: str) -> None:
        """Answer a request."""
        with self._lock:
            self._appender.answer(number, text)

    def _write_anchors(self) -> None:
        while self._anchors:
            anchor = self._anchors[0]
            self._appender.add_anchor(anchor, int(anchor.wall // 86400) if anchor.synced else None)
            del self._anchors[0]

    def _count(self, batch: Batch) -> None:
        day = self._time.day()
        if day != self.counts.day:
            self.count_on(day, 0)
        # What is not dated yet happened in this boot; it counts for the day it is written on.
        new = sum(not contact.synced or contact.start // 86400 == day for contact in batch.add.values())
        self.counts.contacts = max(self.counts.contacts + new - len(batch.remove), 0)

    def _settle(self, batch: Batch) -> None:
        """What is closed and written waits no more, and only its place is remembered, for some hours."""
        for key, contact in batch.closed.items():
            if self._pending.get(key) is contact:
                del self._pending[key]
            if key in self._handles:
                self._handles[key].contact = None
        hour = int(self._time.now() // _HOUR_S) - _HOURS_HELD
        old = [key for key, handle in self._handles.items() if handle.contact is None and key[2] // _HOUR_S < hour]
        for key in old:
            del self._handles[key]
