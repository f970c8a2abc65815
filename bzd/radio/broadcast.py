# SPDX-License-Identifier: Apache-2.0
"""What the badge says of itself: daily keys and clocks in, advertising data out, nothing ever said twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from random import SystemRandom
from typing import NamedTuple

from bzd.clock import Clock
from bzd.model import DailyKey, Identifier
from bzd.protocols import protocols
from bzd.radio.rotation import Rotation, Turn

_OWN_IDS = 1024
"""Own rolling IDs remembered, to be told from others' when heard on another adapter: a week of them."""


class Payload(NamedTuple):
    """Advertising data for one registration, without flags, and the turn that it stands for."""

    data: bytes
    turn: Turn


class Broadcast:
    """Gives a fresh payload for every registration.

    Args:
        protocol: name of the protocol.
        tx_power_dbm: what its metadata states.
        clock: the wall clock.
        boottime: seconds since boot, suspend included (CLOCK_BOOTTIME).
        keep: told every new daily key before anything of it goes on air; if it raises, nothing goes on air.
        rotation: when and which; by default one with the operating system's randomness.
    """

    def __init__(  # noqa: PLR0913  two settings, two clocks, one sink
        self,
        protocol: str,
        tx_power_dbm: int,
        *,
        clock: Clock,
        boottime: Callable[[], float],
        keep: Callable[[DailyKey], None],
        rotation: Rotation | None = None,
    ) -> None:
        self._protocol = protocols()[protocol]
        self._tx_power_dbm = tx_power_dbm
        self._clock = clock
        self._boottime = boottime
        self._keep = keep
        self._kept: DailyKey | None = None
        self._rotation = rotation or Rotation(self._protocol, SystemRandom(), os.urandom)
        self._ids: dict[bytes, None] = {}

    @property
    def key(self) -> DailyKey | None:
        """The daily key of the last payload; None before the first."""
        return self._kept

    @property
    def own_ids(self) -> Container[bytes]:
        """The rolling IDs of the last payloads; it changes as the badge goes on."""
        return self._ids

    def wait_s(self) -> float:
        """Seconds until the next payload is due; 0 if it is now."""
        return self._rotation.wait_s(self._clock.now(), self._boottime())

    def draw(self) -> Payload:
        """A payload that was never drawn before. Of those before it nothing may be on air any more when it is called.

        Raises:
            BzdError: if a new daily key cannot be kept.
        """
        turn = self._rotation.turn(self._clock.now(), self._boottime())
        if turn.key != self._kept:
            try:
                self._keep(turn.key)
            except BaseException:
                self._rotation.take_back(turn)
                raise
            self._kept = turn.key
        (rolling_id,) = self._protocol.rolling_ids(turn.key.key, turn.interval, 1)
        metadata = self._protocol.seal_metadata(turn.key.key, rolling_id, self._tx_power_dbm)
        self._remember(rolling_id)
        return Payload(self._protocol.encode(Identifier(self._protocol.name, rolling_id, metadata)), turn)

    def take_back(self, payload: Payload) -> None:
        """The payload was refused and was never on air."""
        self._rotation.take_back(payload.turn)

    def retire_key(self) -> DailyKey | None:
        """Begin a new daily key with the next payload, which is due at once.

        Returns:
            the old key with its end cut to what was drawn under it; None if nothing was.
        """
        return self._rotation.retire_key()

    def _remember(self, rolling_id: bytes) -> None:
        self._ids[rolling_id] = None
        if len(self._ids) > _OWN_IDS:
            del self._ids[next(iter(self._ids))]
