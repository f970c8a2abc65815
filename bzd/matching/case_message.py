# SPDX-License-Identifier: Apache-2.0
"""Bluezone's case message: `{"data":[{"daily_key":HEX64,"time_start":S,"time_end":S,"max":96}, ...]}`.

Times are unix seconds; `time_start` is the UTC midnight of the key's day, and every slot that begins at or before
`time_end` is meant. If that is days later, each day's key is the SHA-256 of the last. `max` is the number of slots of a
day: 96 in version 3; 144 is version 2, whose published keys do not give what its phones sent. Source:
BluezoneGlobal/react-native-bluetooth-scan, BluezoneIdTrace.java.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeGuard

from bzd.errors import InputError
from bzd.matching import archive
from bzd.matching.keyfile import MAX_KEYS, KeyFile
from bzd.matching.keys import MAX_TIME, DiagnosisKey
from bzd.protocols import bluezone
from bzd.protocols.schedule import DAY_S

SLOTS = DAY_S // bluezone.SLOT_S
"""Slots of a day: 96."""
MAX_DAYS = 366
"""The most days that one entry may span; the app kept contacts for 180 (its `DbMaxDay`), others much less."""

_HINT = 'a case message is {"data":[{"daily_key":…,"time_start":…,"time_end":…,"max":96}]}'


def read_case_message(path: Path) -> KeyFile:
    """The keys of a case message. It is never signed: who gives the file must be trusted.

    Raises:
        InputError: if it cannot be read, is no case message, or holds too much.
    """
    return parse_case_message(archive.read_bytes(path), str(path))


def parse_case_message(data: bytes, name: str = "case message") -> KeyFile:
    """The keys of a case message from its bytes; entries that make no sense are skipped and counted.

    Raises:
        InputError: if it is no case message, or holds too much.
    """
    try:
        document = json.loads(data)
        entries = document["data"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise InputError(f"{name} is no Bluezone case message", _HINT) from error
    if not isinstance(entries, list):
        raise InputError(f"{name} is no Bluezone case message: data is not a list", _HINT)
    skipped: Counter[str] = Counter()
    keys: list[DiagnosisKey] = []
    for entry in entries:
        try:
            keys += _days(entry)
        except ValueError as error:
            skipped[str(error)] += 1
        if len(keys) > MAX_KEYS:
            raise InputError(f"{name} holds more than {MAX_KEYS} days", _HINT)
    return KeyFile(tuple(keys), skipped=dict(skipped), sha256=sha256(data).digest(), name=name)


def _days(entry: Any) -> Iterator[DiagnosisKey]:
    """The keys of an entry, one a day.

    Raises:
        ValueError: if it makes no sense; the message is a reason to count by and shows nothing of it.
    """
    if not isinstance(entry, dict):
        raise ValueError("not an object")  # noqa: TRY004  the one class that is counted
    key, start, end = _key(entry.get("daily_key")), entry.get("time_start"), entry.get("time_end")
    if not (_is_time(start) and _is_time(end)):
        raise ValueError("time is not a whole number of seconds")
    if entry.get("max") != SLOTS or isinstance(entry.get("max"), bool):
        raise ValueError("not version 3 with 96 slots a day")
    if start % DAY_S:
        raise ValueError("time_start is not midnight")
    if end < start or end - start >= MAX_DAYS * DAY_S:
        raise ValueError("time_end before time_start, or more than a year later")
    if end >= MAX_TIME:
        raise ValueError("time out of range")
    return _chain(key, start // bluezone.SLOT_S, end // bluezone.SLOT_S)


def _chain(key: bytes, first: int, last: int) -> Iterator[DiagnosisKey]:
    while first <= last:
        yield DiagnosisKey(key, first, min(SLOTS, last - first + 1), bluezone.NAME)
        key, first = bluezone.PROTOCOL.next_key(key), first + SLOTS


def _key(text: Any) -> bytes:
    try:
        key = bytes.fromhex(text)
    except (TypeError, ValueError):
        key = b""
    if len(key) != bluezone.PROTOCOL.key_bytes:
        raise ValueError("daily_key is not 64 hexadecimal digits")
    return key


def _is_time(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def write_case_message(keys: Iterable[DiagnosisKey]) -> bytes:
    """A case message of Bluezone keys, one entry each, in order of time.

    An entry begins at midnight, since its slots are counted from there. A key that came into use later gives IDs for
    the slots before as well, which nobody ever sent.

    Raises:
        ValueError: if a key is of another protocol, or reaches into another day.
    """
    entries = []
    for key in sorted(keys, key=lambda key: (key.first, key.key)):
        end = key.first + key.intervals
        midnight = key.first - key.first % SLOTS
        if key.protocol != bluezone.NAME or not midnight < end <= midnight + SLOTS:
            raise ValueError(f"{key.protocol} key that a Bluezone case message cannot hold")
        start = midnight * bluezone.SLOT_S
        entries.append(
            {"daily_key": key.key.hex(), "time_start": start, "time_end": end * bluezone.SLOT_S - 1, "max": SLOTS}
        )
    return json.dumps({"data": entries}, separators=(",", ":")).encode() + b"\n"
