# SPDX-License-Identifier: Apache-2.0
"""What a radio needs to be left alone: when to try again, when to listen, and saying what is wrong only once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from random import Random

FIRST_RETRY_S = 0.5
"""SignalK measured that a restarted bluetoothd takes a scan again after half a second."""
QUICK_RETRY_S = 3.0
"""Longest wait in the first minutes, so that the radio is back within 5 s of the cause being gone."""
PATIENT_AFTER_S = 120.0
"""What did not mend itself by then (a kernel that refuses for ever) is tried more and more rarely."""
SLOW_RETRY_S = 60.0
"""Longest wait of all; each try costs a gap in scanning of some 0.2 s."""
_REPEAT_S = 600.0
"""A trouble that comes back within this time was already told; it is told again if it then outlasts it."""
_DUTY_SPREAD = 0.3
"""A period is shortened by up to this share, at random, as Google's Exposure Notification does (300 s less 0 to 90 s):
two badges then never listen and pause in step."""


class Backoff:
    """When to try again; told the time, in seconds of any clock that never goes back."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._wait = 0.0
        self._next = 0.0

    def failed(self, now: float) -> None:
        """It failed at `now`."""
        if self._since is None:
            self._since, self._wait = now, FIRST_RETRY_S
        else:
            longest = QUICK_RETRY_S if now - self._since < PATIENT_AFTER_S else SLOW_RETRY_S
            self._wait = min(self._wait * 2, longest)
        self._next = now + self._wait

    def reset(self) -> None:
        """It worked, or there is reason to believe that it will."""
        self._since, self._next = None, 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until the next try."""
        return max(0.0, self._next - now)


class Patience:
    """How long something is borne before it is acted on: each time twice as long as before.

    Args:
        first_s: at first.
        longest_s: at most.

    Attributes:
        limit_s: how long it is borne now.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first, self._longest = first_s, longest_s
        self.limit_s = first_s

    def spent(self) -> None:
        """It was acted on."""
        self.limit_s = min(self.limit_s * 2, self._longest)

    def reset(self) -> None:
        """All is well again."""
        self.limit_s = self._first


class DutyCycle:
    """When to listen: all the time, or for a while in each period.

    Args:
        period_s: longest time from one listening to the next; 0 listens all the time.
        window_s: how long each lasts; not shorter than a period means all the time as well.
        random: where the random part comes from.
    """

    def __init__(self, period_s: float, window_s: float, random: Random) -> None:
        self._period, self._window = period_s, window_s
        self._random = random
        self._start: float | None = None
        self._next = 0.0

    @property
    def continuous(self) -> bool:
        """Whether it listens all the time."""
        return self._period <= self._window

    def wait_s(self, now: float) -> tuple[bool, float]:
        """Whether to listen at `now`, and for how many seconds that holds; infinite where it listens all the time."""
        if self.continuous:
            return True, float("inf")
        if self._start is None or now >= self._next:
            self._start = now
            self._next = now + max(self._window, self._period * (1 - self._random.uniform(0, _DUTY_SPREAD)))
        end = self._start + self._window
        return (True, end - now) if now < end else (False, self._next - now)


@dataclass(slots=True)
class _Trouble:
    """What is wrong in an area: in words, since when, whether these words are in the log, and whether any are."""

    text: str
    since: float
    told: bool = False
    known: bool = False


class Troubles:
    """What is wrong at present, by area; each is told once when it comes and once when it is over.

    What comes and goes all the time is told every ten minutes at most, but nothing that lasts stays untold.

    Args:
        log: where it is told.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._present: dict[str, _Trouble] = {}
        self._told: dict[tuple[str, str], float] = {}

    @property
    def present(self) -> dict[str, str]:
        """Area to what is wrong there, in words."""
        return {area: trouble.text for area, trouble in self._present.items()}

    def report(self, area: str, text: str, now: float) -> None:
        """Something is wrong; nothing is logged if that is known, or was told less than ten minutes ago."""
        trouble = self._present.setdefault(area, _Trouble(text, now))
        if trouble.text != text:
            trouble.text, trouble.told = text, False
        self.remind(now)

    def clear(self, area: str, now: float, word: str) -> None:
        """All is well in an area again; `word` says what works. It is told if the trouble was."""
        trouble = self._present.pop(area, None)
        if trouble is not None and trouble.known:
            self._log.info("%s again after %.0f s", word, now - trouble.since)

    def remind(self, now: float) -> None:
        """Tell what lasts and was kept quiet about, once ten minutes are over since it was last told."""
        for area, trouble in self._present.items():
            if not trouble.told and self._is_news(area, trouble.text, now):
                trouble.told = trouble.known = True
                self._log.warning("%s", trouble.text)

    def _is_news(self, area: str, text: str, now: float) -> bool:
        self._told = {key: told for key, told in self._told.items() if now - told < _REPEAT_S}
        if (area, text) in self._told:
            return False
        self._told[area, text] = now
        return True
