# SPDX-License-Identifier: Apache-2.0
"""Where the contacts of a replay go: lines on stdout as they close, a table at the end, or a sealed store."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from bzd.cli import contact_data, contact_table, output
from bzd.model import Contact, ContactKey
from bzd.proximity.quota import HourlyQuota

if TYPE_CHECKING:  # sqlite3 and cryptography take 60 ms to load
    from bzd.store import Appender, Handle

_BATCH = 512
"""Contacts sealed in one transaction: a sync of a card takes milliseconds, so it is shared by many."""
_HOUR_S = 3600
_HOURS_HELD = 7
"""Hours of data in which a stored contact can still give way to a longer one of its hour. An ID lives 10 to 20 minutes,
and the tracker cuts the contact of one that does not after six hours of continuous presence; a contact that closes
later still (a recorder that listens now and then) is stored beside the others."""


class Sink(Protocol):
    """Takes contacts as they close."""

    def take(self, contact: Contact) -> None:
        """One more contact."""
        ...

    def finish(self) -> None:
        """There are no more."""
        ...


class Lines:
    """JSON Lines on stdout, each as its contact closes. Nothing is kept, so the hourly quota does not apply.

    Args:
        live: whether somebody watches them appear, so that each is flushed.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live

    def take(self, contact: Contact) -> None:
        """Write one contact."""
        contact_data.write("jsonl", [("", contact)], sys.stdout)
        if self._live:
            sys.stdout.flush()

    def finish(self) -> None:
        """Nothing is left to write."""


class Ticker:
    """One readable line for each contact as it closes, for whoever watches a live pipe."""

    def __init__(self) -> None:
        self._header_due = True

    def take(self, contact: Contact) -> None:
        """Write one contact."""
        if self._header_due:
            output.line(self._line(contact_table.HEADINGS))
            self._header_due = False
        output.line(self._line(contact_table.cells(contact)))
        sys.stdout.flush()

    def finish(self) -> None:
        """Nothing is left to write."""

    @staticmethod
    def _line(cells: Sequence[str]) -> str:
        # Widths are fixed beforehand: what comes later is not known yet, and a zone may be called +0545.
        start, *numbers = cells
        widths = map(len, contact_table.HEADINGS[1:])
        return "  ".join([f"{start:<27}", *(f"{n:>{width}}" for n, width in zip(numbers, widths, strict=True))])


class Table:
    """A table at the end, of what a store would have kept."""

    def __init__(self, quota: HourlyQuota) -> None:
        self._quota = quota
        self._contacts: dict[ContactKey, Contact] = {}

    def take(self, contact: Contact) -> None:
        """Keep one contact, within the quota."""
        verdict = self._quota.offer(contact)
        if verdict.pushed_out is not None:
            del self._contacts[verdict.pushed_out]
        if verdict.admitted:
            self._contacts[contact.key] = contact

    def finish(self) -> None:
        """Write the table; nothing where there is no contact."""
        contacts = sorted(self._contacts.values(), key=lambda contact: (contact.start, contact.key))
        if contacts:
            contact_table.show(("", contact) for contact in contacts)


class Store:
    """Seals contacts into a store, batch by batch, within the quota.

    Args:
        appender: the store, with a replay begun.
        quota: most contacts an hour.
    """

    def __init__(self, appender: Appender, quota: HourlyQuota) -> None:
        self._appender, self._quota = appender, quota
        self._waiting: dict[ContactKey, Contact] = {}
        self._outgoing: list[Handle] = []
        self._stored: dict[int, dict[ContactKey, Handle]] = {}
        self._growing: dict[ContactKey, tuple[Handle, Contact]] = {}

    def take(self, contact: Contact) -> None:
        """Keep one contact, within the quota."""
        verdict = self._quota.offer(contact)
        if verdict.pushed_out is not None:
            self._push_out(verdict.pushed_out)
        if verdict.admitted:
            self._supersede(contact.key)
            self._waiting[contact.key] = contact
            if len(self._waiting) >= _BATCH:
                self._commit(dict(self._in_progress()))

    def flush(self, growing: Iterable[tuple[ContactKey, Contact]]) -> None:
        """Seal all there is now, contacts in progress included.

        Args:
            growing: every contact in progress as it would be closed now, with its key.
        """
        self._commit({key: contact for key, contact in growing if key not in self._waiting})

    def finish(self) -> None:
        """Seal what still waits; nothing is in progress any more."""
        self._commit({})

    def _in_progress(self) -> Iterator[tuple[ContactKey, Contact]]:
        """What was sealed of contacts in progress, as it is."""
        return ((key, contact) for key, (_, contact) in self._growing.items() if key not in self._waiting)

    def _supersede(self, key: ContactKey) -> None:
        """What is stored under the key gives way to what takes its place."""
        handle = self._stored.get(_hour(key), {}).pop(key, None)
        if handle is not None and handle.contact is not None and key not in self._growing:
            self._growing[key] = handle, handle.contact
        elif handle is not None:
            self._outgoing.append(handle)

    def _push_out(self, key: ContactKey) -> None:
        if self._waiting.pop(key, None) is None:
            handle = self._stored.get(_hour(key), {}).pop(key, None)
            if handle is not None:
                self._outgoing.append(handle)

    def _commit(self, growing: Mapping[ContactKey, Contact]) -> None:
        """Seal what waits and what grows; what grew before and is neither now fell to the quota, and goes."""
        wanted = {**growing, **self._waiting}
        known = {key: handle for key, (handle, _) in self._growing.items()}
        new = [key for key in wanted if key not in known]
        handles = self._appender.commit(
            add=[wanted[key] for key in new],
            replace={known[key]: contact for key, contact in wanted.items() if self._changed(key, contact)},
            remove=[*self._outgoing, *(handle for key, handle in known.items() if key not in wanted)],
        )
        known.update(zip(new, handles, strict=True))
        for key in self._waiting:
            self._stored.setdefault(_hour(key), {})[key] = known[key]
        for hour in sorted(self._stored)[:-_HOURS_HELD]:
            del self._stored[hour]
        self._growing = {key: (known[key], contact) for key, contact in growing.items()}
        self._waiting, self._outgoing = {}, []

    def _changed(self, key: ContactKey, contact: Contact) -> bool:
        return key in self._growing and self._growing[key][1] != contact


def _hour(key: ContactKey) -> int:
    return int(key[2] // _HOUR_S)
