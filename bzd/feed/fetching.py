# SPDX-License-Identifier: Apache-2.0
"""Feeds into a folder: what is new of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bzd.clock import Clock
from bzd.errors import FeedError
from bzd.feed.address import MAX_INDEX, Address, parse, parse_index
from bzd.feed.folder import MAX_FOLDER, Folder
from bzd.feed.notes import Note
from bzd.feed.pace import STALL_S, TRANSFER_S, Limit
from bzd.feed.transfer import Answer, Connection
from bzd.matching.archive import MAX_FILE
from bzd.protocols.schedule import DAY_S

FEED_S = 1800.0
"""Seconds for a feed: 14 days of full archives, 266 MB, at 150 kB/s. What did not come comes next time."""
AGREEMENT_S = 300.0
"""A server's clock and the badge's agree if they are no further apart: what Kerberos, too, puts up with (RFC 4120
section 8.2), and next to nothing beside the days that are reckoned with here."""

_PATIENCE = 5
"""Files of one feed that fail one after the other before the rest is left for next time."""

Progress = Callable[[str, int, int], object]
"""Told of a feed which of its files, from 1, is asked for now, and how many there are."""


@dataclass(slots=True)
class Fetched:
    """What came of fetching.

    Attributes:
        files: all files of these feeds that are in the folder, each feed's in its own order; of one that cannot be
            asked those that it once named.
        new: those of them that came, or changed, just now.
        removed: number of files that were removed since they were old.
        left_out: lines of indexes that name nothing that is fetched.
        failures: what could not be fetched.
        agreed: whether a server's clock agreed with this one.
    """

    files: list[Path] = field(default_factory=list)
    new: list[Path] = field(default_factory=list)
    removed: int = 0
    left_out: int = 0
    failures: list[FeedError] = field(default_factory=list)
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How feeds are fetched.

    Attributes:
        keep_s: seconds after which a file is removed: then no contact is left that it could match.
        exact: see `bzd.feed.transfer.Known.condition`.
        transfer_s: seconds for one file.
        stall_s: seconds in which some byte of it must come.
    """

    keep_s: float
    exact: bool = False
    transfer_s: float = TRANSFER_S
    stall_s: float = STALL_S

    def limit(self) -> Limit:
        """The limit of a transfer that begins now."""
        return Limit(self.transfer_s, self.stall_s)


class Fetching:
    """Fetches feeds into a folder.

    Args:
        folder: where to.
        clock: tells the wall clock.
        terms: how.
        progress: told before each file.
    """

    def __init__(self, folder: Folder, clock: Clock, terms: Terms, progress: Progress | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._terms = terms
        self._progress = progress or (lambda *_: None)
        self._share = MAX_FOLDER
        self._named: set[str] = set()
        self._result = Fetched()

    def fetch(self, feeds: Sequence[str]) -> Fetched:
        """Fetch what is new of each feed; one that fails costs the others nothing.

        Raises:
            FeedError: if an address is none that is fetched; then nothing is.
            OutputError: if the folder cannot be written.
        """
        self._result, self._named = Fetched(), set()
        addresses = list(dict.fromkeys(map(parse, feeds)))
        self._share = MAX_FOLDER // max(len(addresses), 1)
        for address in addresses:
            connection = Connection(address, self._terms.limit)
            try:
                self._feed(connection, address)
            except FeedError as error:
                self._result.failures.append(error)
                self._named.update(self._folder.notes)  # what it would have named is not known
                self._result.files += self._had(address)
            finally:
                connection.close()
        before = self._clock.now() - self._terms.keep_s if self._result.agreed else None
        self._result.removed = self._folder.tidy(self._named, before)
        self._result.files = [path for path in dict.fromkeys(self._result.files) if path.exists()]
        return self._result

    def _feed(self, connection: Connection, feed: Address) -> None:
        end, failed = time.monotonic() + FEED_S, 0
        archives = (feed,) if feed.is_archive else self._index(connection, feed)
        self._named.update(map(str, archives))
        for number, address in enumerate(archives, 1):
            if time.monotonic() > end:
                raise FeedError(f"{feed}: {len(archives) - number + 1} files are left for next time: it takes too long")
            self._folder.require_room(feed, self._share)
            self._progress(str(feed), number, len(archives))
            try:
                self._archive(connection, address)
                failed = 0
            except FeedError as error:
                connection.close()
                self._result.failures.append(error)
                failed += 1
            note = self._folder.note(address)
            if note is not None and not note.removed:
                self._result.files.append(self._folder.path / note.file)
            if failed >= _PATIENCE:
                raise FeedError(f"{feed}: {len(archives) - number} files are left for next time: too many fail")

    def _had(self, feed: Address) -> Iterator[Path]:
        """The files there are of a feed that could not be asked, or not to the end."""
        within = str(
            feed if feed.is_archive else replace(feed, path=feed.path.partition("?")[0].rpartition("/")[0] + "/")
        )
        for url, note in self._folder.notes.items():
            if url.startswith(within) and not note.removed:
                yield self._folder.path / note.file

    def _index(self, connection: Connection, address: Address) -> tuple[Address, ...]:
        data = bytearray()
        answer = connection.get(address, data.extend, most=MAX_INDEX)
        self._compare_clocks(answer)
        index = parse_index(bytes(data), address)
        self._result.left_out += len(index.left_out)
        return index.archives

    def _archive(self, connection: Connection, address: Address) -> None:
        """Fetch one file, if it is new or has changed."""
        now = self._clock.now()
        # Not the one that has just begun: the server's clock may be a little behind.
        midnight = (now - AGREEMENT_S) // DAY_S * DAY_S
        before = self._folder.note(address)
        known = before.known(midnight) if before else None
        with self._folder.part() as part:
            answer = connection.get(address, part.write, most=MAX_FILE, known=known, exact=self._terms.exact)
            agreed = self._compare_clocks(answer)
            as_of = midnight if agreed else None
            if before is not None and (not answer.changed or part.sha256 == before.sha256):
                self._folder.confirm(_confirmed(before, answer, as_of, now))
                return
            note = Note(
                url=str(address),
                file=self._folder.name(address),
                size=part.size,
                sha256=part.sha256,
                last_modified=answer.last_modified,
                etag=answer.etag,
                as_of=as_of,
                fetched=now if agreed else None,
            )
            self._folder.keep(part, note)
        self._result.new.append(self._folder.path / note.file)

    def _compare_clocks(self, answer: Answer) -> bool:
        """Whether the server's clock and the badge's agree."""
        agreed = answer.date is not None and abs(answer.date - self._clock.now()) <= AGREEMENT_S
        self._result.agreed |= agreed
        return agreed


def _confirmed(before: Note, answer: Answer, as_of: float | None, now: float) -> Note:
    """What is known of a file that has not changed. Not every server says everything with a 304."""
    return replace(
        before,
        last_modified=before.last_modified if answer.last_modified is None else answer.last_modified,
        etag=answer.etag or before.etag,
        as_of=before.as_of if as_of is None else as_of,
        fetched=now if before.fetched is None and as_of is not None else before.fetched,
    )
