# SPDX-License-Identifier: Apache-2.0
"""Reads the contacts of one or several stores in order of time, and says what could not be read."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import click

from bzd.cli import output
from bzd.cli.identities import load_identities
from bzd.cli.options import state_paths
from bzd.model import Contact, ContactKey

if TYPE_CHECKING:  # sqlite3 and cryptography take 60 ms to load
    from bzd.store import Reader

SHOWN_PROBLEMS = 5
"""Damaged records that are named one by one; of more, the number is said."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which contacts are asked for.

    Attributes:
        since: those that end at or after this, UTC unix seconds; None without a bound.
        until: those that start before this, UTC unix seconds; None without a bound.
        min_duration_s: those present for at least this many seconds.
    """

    since: float | None = None
    until: float | None = None
    min_duration_s: float = 0.0


class Reading:
    """Open stores, each under its label."""

    def __init__(self, readers: list[Reader]) -> None:
        self.readers = readers

    @property
    def several(self) -> bool:
        """Whether there is more than one store, so that contacts need their label."""
        return len(self.readers) > 1

    def contacts(self, selection: Selection) -> Iterator[tuple[str, Contact]]:
        """Contacts of all stores in order of their start, each with its store's label.

        What is in several copies of one store comes once.
        """
        streams = [self._chosen(reader, selection) for reader in self.readers]
        for reader, contact in _once(heapq.merge(*streams, key=lambda item: item[1].start)):
            yield reader.label, contact

    @staticmethod
    def _chosen(reader: Reader, selection: Selection) -> Iterator[tuple[Reader, Contact]]:
        for contact in reader.contacts(since=selection.since, until=selection.until):
            if contact.duration_s >= selection.min_duration_s:
                yield reader, contact

    def why_empty(self) -> str:
        """Why a selection held nothing: because there is nothing at all, or because of what there is."""
        spans = [contact for _, contact in self.contacts(Selection())]
        if not spans and any(reader.problems for reader in self.readers):
            return "no contacts could be read"
        if not spans:
            return f"there are no contacts in {'these stores' if self.several else 'this store'} yet"
        first, last = output.local(spans[0].start), output.local(max(contact.end for contact in spans))
        noun = "contact" if len(spans) == 1 else "contacts"
        return f"no contacts match; without --since, --until and --min-duration: {len(spans)} {noun}, {first} to {last}"

    def warn(self) -> None:
        """Say what was damaged or ambiguous."""
        labels = list({reader.store_id: reader.label for reader in self.readers}.values())
        for label in sorted({label for label in labels if labels.count(label) > 1}):
            output.warning(f"several stores have the label {label}; `bzd init --label` tells badges apart")
        for reader in self.readers:
            problems = list(dict.fromkeys(reader.problems))  # reading twice finds the same twice
            for problem in problems[:SHOWN_PROBLEMS]:
                output.warning(f"{reader.label}: {problem}")
            if len(problems) > SHOWN_PROBLEMS:
                output.warning(f"{reader.label}: and {len(problems) - SHOWN_PROBLEMS} more like these")


def _once(found: Iterable[tuple[Reader, Contact]]) -> Iterator[tuple[Reader, Contact]]:
    """What is found in copies of one store, made on two days, only once: as the copy has it that knows most of it.

    What one copy holds twice, because a trace was replayed into it with --force, stays twice.
    """
    for _, same_start in groupby(found, lambda item: item[1].start):
        seen: Counter[tuple[int, ContactKey]] = Counter()
        best: dict[tuple[bytes, ContactKey, int], tuple[Reader, Contact]] = {}
        for reader, contact in same_start:
            seen[id(reader), contact.key] += 1
            name = (reader.store_id, contact.key, seen[id(reader), contact.key])
            if name not in best or contact.end > best[name][1].end:
                best[name] = reader, contact
        yield from best.values()


@contextmanager
def open_stores(ctx: click.Context) -> Iterator[Reading]:
    """Open all stores of this command line with its identities.

    Raises:
        StateError, IdentityError, StoreError: what the store raises.
    """
    from bzd.store import open_reader  # noqa: PLC0415  see above

    paths = state_paths(ctx)
    identities = load_identities(ctx, paths)
    with ExitStack() as stack:
        yield Reading([stack.enter_context(open_reader(path, identities)) for path in paths])
