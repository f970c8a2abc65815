# SPDX-License-Identifier: Apache-2.0
"""How many can open a segment: what anybody can see, without an identity, of whom a store was sealed to and when.

Whom a sealed key is for cannot be seen, but there is one for each recipient. Label and signing key were sealed once, at
`bzd init`; a public key that somebody put beside the store afterwards shows as one sealed key more in what came then.
One that took the place of another does not show; fingerprints do, to whoever noted them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator

from bzd.store.container import SLOT_SHIFT
from bzd.store.identity import PublicKey
from bzd.store.sealing import LABEL, SIGNING
from bzd.store.segments import key_range

_AT_INIT = (1, 2)
"""Numbers of the segments with label and signing key (`bzd.store.creating`)."""


def openers(connection: sqlite3.Connection, segments: Iterable[int]) -> dict[int, int]:
    """How many sealed keys segments have, by number; no more are counted than a segment can have.

    Args:
        connection: the store, which may be made to harm whoever opens it.
        segments: their numbers.
    """
    query = f"SELECT count(*) FROM (SELECT 1 FROM sealed_key WHERE id BETWEEN ? AND ? LIMIT {1 << SLOT_SHIFT})"  # noqa: S608  a constant of the format
    return {segment: connection.execute(query, key_range(segment)).fetchone()[0] for segment in segments}


def changes(
    connection: sqlite3.Connection, recipients: Collection[PublicKey], owners: Collection[PublicKey]
) -> Iterator[str]:
    """In which ways whom a store is sealed to now differs from when it was made, a sentence each.

    Args:
        connection: the store.
        recipients: who opens the contacts that come.
        owners: who opens the own keys that come.
    """
    made = dict(connection.execute("SELECT purpose, id FROM segment WHERE id IN (?, ?)", _AT_INIT).fetchall())
    counts = openers(connection, made.values())
    together = len({*recipients, *owners})
    for what, purpose, now in (("it is", LABEL, together), ("own keys are", SIGNING, len(set(owners)))):
        before = counts.get(made.get(purpose, -1), 0)
        if before and before != now:
            yield f"{what} sealed to {_keys(now)}, but to {before} when the store was made"


def increases(counts: dict[int, int], segments: Collection[int], before: int) -> Iterator[tuple[int, str]]:
    """Segments that more can open than the one before, each with a sentence.

    Args:
        counts: what `openers` gave.
        segments: numbers of segments of one purpose, in order.
        before: how many could open the store when it was made.
    """
    for segment in segments:
        now = counts.get(segment, 0)
        if now > before:
            yield segment, f"from here on it is sealed to {_keys(now)}, before to {before}: did you add one?"
        before = now or before


def _keys(number: int) -> str:
    return f"{number} public key{'' if number == 1 else 's'}"
