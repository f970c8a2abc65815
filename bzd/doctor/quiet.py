# SPDX-License-Identifier: Apache-2.0
"""A badge that runs is paused for as long as its radio is tried, and put back as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bzd.daemon import runtime
from bzd.store import requests

PAUSE_S = 300
"""It ends by itself after this, should whoever asked for it be killed."""
_SAME_S = 30.0
"""The end of one pause is told to the second, give or take the clock's corrections; another's is elsewhere."""
_TOLD_S = 5.0
"""The daemon writes its status every 2 s."""


@contextmanager
def badge_paused(state: Path) -> Iterator[None]:
    """Pause the badge that runs on a state directory, if one does, until the block ends.

    A badge that its wearer paused stays paused, also if that happens meanwhile.

    Raises:
        StateError: if there is no such directory.
        BusyError: if the badge does not answer.
    """
    if not requests.running(state) or _told().get("paused"):
        yield
        return
    requests.ask(state, f"pause {PAUSE_S}")
    until = _paused_until()
    try:
        yield
    finally:
        if until is not None and (now := _until(_told())) is not None and abs(now - until) < _SAME_S:
            requests.ask(state, "resume")


def _told() -> dict[str, Any]:
    """What the badge says of itself; nothing where that is not known."""
    folder = runtime.directory()
    return (None if folder is None else runtime.read_status(folder)) or {}


def _paused_until() -> float | None:
    """Until when the badge says that it is paused, once it says so."""
    end = time.monotonic() + _TOLD_S
    while not (told := _told()).get("paused") and time.monotonic() < end:
        time.sleep(0.1)
    return _until(told)


def _until(told: dict[str, Any]) -> float | None:
    """The end of a pause in unix seconds; None if there is none, or no end."""
    text = told.get("paused_until")
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
