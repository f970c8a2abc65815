# SPDX-License-Identifier: Apache-2.0
"""Matching that is remembered: key files against one store, in which what was read and found is kept, sealed.

The daemon and `bzd match --feed` read nothing twice by it and skip nothing: that a file was read and what it found are
one transaction, so that whoever dies in the middle finds the file unread again. What is not in a store of one's own is
matched without it (`bzd.matching.matcher`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import ceil, inf
from pathlib import Path

from bzd.errors import BusyError, IdentityError, InputError
from bzd.matching import archive, findings
from bzd.matching.configured import How
from bzd.matching.encounters import encounters
from bzd.matching.keyfile import KeyFile, parse_key_file
from bzd.matching.matcher import Hit, Matcher
from bzd.matching.parallel import Progress
from bzd.matching.risk import Risk
from bzd.matching.rules import DaySummary, daily_summaries
from bzd.store import open_reader
from bzd.store import state as layout
from bzd.store.findings import Findings, exclusively, keep
from bzd.store.identity import Identity
from bzd.store.matched import ReadFile


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file.

    Attributes:
        again_at: when it must be matched again, UTC unix seconds; infinite if never.
        read: False if that was not due: it was matched before, and nothing can have come for it since.
        keys: number of keys in it that were tried.
        skipped: entries of it that make no sense, or are of the future: reason and number.
    """

    again_at: float
    read: bool
    keys: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """What follows from all that was found.

    Attributes:
        days: days on which a case was near, with their risk.
        withdrawn: days that would be of high risk, had keys not been revoked.
    """

    days: Sequence[DaySummary]
    withdrawn: Sequence[DaySummary]

    @property
    def high(self) -> list[DaySummary]:
        """The days of high risk: what a warning is about."""
        return [day for day in self.days if day.risk == Risk.HIGH]


@contextmanager
def open_kept(
    state: Path, identities: Sequence[Identity], how: How, *, now: float, clock_right: bool = True
) -> Iterator[Kept]:
    """Open the store of a state directory for matching; nobody else can meanwhile.

    Args:
        state: the state directory.
        identities: those that open it; one of them must be a recipient, to read later what is kept now.
        how: how to match.
        now: the wall clock, UTC unix seconds.
        clock_right: whether that is known to be right; if not, nothing counts as read.

    Raises:
        BusyError: if another does.
        IdentityError: if none of the identities opens the store, or is one that it is sealed to.
        StateError, StoreError: if there is no store, or it is damaged.
    """
    with exclusively(state):
        kept = Kept(state, identities, how, now, clock_right=clock_right)
        kept.load()
        yield kept


class Kept:
    """Matches key files against a store and keeps what it finds; made by `open_kept`.

    Attributes:
        matcher: knows all that was found.
        label: of the store.
        findings: what is in the store.
    """

    def __init__(self, state: Path, identities: Sequence[Identity], how: How, now: float, *, clock_right: bool) -> None:
        if not {identity.public for identity in identities} & set(layout.recipients(state)):
            raise IdentityError(f"the store in {state} is sealed to others: what is kept there could not be read again")
        self._state, self._identities, self._how = state, identities, how
        self._now, self._clock_right = now, clock_right
        self.label = ""
        self.findings = Findings()
        self.matcher = Matcher({})

    def load(self) -> None:
        """Read contacts and findings anew."""
        with open_reader(self._state, self._identities) as reader:
            self.findings = reader.findings()
            contacts = list(reader.contacts())
            self.label = reader.label
        how = self._how
        self.matcher = Matcher({self.label: contacts}, tolerance_s=how.tolerance_s, processes=how.processes)
        self.matcher.match(*findings.known(self.findings.keys))

    def take(self, path: Path, *, progress: Progress | None = None) -> Taken:
        """Match a key file, unless that was done and nothing can have come for it since, and keep what is found.

        Raises:
            InputError: if it cannot be read, is no key file, does not verify, or holds what cannot be; nothing was
                changed.
            BusyError, DiskFullError, StoreError: if the store cannot be written; nothing was changed.
        """
        data = _read(path)
        digest = sha256(data).digest()
        known = next((file for file in self.findings.files if file.sha256 == digest), None)
        if known is not None and self._clock_right and self.findings.whole:
            due = findings.next_look(known, self._now, self.findings.contacts)
            if due > self._now:
                return Taken(due, read=False)
        how = self._how
        file = parse_key_file(data, how.trusted, allow_unsigned=how.allow_unsigned, name=str(path))
        if self._clock_right:
            # Whatever the file says of its own time: no key of the future may keep it from ever being settled.
            file = replace(file, end=0.0).begun(self._now)
        try:
            return self._match(file, progress)
        except BusyError:
            # Days were purged since they were read; what was found of them must not come back.
            self.load()
            return self._match(file, progress)

    def standing(self) -> Standing:
        """What follows from all that was found, by the rule."""
        valid, revoked = self.matcher.hits(), self.matcher.withdrawn()
        standing = Standing(self._days(valid), ())
        dates = {day.date for day in standing.high}
        without = Standing(self._days([*valid, *revoked]), ()).high
        return replace(standing, withdrawn=[day for day in without if day.date not in dates])

    def _days(self, hits: Sequence[Hit]) -> list[DaySummary]:
        how = self._how
        return daily_summaries(encounters(hits, how.joining), how.rule, day_offset_s=how.day_offset_s)

    def _match(self, file: KeyFile, progress: Progress | None) -> Taken:
        self.matcher.match(file.keys, file.revised, progress=progress)
        oldest = self._now - self._how.retention_s if self._clock_right else -inf
        dated = {day for _, day in self.findings.contacts}
        try:
            days = findings.grown(self.findings.keys, self.matcher.cases(), self._now, oldest, dated)
        except ValueError as error:
            self.load()
            raise InputError(f"{file.name}: {error}", "do not use it; tell whoever publishes it") from error
        tried = [*file.keys, *file.revised]
        read = self._read_file(file, findings.until(tried, self._how.tolerance_s))
        others = [other for other in self.findings.files if other.sha256 != file.sha256 and self.findings.whole]
        self.findings = keep(self._state, self.findings, [*others, read] if self._clock_right else others, days)
        return Taken(
            again_at=findings.next_look(read, self._now, self.findings.contacts),
            read=True,
            keys=len(tried),
            skipped=file.skipped,
        )

    def _read_file(self, file: KeyFile, until: float) -> ReadFile:
        # Milliseconds upwards: nothing may count as settled too early.
        last = max((segment for segment, _ in self.findings.contacts), default=0)
        return ReadFile(file.sha256, int(self._now * 1000) / 1000, ceil(until * 1000) / 1000, last)


def _read(path: Path) -> bytes:
    """The bytes of a key file that somebody else put there: a plain file, never a link or a pipe that nobody fills.

    Raises:
        InputError: if it is no such file, cannot be read, or is larger than any key file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError(f"{path} is no plain file")
            return archive.limited_bytes(file, str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
