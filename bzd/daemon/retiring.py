# SPDX-License-Identifier: Apache-2.0
"""Ends a daily key at somebody's request, because it is going to be exported.

The answer comes only when nothing of the key is on the air any more, and the store says where it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from bzd.daemon.answers import Promise
from bzd.errors import BzdError
from bzd.model import DailyKey
from bzd.radio.broadcast import Broadcast
from bzd.radio.state import RadioState
from bzd.store.requests import RETIRED

_log = logging.getLogger(__name__)


class Rotating(Protocol):
    """What is needed of a radio; see `bzd.daemon.surroundings.LiveRadio`."""

    @property
    def state(self) -> RadioState:
        """How it is now."""
        ...

    def rotate(self) -> None:
        """Replace the rolling ID now."""
        ...


def retire(broadcast: Broadcast, radio: Rotating, keep: Callable[[DailyKey], None]) -> Promise | str:
    """Begin to end the key.

    Args:
        broadcast: gives the keys.
        radio: puts them on air.
        keep: stores a key.

    Returns:
        when it is done; what went wrong if its end cannot be stored.
    """
    # As it was drawn; None if this process never drew one.
    key = broadcast.key
    ended = broadcast.retire_key()
    radio.rotate()
    try:
        if ended is not None:
            keep(ended)
    except BzdError as error:
        return f"not retired: {error}"
    _log.info("somebody exports the daily key, which ends")

    def gone() -> bool:
        # A payload under another key is drawn only once the one before was taken off the air (`Broadcast.draw`).
        return key is None or broadcast.key != key or radio.state.off_air

    return Promise(gone, RETIRED, "not retired: the radio does not say that the old key is off the air")
