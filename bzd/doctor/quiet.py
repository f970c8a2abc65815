# SPDX-License-Identifier: Apache-2.0
"""A badge that runs is paused for as long as its radio is tried, and put back as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bzd.daemon import runtime
from bzd.store import requests

PAUSE_S = 300
"""It ends by itself after this, should whoever asked for it be killed."""
BACK_S = 8.0
"""How long a badge that goes on may take until it says so: 5 s, and what its status is behind."""
_POLL_S = 0.1


@contextmanager
def badge_paused(state: Path) -> Iterator[None]:
    """Pause the badge that runs on a state directory, if one does, until the block ends.

    A badge that its wearer paused stays paused, also if that happens meanwhile.

    Raises:
        StateError: if there is no such directory.
        BusyError: if the badge does not answer.
    """
    if not requests.running(state):
        yield
        return
    requests.ask(state, f"{requests.LEND} {PAUSE_S}")
    try:
        yield
    finally:
        if requests.running(state):
            given = time.time()
            requests.ask(state, requests.GIVE_BACK)
            _wait_until_back(given)


def _wait_until_back(since: float) -> None:
    """Until the badge says that it is on air again, or paused for another reason: what follows looks at it."""
    folder, end = runtime.directory(), time.monotonic() + BACK_S
    while folder is not None and time.monotonic() < end:
        try:
            is_news = (folder / runtime.STATUS_FILE).stat().st_mtime > since
            told = runtime.read_status(folder)
        except OSError:
            return  # it tells nothing, or not this user
        radio = told.get("radio") if told else None
        if is_news and told and (told.get("paused") or (isinstance(radio, dict) and radio.get("advertising"))):
            return
        time.sleep(_POLL_S)
