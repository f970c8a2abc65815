# SPDX-License-Identifier: Apache-2.0
"""When the rolling ID changes, and to which: pure arithmetic on two clocks, so that it can be tried with any clock.

The rules:

- `gaen` rotates after a random 10 to 20 minutes (GAEN's Bluetooth Specification 1.2) and when its daily key ends;
  the others within 15 s after each boundary of their slots. Random, so that no two badges rotate in step.
- Every advertisement takes an interval that none had before under its key: the current one, else one up to 6 ahead
  (recovery may need several within one interval; matching tolerates two hours), else there is a new key.
- When the clock goes back there is a new key, since nobody can say any more which intervals were used.
- A key ends at UTC midnight. A new one begins where the one before was not used yet, or if that is not known (after a
  start) or too far ahead, with the next interval; the older one is cut there, so that none overlap.

The random life is counted in boot time, which nothing sets; intervals and keys follow the wall clock, and if that
jumps away from the interval that is on air, the rotation is due at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from bzd.model import DailyKey
from bzd.protocols import ProximityProtocol, gaen
from bzd.protocols.schedule import DAY_S

AHEAD = 6
"""Intervals that an ID may be ahead of its time: an hour of GAEN, 90 minutes of Bluezone; matchers allow two hours."""
GAEN_LIFE_S = (600.0, 1200.0)
"""Least and greatest life of an ID, GAEN's Bluetooth Specification 1.2, "Broadcasting Behavior"."""
SLOT_DELAY_S = 14.0
"""Greatest delay of a rotation after a slot boundary. The new ID is to be on air within 15 s of it, since a phone would
still count the old slot as current until then, and a rotation takes up to 0.8 s (measured, see `bzd.radio`)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What to advertise next.

    Attributes:
        key: the daily key; a new one must be kept before anything of it goes on air.
        interval: absolute interval number, at least that of `key.start` and before that of `key.end`.
    """

    key: DailyKey
    interval: int


class Rotation:
    """Schedules rotations of one badge.

    Args:
        protocol: what is advertised.
        random: where random times come from.
        draw: makes a fresh secret of so many bytes; must be the operating system's randomness but in tests.
    """

    def __init__(self, protocol: ProximityProtocol, random: Random, draw: Callable[[int], bytes]) -> None:
        self._protocol = protocol
        self._random = random
        self._draw = draw
        self._key: DailyKey | None = None
        self._used: int | None = None
        """Highest interval that was given out under the last key, None before the first."""
        self._seen = 0
        """The wall clock's interval at the last turn."""
        self._turn: Turn | None = None
        self._deadline = 0.0
        """When the turn ends: in boot time if its life is random, else in wall time."""

    @property
    def key(self) -> DailyKey | None:
        """The key in use, None before the first turn."""
        return self._key

    def retire_key(self) -> DailyKey | None:
        """Let the next turn have a new key: the clock was set, or the old key is going to be published.

        Returns:
            the old key with the end of the last interval that was given out under it; None if none was.
        """
        key, self._key = self._key, None
        if key is None or self._used is None:
            return None
        end = float((self._used + 1) * self._protocol.interval_s)
        return replace(key, end=min(key.end, end)) if end > key.start else None

    def due(self, wall: float, boot: float) -> bool:
        """Whether it is time for `turn`.

        Args:
            wall: UTC unix seconds.
            boot: seconds since boot, suspend included.
        """
        return self.wait_s(wall, boot) <= 0

    def wait_s(self, wall: float, boot: float) -> float:
        """Seconds until the next rotation if no clock is set in between; 0 if it is due."""
        turn = self._turn
        if turn is None or self._key is None:
            return 0.0
        now = self._interval(wall)
        if now < self._seen or now > turn.interval + AHEAD:
            return 0.0
        rest = self._deadline - (boot if self._random_life else wall)
        if self._random_life:
            rest = min(rest, turn.key.end - wall)
        return max(0.0, rest)

    def turn(self, wall: float, boot: float) -> Turn:
        """What to advertise from now on; never the same twice, unless `take_back` said that it was not on air.

        Args:
            wall: UTC unix seconds, not negative.
            boot: seconds since boot, suspend included.
        """
        now = self._interval(wall)
        if now < self._seen:
            self._key = None
        self._seen = now
        turn = self._under_this_key(now) or self._under_a_new_key(now)
        self._turn, self._key, self._used = turn, turn.key, turn.interval
        self._deadline = self._next_deadline(turn, boot)
        return turn

    def take_back(self, turn: Turn) -> None:
        """The turn was never on air, so that the next one may have its interval."""
        if turn is self._turn:
            self._used = turn.interval - 1
            self._turn = None

    @property
    def _random_life(self) -> bool:
        return self._protocol.name == gaen.NAME

    def _interval(self, wall: float) -> int:
        return int(wall // self._protocol.interval_s)

    def _under_this_key(self, now: int) -> Turn | None:
        """The next turn of the present key, None if it has no interval left."""
        if self._key is None or self._used is None:
            return None
        interval = max(now, self._used + 1)
        if interval - now > AHEAD or interval >= self._interval(self._key.end):
            return None
        return Turn(self._key, interval)

    def _under_a_new_key(self, now: int) -> Turn:
        used = now if self._used is None else self._used
        first = max(now, used + 1) if used - now < AHEAD else now + 1
        step = self._protocol.interval_s
        start = float(first * step)
        secret = self._draw(self._protocol.key_bytes)
        return Turn(DailyKey(self._protocol.name, secret, start, (start // DAY_S + 1) * DAY_S), first)

    def _next_deadline(self, turn: Turn, boot: float) -> float:
        if self._random_life:
            return boot + self._random.uniform(*GAEN_LIFE_S)
        # One slot more where the ID is ahead of its time: that is how it gets back into step.
        slots = 2 if turn.interval > self._seen else 1
        boundary = min(float((self._seen + slots) * self._protocol.interval_s), turn.key.end)
        return boundary + self._random.uniform(0.0, SLOT_DELAY_S)
