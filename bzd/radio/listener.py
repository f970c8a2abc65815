# SPDX-License-Identifier: Apache-2.0
"""The listening half of the live radio: in which mode, when, and what to do about a scan that hears nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

from bzd.config import ScanConfig
from bzd.errors import MonitorRefusedError, RadioError
from bzd.model import Advertisement
from bzd.radio.recovery import Backoff, DutyCycle, Patience, Troubles
from bzd.radio.scanner import MODES, Scanner
from bzd.radio.state import RadioState
from bzd.radio.verdict import Verdict

DEAF_S = 2.0
"""A discovery that bluetoothd says has ended is begun again after this: it says so for an instant between two."""
SILENCE_S = 300.0
"""After so long without any report the scan is begun again; then after twice as long, and so on. Discoveries
of BlueZ die after hours without a word (bluez/bluez#1126, #1554), and a scan begun anew hears again; no version is
known that does without."""
SILENCE_MAX_S = 3600.0

_log = logging.getLogger(__name__)


class Listener:
    """Keeps a scan going.

    Args:
        make: makes the scanner, given where its reports go.
        scan: mode and duty cycle.
        random: for the duty cycle.
        sink: called with every report.
        troubles: where it says what is wrong.
        state: what it keeps up to date: `last_heard`, `rotation_gap_s`.

    Attributes:
        verdict: what is known of this radio's modes, None if nothing is.
        stale: BlueZ has forgotten our scan.
        silent_since: when something was last heard, on the event loop's clock, or this began.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what it is made of
        self,
        make: Callable[[Callable[[Advertisement], None]], Scanner],
        scan: ScanConfig,
        random: Random,
        sink: Callable[[Advertisement], None],
        troubles: Troubles,
        state: RadioState,
    ) -> None:
        self.scanner = make(self._heard)
        self._wanted_mode = scan.mode
        self._duty = DutyCycle(scan.period_s, scan.window_s, random)
        self._sink = sink
        self._troubles = troubles
        self._state = state
        self._retry = Backoff()
        self._silence = Patience(SILENCE_S, SILENCE_MAX_S)
        self.verdict: Verdict | None = None
        self.stale = self._refused = False
        self.silent_since: float | None = None
        self._quiet_since = 0.0
        """When something was last heard, or listening last began."""
        self._ended_at: float | None = None
        """When bluetoothd said that our discovery has ended."""
        self._gap_since: float | None = None
        self._best_mode = ""
        """Of this bluetoothd; empty where it has to be asked."""

    @property
    def listening(self) -> bool:
        """Whether it listens, as far as is known."""
        return self.scanner.running and not self.stale

    @property
    def stuck(self) -> bool:
        """Whether it hears nothing in a way that switching the adapter off and on may mend."""
        return self._refused or self.scanner.stuck

    async def settle(self) -> float | None:
        """Stop what is to be stopped; returns the seconds for which that will do, None if a scan is to begin now."""
        now = self._now()
        wanted, wait = self._duty.wait_s(now)
        if self.scanner.running and (not wanted or self._is_deaf(now)):
            await self.stop()
        if not wanted:
            return wait
        if self.scanner.running:
            return wait if self._ended_at is None else DEAF_S
        retry = self._retry.wait_s(now)
        return retry if retry > 0 else None

    async def begin(self) -> float:
        """Start scanning; returns the seconds until something is to be done."""
        if not await self.try_to_start():
            return self._retry.wait_s(self._now())
        return self._duty.wait_s(self._now())[1]

    async def try_to_start(self) -> bool:
        """Start scanning; returns whether it worked, and tells if not."""
        try:
            await self._start()
        except RadioError as error:
            self._troubles.report("scan", f"{error}; {error.hint}", self._now())
            self._retry.failed(self._now())
            return False
        self._refused = False
        self._retry.reset()
        if self.scanner.stuck:
            self._troubles.report("scan", "bluetoothd may be stuck in the scan before, and deaf", self._now())
        else:
            self._troubles.clear("scan", self._now(), "scanning")
        return True

    async def stop_for_rotation(self) -> None:
        """Stop scanning, for so short a time that it is measured."""
        if self.scanner.running:
            self._gap_since = self._now()
        await self.scanner.stop()

    async def stop(self) -> None:
        """Stop scanning, as always when the duty cycle pauses."""
        await self.scanner.stop()
        self._gap_since = None

    def abandon(self) -> None:
        """Bluetoothd or the bus is gone, and with it the scan."""
        self.scanner.abandon()
        self._gap_since = None

    def forget(self) -> None:
        """Whatever was known of bluetoothd and of its scan has to be found out again."""
        self._best_mode = ""
        self.switched()

    def switched(self) -> None:
        """The adapter was off: bluetoothd has forgotten our scan, and whatever it was stuck in."""
        self.stale, self.scanner.stuck = True, False

    def discovering(self, *, on: bool) -> None:
        """The adapter says whether any discovery runs on it."""
        ended = not on and self.scanner.running and self.scanner.mode != "passive"
        self._ended_at = self._now() if ended else None

    def hope(self) -> None:
        """Something changed for good: try again at once."""
        self._retry.reset()

    async def _start(self) -> None:
        mode = await self._choose()
        self.stale, self._ended_at = False, None
        try:
            await self._start_in(mode)
        except MonitorRefusedError:
            if self._wanted_mode != "auto" or self._refusal("active"):
                raise
            await self._start_in("active")
        now = self._quiet_since = self._now()
        if self.silent_since is None:
            self.silent_since = now
        if self._gap_since is not None:
            self._state.rotation_gap_s, self._gap_since = now - self._gap_since, None

    async def _start_in(self, mode: str) -> None:
        try:
            await self.scanner.start(mode)
        except RadioError as error:
            self._refused = not isinstance(error, MonitorRefusedError)
            raise

    async def _choose(self) -> str:
        """The mode to scan in.

        Raises:
            RadioError: if it is one, or all are, that would give the badge away.
        """
        if self._wanted_mode != "auto":
            if refusal := self._refusal(self._wanted_mode):
                raise RadioError(refusal, "scan.mode = auto takes a mode that does not, if there is one")
            return self._wanted_mode
        self._best_mode = self._best_mode or await self.scanner.best_mode()
        fit = [mode for mode in MODES[MODES.index(self._best_mode) :] if not self._refusal(mode)]
        if not fit:
            raise RadioError(self._refusal(MODES[-1]), "use another adapter, kernel or BlueZ; `bzd doctor` says more")
        return fit[0]

    def _refusal(self, mode: str) -> str:
        """Why this radio must not scan in a mode; empty if it may."""
        return "" if self.verdict is None else self.verdict.refusal(mode)

    def _is_deaf(self, now: float) -> bool:
        """Whether the scan is known, or with growing patience suspected, to hear nothing."""
        if self.stale or (self._ended_at is not None and now - self._ended_at >= DEAF_S):
            return True
        if now - self._quiet_since < self._silence.limit_s:
            return False
        self._silence.spent()
        _log.debug("nothing heard for long; listening anew")
        return True

    def _heard(self, advertisement: Advertisement) -> None:
        self._state.last_heard = advertisement.time
        self._quiet_since = self.silent_since = self._now()
        self._silence.reset()
        if self.scanner.stuck:
            self.scanner.stuck = False
            self._troubles.clear("scan", self._now(), "scanning")
        self._sink(advertisement)

    def _now(self) -> float:
        """Seconds on the event loop's clock."""
        return asyncio.get_running_loop().time()
