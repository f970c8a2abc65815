# SPDX-License-Identifier: Apache-2.0
"""What a health authority publishes: the keys of many cases, merged into files that tell nothing about any one of them.

Keys are sorted by their bytes, so that their order does not say which belong together; padded to a minimum, also those
that no earlier batch has, so that neither their number nor what is new says how many cases there are; and held back
until two hours after they end, since whoever has a key that is still accepted can broadcast its IDs (GAEN Cryptography
Specification v1.2.1; Exposure Notification server, docs/tek_validation.md). The file says the hour in which it was
made, and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from random import Random, SystemRandom

from bzd.matching.keyfile import MAX_KEYS, MAX_NAME, KeyFile, SignatureInfo, write_key_file
from bzd.matching.keys import INTERVALS_PER_KEY, DiagnosisKey, ReportType
from bzd.matching.signing import SigningKey
from bzd.protocols import gaen
from bzd.protocols.schedule import DAY_S

EMBARGO_S = 7200
"""A key's IDs are accepted for two hours after it ends (`bzd.matching.matcher.TOLERANCE_S`)."""
PADDED_TO = 1000
"""The fewest keys of a file (Exposure Notification server, internal/export/config.go, `MinRecords`)."""

_HOUR_S = 3600
"""The server's truncate window: times in a file are whole hours (internal/export/config.go)."""
_PADDING_DAYS = 14
"""How far back padding goes where there is no real key to look like."""
_RANDOM = SystemRandom()
_by_key = attrgetter("key")


@dataclass(frozen=True, slots=True)
class Publishing:
    """How to publish.

    Attributes:
        region: whose keys they are, for example a country's two letters.
        key_id: names the key that signs; the mobile country code by custom.
        key_version: names its version.
        padded_to: fewest keys of a batch, and fewest that are new in it if any is; 0 adds none, and then the same
            input gives the same files.
        max_keys: most keys of one file; more make a batch of several.
        embargo: hold back every key until two hours after it ends.
        random: where padding comes from; the system's by default.
    """

    region: str = ""
    key_id: str = ""
    key_version: str = ""
    padded_to: int = PADDED_TO
    max_keys: int = MAX_KEYS
    embargo: bool = True
    random: Random = _RANDOM


@dataclass(frozen=True, slots=True)
class Published:
    """What was made.

    Attributes:
        files: the files of the batch in order, none if there is nothing to publish.
        keys: how many real keys are in it.
        padding: how many were added.
        revised: how many are news of keys published before.
        held_back: keys that end too late, to publish another time.
        duplicates: how many entries were left out since another said the same key.
        conflicts: of them, entries that gave the key other intervals; what a verified file says, else the shorter, was
            kept.
    """

    files: tuple[bytes, ...]
    keys: int
    padding: int
    revised: int
    held_back: tuple[DiagnosisKey, ...]
    duplicates: int
    conflicts: int


def publish(
    inputs: Sequence[KeyFile],
    *,
    now: float,
    how: Publishing | None = None,
    revoke: Iterable[DiagnosisKey] = (),
    signing_key: SigningKey | None = None,
) -> Published:
    """Merge key files into a batch to publish.

    Args:
        inputs: exports of cases, and earlier batches, which are verified.
        now: UTC unix seconds; decides what is held back, and the time that the files state.
        how: the rest.
        revoke: keys to withdraw: they are published as revoked, and no longer as keys.
        signing_key: signs each file; None leaves them unsigned.

    Raises:
        ValueError: if a key is not of GAEN, or an option is out of range.
    """
    how = how or Publishing()
    _check(how)
    merged = _merge(inputs, revoke)
    keys = [key for key in merged.keys if key.key not in merged.revised]
    free, held = _embargoed(keys, now) if how.embargo else (keys, [])
    fresh = _fresh(free, inputs)
    # News of a key that nobody can have yet is held back with it: it would give the key away.
    news = list(merged.revised.values())
    revised, held_news = _embargoed(news, now) if how.embargo else (news, [])
    lacking = max(how.padded_to - len(free) - len(revised), how.padded_to - len(fresh) if fresh else 0)
    added = _padding(fresh or free, lacking, now, how.random)
    taken = {key.key for key in keys} | set(merged.revised)
    padding = [key for key in added if key.key not in taken]
    files = _files([*free, *padding] if free or revised else [], revised, how, now)
    return Published(
        files=tuple(write_key_file(file, signing_key) for file in files),
        keys=len(free),
        padding=len(padding) if files else 0,
        revised=len(revised),
        held_back=tuple(sorted([*held, *held_news], key=_by_key)),
        duplicates=merged.duplicates,
        conflicts=merged.conflicts,
    )


