# SPDX-License-Identifier: Apache-2.0
"""Ending today's key before it is exported, so that no key that ever left a badge is advertised again.

Where the badge's daemon runs, it is asked, and answers once the key is off the air. Where it does not, the key is ended
in the store; a daemon that starts later never goes on with a key of an earlier run. Both hold for the one directory on
the one machine where the badge is: a copy cannot know what the badge does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from bzd.cli.own_keys import SETTLED_S, OwnStore
from bzd.errors import BzdError, StateError
from bzd.model import DailyKey
from bzd.protocols import protocols

_TOMORROW = "export it tomorrow, or run this on the badge itself"


def ended(store: OwnStore, keys: Sequence[DailyKey], now: float) -> list[DailyKey]:
    """The same keys once none of them is on the air any more, each with the end that the store then has.

    Args:
        store: of the badge.
        keys: those that are going to be exported.
        now: UTC unix seconds.

    Raises:
        StateError, BzdError, BusyError: see `_end`.
    """
    from bzd.matching.own import plausible  # noqa: PLC0415  see below

    in_use = [key for key in keys if key.end + SETTLED_S > now and plausible(key)]
    if not in_use:
        return list(keys)
    _end(store.path, in_use, now)
    names = {(key.protocol, key.key) for key in keys}
    # A key that was made meanwhile is on the air, and none of these.
    found = [key for key in store.keys()[1] if (key.protocol, key.key) in names]
    _require_ended([key for key in found if plausible(key)], now)
    return found


def _end(state: Path, keys: Sequence[DailyKey], now: float) -> None:
    """End keys that may be in use, and make sure that nothing of them is on the air.

    Args:
        state: the badge's state directory.
        keys: its own keys of today, as they were read before this.
        now: UTC unix seconds.

    Raises:
        StateError: if this is a copy, or nobody can tell.
        BzdError: if the badge's daemon does not take its key off the air; BusyError if it does not answer.
    """
    from bzd.store import inspect, machine, requests  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    if not os.path.isdir(state):  # noqa: PTH112  Path.is_dir raises where a folder above may not be entered
        raise StateError(f"{state} is a copy of a store: today's key may be on the air elsewhere", _TOMORROW)
    store_id = inspect(state).store_id
    if machine.compare(state, store_id) is machine.Home.OTHER:
        raise StateError(f"{state} was made on another machine: today's key may be on the air there", _TOMORROW)
    if requests.running(state):
        answer = requests.ask(state, f"{requests.RETIRE_KEY} {token_hex(8)}")
        if answer != requests.RETIRED:
            raise BzdError(
                f"the badge did not end today's key: {answer}", "`bzd status` shows how it is; then try again"
            )
        return
    if not machine.is_original(state, store_id):
        raise StateError(
            f"nothing tells that {state} is no copy of a badge that is on the air",
            "`systemctl start bzd` starts the badge, so that it can be asked; or export it tomorrow",
        )
    _end_in_store(state, keys, now)


def _end_in_store(state: Path, keys: Sequence[DailyKey], now: float) -> None:
    from bzd.store import open_appender  # noqa: PLC0415  see above

    ended = [replace(key, end=min(key.end, max(_boundary(key, now), _boundary(key, key.start)))) for key in keys]
    with open_appender(state) as appender:
        appender.add_keys([key for key, before in zip(ended, keys, strict=True) if key != before])


def _boundary(key: DailyKey, time: float) -> float:
    """The end of the interval that a time is in."""
    step = protocols()[key.protocol].interval_s
    return float((time // step + 1) * step)


def _require_ended(keys: Sequence[DailyKey], now: float) -> None:
    """Refuse keys that hold for later than what can have been sent of them.

    Raises:
        BzdError: if there is one; whatever the badge answered, it did not end this one.
    """
    from bzd.radio.rotation import AHEAD  # noqa: PLC0415  a badge's business, needed here alone

    for key in keys:
        if key.end > _boundary(key, now) + AHEAD * protocols()[key.protocol].interval_s:
            raise BzdError("today's key has no end in the store, so that it may be on the air", _TOMORROW)
