# SPDX-License-Identifier: Apache-2.0
"""Making a whole store file at once from what another machine sent: one that every command reads and nobody appends to.

It has no private signing key, since that stays with the badge.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bzd.model import Contact, DailyKey
from bzd.store import container
from bzd.store.draft import DAY_S, Draft
from bzd.store.identity import PublicKey
from bzd.store.records import Label, encode_key, encode_label
from bzd.store.sealing import LABEL, OWN_KEYS, Place
from bzd.store.segments import Segment, insert_record, insert_segment
from bzd.store.state import write_new

_AT_ONCE = 1000
"""Contacts that are sealed before they are written: some 400 kB."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a store.

    Attributes:
        store_id: names it, 16 bytes.
        label: its name, when it was made, and the badge's public signing key.
        contacts: those that are not `synced` keep their times as the best guess.
        keys: own daily keys.
    """

    store_id: bytes
    label: Label
    contacts: Sequence[Contact]
    keys: Sequence[DailyKey]


def compose(path: Path, contents: Contents, recipients: Sequence[PublicKey]) -> None:
    """Write a store file, in the form of an exported one; on failure there is none.

    Args:
        path: where nothing is yet; the file gets mode 0600.
        contents: what goes into it.
        recipients: who can open it all.

    Raises:
        OutputError: if it cannot be written, or is there already.
        ValueError: if something does not fit a record.
    """
    write_new(path, b"")
    try:
        with container.translated(path):
            connection = container.build(path)
            try:
                _fill(connection, contents, recipients)
                connection.execute("COMMIT")
            finally:
                connection.close()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _fill(connection: sqlite3.Connection, contents: Contents, recipients: Sequence[PublicKey]) -> None:
    values = (contents.store_id, contents.label.signing_public)
    connection.execute("INSERT INTO store VALUES (1, ?, ?)", values)
    cipher = insert_segment(connection, Place(contents.store_id, LABEL, 1, None), recipients)
    insert_record(connection, cipher, 1, 1, encode_label(contents.label))
    segments = _Segments(connection, contents.store_id, recipients)
    remaining = iter(contents.contacts)
    while batch := list(islice(remaining, _AT_ONCE)):
        draft = Draft(segments.get, segments.there)
        for contact in batch:
            draft.add(contact)
        draft.flush(connection)
    last = Draft(segments.get, segments.there)
    for key in contents.keys:
        segment = segments.get(last, OWN_KEYS, int(key.start // DAY_S))
        last.write(segment, segment.take(1)[0], encode_key(key), rows=1)
    last.ending = list(segments.made.values())
    last.flush(connection)


@dataclass(slots=True)
class _Segments:
    """The segments of a store in the making, one for each purpose and day."""

    connection: sqlite3.Connection
    store_id: bytes
    recipients: Sequence[PublicKey]
    made: dict[tuple[int, int | None], Segment] = field(default_factory=dict)

    def get(self, draft: Draft, purpose: int, day: int | None) -> Segment:
        """The segment for it; `draft` may then replace what it writes there."""
        segment = self.made.get((purpose, day))
        if segment is None:
            place = Place(self.store_id, purpose, len(self.made) + 2, day)
            segment = Segment(place, insert_segment(self.connection, place, self.recipients))
            self.made[purpose, day] = segment
        draft.alive.add(segment)
        return segment

    def there(self, segment: Segment) -> bool:
        """Whether a segment was not purged: nobody else has the file yet."""
        return segment in self.made.values()