def _check(how: Publishing) -> None:
    if not 1 <= how.max_keys <= MAX_KEYS or not 0 <= how.padded_to <= MAX_KEYS:
        raise ValueError(f"at most {MAX_KEYS} keys fit a file, and padding can fill no more")
    if max(len(how.region), len(how.key_id), len(how.key_version)) > MAX_NAME:
        raise ValueError(f"region, key ID and version have at most {MAX_NAME} characters")


@dataclass(slots=True)
class _Merged:
    keys: list[DiagnosisKey]
    revised: dict[bytes, DiagnosisKey]
    duplicates: int = 0
    conflicts: int = 0


def _merge(inputs: Sequence[KeyFile], revoke: Iterable[DiagnosisKey]) -> _Merged:
    merged = _Merged([], {})
    first: dict[bytes, DiagnosisKey] = {}
    # What was published stands, whatever an export says of it: everybody has that key, and could cut it short.
    for key in _first_news(file for file in inputs if file.verified_by is not None):
        _add(first, key, merged)
    published = frozenset(first)
    for key in _first_news(file for file in inputs if file.verified_by is None):
        _add(first, key, merged, published)
    revoked = (key for file in inputs for key in file.keys if key.report_type == ReportType.REVOKED)
    for key in (*revoked, *(key for file in inputs for key in file.revised)):
        known = merged.revised.get(key.key)
        merged.duplicates += known is not None
        if known is None or known.report_type != ReportType.REVOKED:
            merged.revised[key.key] = key
    for key in revoke:
        merged.revised[key.key] = key._replace(report_type=ReportType.REVOKED)
    merged.keys = list(first.values())
    return merged


def _first_news(files: Iterable[KeyFile]) -> Iterator[DiagnosisKey]:
    """The keys of files but for revocations, which some write among them; those are news all the same."""
    return (key for file in files for key in file.keys if key.report_type != ReportType.REVOKED)


def _add(
    first: dict[bytes, DiagnosisKey], key: DiagnosisKey, merged: _Merged, fixed: Collection[bytes] = frozenset()
) -> None:
    known = first.setdefault(key.key, key)
    if known is key:
        return
    merged.duplicates += 1
    if (known.first, known.intervals) != (key.first, key.intervals):
        merged.conflicts += 1
        if key.key in fixed:
            return
        # The shorter is from an export that cut the key when it was taken off the air: what it leaves out was never
        # the owner's, but may be somebody's who broadcasts a published key.
        first[key.key] = min(known, key, key=lambda key: (key.intervals, key.first))


def _embargoed(keys: Sequence[DiagnosisKey], now: float) -> tuple[list[DiagnosisKey], list[DiagnosisKey]]:
    """Keys that may be published now, and keys that may not yet."""
    free: list[DiagnosisKey] = []
    held: list[DiagnosisKey] = []
    for key in keys:
        (free if key.end + EMBARGO_S <= now else held).append(key)
    return free, held


def _fresh(keys: Sequence[DiagnosisKey], inputs: Iterable[KeyFile]) -> list[DiagnosisKey]:
    """Keys that no earlier batch has, which is what is signed: who compares two batches sees which are new."""
    published = {key.key for file in inputs if file.signers for key in file.keys}
    return [key for key in keys if key.key not in published]


def _padding(
    keys: Sequence[DiagnosisKey],
    number: int,
    now: float,
    random: Random,
) -> list[DiagnosisKey]:
    """Random keys that are like real ones in all that is said of a key."""
    models = keys or _whole_days(now)
    return [
        models[random.randrange(len(models))]._replace(key=random.randbytes(gaen.PROTOCOL.key_bytes))
        for _ in range(max(number, 0))
    ]


def _whole_days(now: float) -> list[DiagnosisKey]:
    """A key of each of the last whole days that are out of the embargo."""
    today = int(now - EMBARGO_S) // DAY_S
    days = range(max(today - _PADDING_DAYS, 0), max(today, 1))
    return [DiagnosisKey(b"", day * INTERVALS_PER_KEY, INTERVALS_PER_KEY) for day in days]


def _files(keys: Sequence[DiagnosisKey], revised: Sequence[DiagnosisKey], how: Publishing, now: float) -> list[KeyFile]:
    """The files of a batch: all sorted by key, news of keys in the last ones."""
    end = now - now % _HOUR_S
    start = min([key.start for key in (*keys, *revised)], default=end)
    info = SignatureInfo(how.key_id, how.key_version)
    entries = [(key, False) for key in sorted(keys, key=_by_key)] + [
        (key, True) for key in sorted(revised, key=_by_key)
    ]
    chunks = [entries[at : at + how.max_keys] for at in range(0, len(entries), how.max_keys)]
    whole = KeyFile((), start=min(start, end), end=end, region=how.region, signers=(info,), batch_size=len(chunks))
    return [
        replace(
            whole,
            keys=tuple(key for key, is_revised in chunk if not is_revised),
            revised=tuple(key for key, is_revised in chunk if is_revised),
            batch_num=number,
        )
        for number, chunk in enumerate(chunks, 1)
    ]
