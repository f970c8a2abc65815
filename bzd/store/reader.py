# SPDX-License-Identifier: Apache-2.0
"""Reading a store or an exported file with an identity."""

from __future__ import annotations

import heapq
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from bzd.errors import IdentityError, StoreError
from bzd.model import Contact, DailyKey
from bzd.store import container
from bzd.store.dating import KEY_ERROR_MAX_S, Clocks
from bzd.store.findings import Findings
from bzd.store.identity import Identity
from bzd.store.matched import MatchedKey, MatchedKeys, ReadFile, ReadFiles
from bzd.store.openers import increases, openers
from bzd.store.opening import Contents, SegmentRow, open_segment, orphans, read_segment, segment_rows
from bzd.store.records import ClockAnchor, ContactPart, Label, SigningKey, join
from bzd.store.sealing import CONTACTS, FINDINGS, LABEL, OWN_KEYS, SIGNING, RecordCipher
from bzd.store.segments import key_mark
from bzd.store.state import store_file

_DAY_S = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@contextmanager
def open_reader(path: Path, identities: Sequence[Identity]) -> Iterator[Reader]:
    """Open a state directory's store or an exported file for reading; writers go on meanwhile.

    Args:
        path: a state directory or a file.
        identities: any one of the store's recipients is enough.

    Raises:
        IdentityError: if none of the identities opens anything in it.
        StateError: if there is no store.
        StoreError: if it is damaged; StoreVersionError if a newer bzd wrote it.
    """
    file = store_file(path)
    with container.open_reader(file) as connection:
        reader = Reader(path, file, connection, identities)
        reader.check()
        yield reader


