# SPDX-License-Identifier: Apache-2.0
"""What `bzd doctor --radio` found of a radio, kept in the state directory for the daemon.

Whether a radio can change its address with the rolling ID, and whether its scan requests show its public address,
hangs on kernel, BlueZ and controller together (bluez/bluez#2337). So a verdict holds for one `Setup`, and whoever finds
none for the present one asks for another look. The file has no secret, and no address.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from bzd.errors import OutputError
from bzd.radio.setup import Setup

VERDICTS_FILE = "radio.json"
"""In the state directory."""
ADVERTISING = "advertising"
"""The entry for advertising without any scan, beside those of the scan modes."""

_SCHEMA = "bzd.radio/1"
_KEPT = 8
"""Setups that are remembered: whoever goes back to the kernel before need not ask again."""
_LONGEST = 65536
_MODE = 0o644
"""The daemon reads it as another user; nothing in it is private."""


class Outcome(StrEnum):
    """What a way of using the radio shows to an eavesdropper."""

    CLEAN = "clean"
    LEAKY = "leaky"
    """The public address, or another that stays, is on air or may be."""
    LINKED = "cannot rotate"
    """An address outlives a rolling ID or the reverse, or the ID cannot be changed at all."""


_MEANING = {
    Outcome.LEAKY: "shows an address of this radio that stays",
    Outcome.LINKED: "cannot change address and rolling ID together",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one setup.

    Attributes:
        setup: for which it holds.
        time: when it was found, UTC unix seconds by the clock of then.
        outcomes: by scan mode, and for `ADVERTISING`; those that could not be tried are missing.
    """

    setup: Setup
    time: float
    outcomes: Mapping[str, Outcome]

    def refusal(self, way: str) -> str:
        """Why a way of using the radio must not be taken, in words; empty if it may, or if nobody has tried it."""
        outcome = self.outcomes.get(way, Outcome.CLEAN)
        if outcome is Outcome.CLEAN:
            return ""
        what = way if way == ADVERTISING else f"scan mode {way}"
        return f"{what} {_MEANING[outcome]} (found by `bzd doctor --radio`)"

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong with any way that was tried."""
        return all(outcome is Outcome.CLEAN for outcome in self.outcomes.values())

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """From what `keep` wrote.

        Raises:
            KeyError, TypeError, ValueError: if it is anything else.
        """
        outcomes = {str(way): Outcome(outcome) for way, outcome in found["outcomes"].items()}
        return cls(Setup(**{key: str(value) for key, value in found["setup"].items()}), float(found["time"]), outcomes)


def find(state: Path, setup: Setup) -> Verdict | None:
    """The verdict on a setup, None if there is none."""
    return next((verdict for verdict in _read(state) if verdict.setup == setup), None)


def keep(state: Path, verdict: Verdict) -> None:
    """Remember a verdict, in place of an older one on the same setup.

    Raises:
        OutputError: if it cannot be written.
    """
    older = [each for each in _read(state) if each.setup != verdict.setup]
    found = {"schema": _SCHEMA, "verdicts": [asdict(each) for each in [verdict, *older][:_KEPT]]}
    path = state / VERDICTS_FILE
    part = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, _MODE)
            json.dump(found, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", "run it with sudo; is the disk full?") from error


def _read(state: Path) -> Iterable[Verdict]:
    """All verdicts; none where the file is missing or no such file. One that is of another version is passed over."""
    try:
        with (state / VERDICTS_FILE).open("rb") as file:
            found = json.loads(file.read(_LONGEST))
        rows = found["verdicts"] if found["schema"] == _SCHEMA else []
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    verdicts = []
    for row in rows if isinstance(rows, list) else []:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            verdicts.append(Verdict.from_json(row))
    return verdicts
