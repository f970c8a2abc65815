# SPDX-License-Identifier: Apache-2.0
"""Ends a daily key at somebody's request, because it is going to be exported.

The answer comes only when nothing of the key is on the air any more, and the store says where it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from bzd.errors import BzdError
from bzd.model import DailyKey
from bzd.radio.broadcast import Broadcast
from bzd.radio.state import RadioState
from bzd.store.requests import RETIRED

PATIENCE_S = 2.5
"""How long the radio has to take a key off the air, so that with the 2 s until a request is seen 5 s suffice in all;
a rotation takes well under one."""

_log = logging.getLogger(__name__)


class Rotating(Protocol):
    """What is needed of a radio; see `bzd.daemon.badge.LiveRadio`."""

    @property
    def state(self) -> RadioState:
        """How it is now."""
        ...

    def rotate(self) -> None:
        """Replace the rolling ID now."""
        ...


@dataclass(frozen=True, slots=True)
class _Begun:
    """A key that was told to go.

    Attributes:
        key: as it was drawn; None if this process never drew one.
        until: boottime at which it is given up.
    """

    key: DailyKey | None
    until: float


class Retiring:
    """Requests to end the daily key, each under the words that asked for it.

    Args:
        keep: stores a key.
    """

    def __init__(self, keep: Callable[[DailyKey], None]) -> None:
        self._keep = keep
        self._begun: dict[str, _Begun] = {}

    @property
    def under_way(self) -> bool:
        """Whether somebody waits for a key to go."""
        return bool(self._begun)

    def forget_but(self, verbs: Iterable[str]) -> None:
        """Forget requests that were withdrawn: these are the ones that still stand."""
        standing = set(verbs)
        self._begun = {verb: begun for verb, begun in self._begun.items() if verb in standing}

    def retire(self, verb: str, broadcast: Broadcast, radio: Rotating, boot: float) -> str | None:
        """Begin to end the key, or look how far that is.

        Args:
            verb: the request.
            broadcast: gives the keys.
            radio: puts them on air.
            boot: boottime now.

        Returns:
            the answer; None while there is none yet.
        """
        begun = self._begun.get(verb)
        if begun is None:
            begun = _Begun(broadcast.key, boot + PATIENCE_S)
            ended = broadcast.retire_key()
            radio.rotate()
            try:
                if ended is not None:
                    self._keep(ended)
            except BzdError as error:
                return f"not retired: {error}"
            self._begun[verb] = begun
        # A payload under another key is drawn only once the one before was taken off the air (`Broadcast.draw`).
        silent = radio.state.paused and not radio.state.held
        if begun.key is None or broadcast.key != begun.key or silent:
            answer = RETIRED
            _log.info("the daily key was ended, because somebody exports it")
        elif boot < begun.until:
            return None
        else:
            answer = "not retired: the radio does not say that the old key is off the air"
            _log.warning("somebody wants to export the daily key, and the radio does not take it off the air")
        del self._begun[verb]
        return answer