class Reader:
    """Reads a store; made by `open_reader`.

    What is damaged is left out, counted and named; the rest is read. Those counts are complete once the iterator
    that met the damage has ended.

    Attributes:
        label: the store's name, or its ID where no identity opens the label (a recipient added after `bzd init`).
        store_id: 16 bytes that name the store.
        signing_public: the badge's public Ed25519 key, 32 bytes.
        problems: what was wrong in what was read so far, a sentence each.
        damaged: records that could not be read so far.
    """

    def __init__(self, path: Path, file: Path, connection: sqlite3.Connection, identities: Sequence[Identity]) -> None:
        self._path = path
        self._file = file
        self._connection = connection
        self._identities = identities
        self._ciphers: dict[int, RecordCipher | None] = {}
        self._clocks = Clocks(())
        self.problems: list[str] = []
        self.damaged = 0
        with container.translated(file):
            self.store_id, self.signing_public = container.store_row(connection, file)
            self._segments = list(segment_rows(connection, self.store_id))
        self.label = self._read_label() or f"store {self.store_id.hex()[:8]}"

    def check(self) -> None:
        """Refuse identities that open nothing here.

        Raises:
            IdentityError: if so.
        """
        if not self._identities:
            raise IdentityError(f"no identity to open {self._path} with")
        if not any(self._opens(segment) for segment in self._segments):
            raise IdentityError(f"{self._path} is sealed to others: nothing in it opens with the identity given")

    def contacts(self, since: float | None = None, until: float | None = None) -> Iterator[Contact]:
        """The contacts in order of their start.

        Memory is that of the fullest day. Days are read one after the other, so that what a writer adds meanwhile to
        a later day may be among them; a contact is never read in halves. What was kept while the clock was not known
        to be right is dated by what was learnt of that boot's clock before or since.

        Args:
            since: leaves out contacts that ended before, UTC unix seconds.
            until: leaves out contacts that started at or after it, UTC unix seconds.
        """
        self._survey()
        wanted = [segment for segment in self._of(CONTACTS) if _within(segment, since, until)]
        dated = sorted((segment for segment in wanted if segment.place.day is not None), key=_day)
        undated = [segment for segment in wanted if segment.place.day is None]
        self._clocks = Clocks(self._anchors(CONTACTS) if undated else ())
        days = (list(segments) for _, segments in groupby(dated, key=_day))
        stream = (contact for segments in days for contact in self._sorted_contacts(segments))
        for contact in heapq.merge(stream, self._sorted_contacts(undated), key=_start):
            if (since is None or contact.end >= since) and (until is None or contact.start < until):
                yield contact

    def keys(self) -> Iterator[DailyKey]:
        """The badge's own daily keys in the order in which they were made, each once.

        Of those used before the clock was known to be right, the ones that were used at about their time. A key that
        was ended before its time is there twice, and comes with the earlier end.

        Raises:
            IdentityError: if there are some, and none of the identities opens own keys here.
        """
        self._survey()
        segments = self._of(OWN_KEYS)
        if segments and not any(self._opens(segment) for segment in [*self._of(SIGNING), *segments]):
            raise IdentityError(f"the own keys in {self._path} are sealed to others", _KEYS_HINT)
        clocks = Clocks(self._anchors(OWN_KEYS) if any(segment.place.day is None for segment in segments) else ())
        found: dict[tuple[str, bytes, float], DailyKey] = {}
        for key in (key for segment in segments for key in self._segment_keys(segment, clocks)):
            named = (key.protocol, key.key, key.start)
            found[named] = min(found.get(named, key), key, key=attrgetter("end"))
        yield from found.values()

    def anchors(self) -> Iterator[ClockAnchor]:
        """The clock anchors, in the order of their segments."""
        for segment in self._of(CONTACTS):
            for record in self._records(segment):
                if isinstance(record, ClockAnchor):
                    yield record

    def findings(self) -> Findings:
        """What matching found so far; what cannot be read is left out, and told by `Findings.whole`."""
        self._survey()
        segments = self._of(FINDINGS)
        trouble = len(self.problems)
        files: list[ReadFile] = []
        keys: defaultdict[int | None, list[MatchedKey]] = defaultdict(list)
        for segment in segments:
            for record in self._records(segment):
                if isinstance(record, ReadFiles):
                    files += record.files
                elif isinstance(record, MatchedKeys):
                    keys[segment.place.day] += record.keys
        return Findings(
            tuple(files),
            dict(keys),
            tuple((row.place.segment, row.place.day) for row in self._of(CONTACTS) if self._has_key(row)),
            tuple(segment.place.segment for segment in segments),
            whole=len(self.problems) == trouble,
        )

    def signing_key(self) -> bytes:
        """The private half of the badge's Ed25519 key, 32 bytes.

        Raises:
            IdentityError: if none of the identities opens it, or there is none: it stays with the badge.
            StoreError: if it is damaged.
        """
        if not self._of(SIGNING):
            raise IdentityError(
                f"{self._path} was made of a case file, which holds no signing key", "only the badge's own store signs"
            )
        segments = [segment for segment in self._of(SIGNING) if self._opens(segment)]
        if not segments:
            raise IdentityError(f"the signing key in {self._path} is sealed to others", _KEYS_HINT)
        for record in self._records(segments[0]):
            if isinstance(record, SigningKey):
                return record.private
        raise StoreError(f"{self._path} is damaged: it has lost its signing key")

    def _read_label(self) -> str | None:
        found = [segment for segment in self._of(LABEL) if self._opens(segment)]
        labels = [record for segment in found for record in self._records(segment) if isinstance(record, Label)]
        if not labels:
            return None
        if labels[0].signing_public != self.signing_public:
            self.problems.append("the badge's public signing key was changed; the one that was sealed is taken")
            self.signing_public = labels[0].signing_public
        return labels[0].text

    def _of(self, purpose: int) -> list[SegmentRow]:
        return [segment for segment in self._segments if segment.place.purpose == purpose]

    def _has_key(self, segment: SegmentRow) -> bool:
        return key_mark(self._connection, segment.place.segment) is not None

    def _opens(self, segment: SegmentRow) -> bool:
        return self._cipher(segment) is not None

    def _cipher(self, segment: SegmentRow) -> RecordCipher | None:
        identifier = segment.place.segment
        if identifier not in self._ciphers:
            try:
                self._ciphers[identifier] = open_segment(self._connection, segment, self._identities)
            except container.SQLITE_ERRORS as error:
                self._ciphers[identifier] = None
                self.problems.append(f"{segment.name}: its sealed keys are damaged: {error}")
        return self._ciphers[identifier]

    def _sorted_contacts(self, segments: Sequence[SegmentRow]) -> Iterator[Contact]:
        found = [contact for segment in segments for contact in self._segment_contacts(segment)]
        yield from sorted(found, key=lambda contact: (contact.start, contact.protocol, contact.rolling_id))

    def _segment_keys(self, segment: SegmentRow, clocks: Clocks) -> list[DailyKey]:
        records = list(self._records(segment))
        keys = [record for record in records if isinstance(record, DailyKey)]
        if segment.place.day is not None:
            return keys
        error = clocks.error_s(record for record in records if isinstance(record, ClockAnchor))
        return keys if error is not None and error < KEY_ERROR_MAX_S else []

    def _anchors(self, purpose: int) -> Iterator[ClockAnchor]:
        """The anchors beside contacts or keys; damage is not counted, since who reads the segments counts it."""
        for segment in self._of(purpose):
            cipher = None if segment.provisional else self._cipher(segment)
            if cipher is not None:
                records = read_segment(self._connection, self._file, segment, cipher).records
                yield from (record for _, record in records if isinstance(record, ClockAnchor))

    def _segment_contacts(self, segment: SegmentRow) -> Iterator[Contact]:
        parts: defaultdict[int, list[ContactPart]] = defaultdict(list)
        anchors: list[ClockAnchor] = []
        for record in self._records(segment):
            if isinstance(record, ContactPart):
                parts[record.head].append(record)
            elif isinstance(record, ClockAnchor):
                anchors.append(record)
        for pieces in parts.values():
            contact = join(pieces)
            if contact is None:
                self.damaged += len(pieces)
                self.problems.append(f"{segment.name}: a contact of {len(pieces)} records lacks others and is left out")
            else:
                yield from [contact] if segment.place.day is not None else self._clocks.dated(contact, anchors)

    def _records(self, segment: SegmentRow) -> Iterator[object]:
        if segment.provisional:
            self.problems.append(f"{segment.name}: left out, because the replay that wrote it has not finished")
            return
        cipher = self._cipher(segment)
        if cipher is None:
            self._report_unopened(segment)
            return
        contents: Contents = read_segment(self._connection, self._file, segment, cipher)
        self.damaged += contents.damaged + contents.missing
        self.problems += contents.problems
        if contents.lost and contents.lost not in self.problems:
            self.problems.append(contents.lost)
        for _, record in contents.records:
            yield record

    def _report_unopened(self, segment: SegmentRow) -> None:
        self.problems.append(f"{_dated_name(segment)}: not opened; it is sealed to others, or its key is damaged")

    def _survey(self) -> None:
        """Look again which segments there are, and whether rows are left of others, in one short read."""
        try:
            self._connection.execute("BEGIN")
            try:
                self._segments = list(segment_rows(self._connection, self.store_id))
                lost = orphans(self._connection, {segment.place.segment for segment in self._segments})
                counts = openers(self._connection, [segment.place.segment for segment in self._segments])
            finally:
                self._connection.execute("COMMIT")
        except container.SQLITE_ERRORS as error:
            self.problems.append(f"the file is damaged: {error}")
            return
        if lost:
            self.problems.append(f"{len(lost)} segments have lost their keys, so that their records cannot be read")
        self._report_more_openers(counts)

    def _report_more_openers(self, counts: dict[int, int]) -> None:
        made_for = max((counts.get(segment.place.segment, 0) for segment in self._of(LABEL)), default=0)
        for purpose in (CONTACTS, OWN_KEYS):
            segments = {segment.place.segment: segment for segment in self._of(purpose)}
            for number, text in increases(counts, segments, made_for):
                self.problems.append(f"{_dated_name(segments[number])}: {text}")


_KEYS_HINT = "give the identity of one of the key recipients with --identity FILE"
_start = attrgetter("start")


def _dated_name(segment: SegmentRow) -> str:
    day = segment.place.day
    return segment.name if day is None else f"{segment.name} of {(_EPOCH + timedelta(days=day)).date()}"


def _day(segment: SegmentRow) -> int:
    return segment.place.day or 0


def _within(segment: SegmentRow, since: float | None, until: float | None) -> bool:
    """Whether a segment can hold contacts of that time: they start in its day and end by its midnight."""
    day = segment.place.day
    if day is None:
        return True
    return (since is None or (day + 1) * _DAY_S >= since) and (until is None or day * _DAY_S < until)
