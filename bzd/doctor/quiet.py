# SPDX-License-Identifier: Apache-2.0
"""A badge that runs is paused for as long as its radio is tried, and put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bzd.store import requests

PAUSE_S = 300
"""It ends by itself after this, should whoever asked for it be killed."""


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
            requests.ask(state, requests.GIVE_BACK)
