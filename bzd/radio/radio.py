# SPDX-License-Identifier: Apache-2.0
"""The live radio: keeps scanning and advertising going, through whatever happens to BlueZ, for months.

One task looks at how things are (bus, bluetoothd, adapter, what is registered, what is due) and takes the next step
towards how they should be; signals only wake it. So it does not matter which signal is missed or comes twice.

What it holds to:

- Each rotation is: stop scanning, unregister, register a new object with a payload never used before, start scanning.
  A legacy controller refuses a new address while it scans (Core specification Vol 4 Part E 7.8.4; bluez/bluez#2337
  and #2527, and so with every version), and no frame pairs an old ID with a new address.
- With extended advertising it is: stop scanning, unregister, start scanning, register. There a scan has an address of
  its own, which the kernel renews only where nothing is advertised when it begins (`hci_set_random_addr_sync` of
  net/bluetooth/hci_sync.c defers it otherwise): begun afterwards, scan requests kept one address over all IDs (measured
  with Linux 6.12). So no scan begins beside an ID that was registered without one.
- If registering fails there is silence, and a later try with another payload; never the old ID.
- An adapter that is off forgets nothing: the kernel takes back no advertisement then, and sends it again under a new
  address as soon as the adapter is on. So it is unregistered first thing when the adapter is on, not while it is off: a
  legacy controller would otherwise have the next rolling ID on the old one's address for some milliseconds. One that
  was unregistered in the very moment that the adapter went off is cleared likewise (`Advertiser.clear`). Measured with
  Linux 6.1 and 6.12; no issue is known, and no version that takes it back.
- bluetoothd and the adapter may vanish and come back; the loss is noticed from the bus, not from silence, since nobody
  near is normal. A radio that hears nothing for long is restarted all the same, ever more rarely, and after hours the
  adapter with it (`bzd.radio.reset`).
- No step lasts longer than `STEP_MAX_S`, and each is told by `RadioState.stepped`: the heartbeat that the service's
  watchdog asks for. A bluetoothd that hangs is none of the watchdog's business: its calls run out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from bzd.clock import Clock
from bzd.config import Config
from bzd.errors import BusError, RadioError
from bzd.model import Advertisement
from bzd.radio.adapter import MAIN_CONF
from bzd.radio.advertiser import ADVERTISING_MANAGER, REFRESH_TRACKED, Advertiser
from bzd.radio.broadcast import Broadcast
from bzd.radio.listener import Listener
from bzd.radio.recovery import Backoff, Troubles
from bzd.radio.reset import Reset
from bzd.radio.scanner import Scanner
from bzd.radio.setup import Setup, bluez_before, recognise
from bzd.radio.speaker import Speaker
from bzd.radio.state import RadioState
from bzd.radio.verdict import ADVERTISING, Verdict
from bzd.radio.watch import Loss, Watch

POLL_S = 5.0
"""Longest sleep of the supervisor; clocks may be set, and a suspended machine's timers stand still."""
STEP_MAX_S = 45.0
"""A step that lasts longer is broken off and counts as failed: starting to scan may take 15 s
(`bzd.radio.scanner.START_TIMEOUT_S`), and a bluetoothd that hangs costs 10 s for each of a few calls."""
CLOSE_TIMEOUT_S = 1.0
"""Ending must fit into the 2 s that the service has for it; BlueZ drops what belongs to a client that left the bus."""

_STANDING = {"Powered", "PowerState", "Discoverable", "Connectable"}
"""Properties whose change may mend a trouble; Discovering is none of them, since each try of ours changes it."""

_log = logging.getLogger(__name__)


class Radio:
    """Scans and advertises on one adapter until it is cancelled.

    Args:
        config: sections radio and scan are used.
        broadcast: what to advertise; None only listens.
        sink: called with every report; it must return quickly.
        clock: dates the reports.
        judge: tells what was found of a radio's privacy, None if nobody has looked; asked whenever bluetoothd is new.
        main_conf: bluetoothd's configuration, for its Privacy setting.
        random: for the duty cycle.
        everything: whether reports of all devices are wanted, see `bzd.radio.scanner.Scanner`.
    """

    def __init__(  # noqa: PLR0913  each is a thing that tests replace
        self,
        config: Config,
        broadcast: Broadcast | None,
        sink: Callable[[Advertisement], None],
        *,
        clock: Clock,
        judge: Callable[[Setup], Verdict | None] | None = None,
        main_conf: Path = MAIN_CONF,
        random: Random | None = None,
        everything: bool = False,
    ) -> None:
        self._adapter = config.radio.adapter
        path = f"/org/bluez/{self._adapter}"
        self._broadcasting = broadcast is not None
        self._judge = judge
        self._judged = False
        """Whether the verdict on the present setup is known."""
        self._wake = asyncio.Event()
        self._watch = Watch(self._adapter, main_conf, self._lost, self._changed)
        self._bus = self._watch.bus
        self._troubles = Troubles(_log)
        self._retry = Backoff()
        self._state = RadioState(self._adapter)

        def scanner(heard: Callable[[Advertisement], None]) -> Scanner:
            return Scanner(self._bus, self._adapter, clock, heard, everything=everything)

        self._listener = Listener(scanner, config.scan, random or SystemRandom(), sink, self._troubles, self._state)
        self._state.scan = self._listener.scanner.counts
        self._advertiser = Advertiser(self._bus, path, self.rotate)
        self._reset = Reset(self._bus, path)
        self._speaker = Speaker(
            self._advertiser,
            broadcast,
            self._listener,
            self._reset,
            self._troubles,
            self._state,
            lambda: self._watch.fit,
        )
        self._step: asyncio.Timeout | None = None
        """The time limit of the step that is under way."""
        self._cut_short = False
        """Whether that step is broken off for a pause."""

    @property
    def state(self) -> RadioState:
        """How it is now."""
        state, verdict = self._state, self._listener.verdict
        state.held = self._advertiser.registered
        state.advertising = self._advertiser.on_air and self._watch.powered
        state.scanning = self._listener.listening
        state.mode = self._listener.scanner.mode
        state.verdict = None if verdict is None else verdict.outcomes.get(state.mode)
        state.tx_power = self._advertiser.tx_power
        state.troubles = self._troubles.present
        return state

    def pause(self) -> None:
        """Go off the air until `resume`; a step that is under way is not waited for, since it may take `STEP_MAX_S`."""
        if self._step is not None and not (self._state.paused or self._step.expired()):
            self._cut_short = True
            self._step.reschedule(asyncio.get_running_loop().time())
        self._state.paused = True
        self._retry.reset()  # what is on air is not borne until the next try either
        self._wake.set()

    def resume(self) -> None:
        """Go on, under a rolling ID that was never used."""
        self._state.paused = False
        self.reconsider()  # `bzd doctor --radio` pauses a badge, and may leave another verdict

    def rotate(self) -> None:
        """Replace the rolling ID now."""
        self._speaker.renew = True
        self._wake.set()

    def reconsider(self) -> None:
        """Ask again what was found of this radio, and go on as that allows; an ID is replaced only if it matters."""
        self._judged = False
        self._wake.set()

    async def run(self) -> None:
        """Keep the radio going until this is cancelled; it then leaves the air.

        No state of bus, bluetoothd or adapter ends it: those are troubles, shown by `state` and logged once each.
        """
        try:
            while True:
                self._wake.clear()
                self._state.stepped = time.monotonic()
                self._troubles.remind(self._now())
                await self._sleep(await self._bounded_step())
        finally:
            await self._leave()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0.0), POLL_S)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _leave(self) -> None:
        """Off the air, and the adapter on, as far as that can be had in a second; only one of them takes time."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._silence_all()
                await self._reset.finish()
        except TimeoutError:
            _log.debug("bluetoothd does not answer; leaving the bus")
        self._bus.close()

    async def _bounded_step(self) -> float:
        """One step, broken off if it lasts too long; returns for how many seconds it will do."""
        self._cut_short = False
        try:
            async with asyncio.timeout(STEP_MAX_S) as self._step:
                return await self._next_step()
        except TimeoutError:
            if self._cut_short:
                return 0.0
            text = "bluetoothd takes too long for everything; `systemctl restart bluetooth` may help"
            return self._failed(text)
        finally:
            self._step = None

    async def _next_step(self) -> float:
        """Do what is to be done now, and return for how many seconds that will do."""
        now = self._now()
        if (wait := self._retry.wait_s(now)) > 0:
            return wait
        await self._reset.over()  # of a step that was cut short: the kernel would revive what is registered meanwhile
        try:
            await self._watch.ready(broadcasting=self._broadcasting)
            await self._look_up_verdict()
            begin_anew = await self._settle()
        except RadioError as error:
            await self._silence_all()
            await self._turn_on_again()
            return self._failed(f"{error}; {error.hint}")
        if begin_anew:
            return 0.0
        self._retry.reset()
        self._troubles.clear("radio", self._now(), f"adapter {self._adapter} is ready")
        if self._state.paused:
            await self._silence_all()
            return POLL_S
        wait = await self._speaker.step()
        if not self._watch.properties or (self._broadcasting and not self._watch.fit):
            return 0.0  # lost meanwhile; to scan now would have the bus start a bluetoothd that somebody stopped
        wait = min(wait, await self._listen())
        if await self._reset_if_due():
            return 0.0
        await self._speaker.judge_slot()
        return wait

    async def _settle(self) -> bool:
        """Nothing goes on air before the adapter is known not to be connectable (`bzd.radio.leftover`).

        Returns:
            whether the adapter was switched off and on for it.

        Raises:
            RadioError: if that cannot be had.
        """
        if not self._broadcasting or self._state.paused or not self._watch.suspect:
            return False
        await self._silence_all()
        if self._advertiser.registered:
            raise RadioError(
                "bluetoothd does not take back the advertisement", "`systemctl restart bluetooth` may help"
            )
        reason = self._watch.left_advertising if await self._is_extended() else ""
        await self._watch.settle()
        return bool(reason) and await self._switch(reason)

    def _failed(self, text: str) -> float:
        """Nothing can be done at present; returns the seconds until the next try."""
        now = self._now()
        self._troubles.report("radio", text, now)
        self._retry.failed(now)
        return self._retry.wait_s(now)

    async def _listen(self) -> float:
        """Start or stop scanning as due; return seconds until something is to be done."""
        wait = await self._listener.settle()
        if wait is not None:
            return wait
        return self._speaker.renew_for_scan() if self._speaker.scan_would_link else await self._listener.begin()

    async def _look_up_verdict(self) -> None:
        """Find out what is known of this very radio, once for each bluetoothd.

        Raises:
            RadioError: if BlueZ is gone, or if not even advertising alone is fit for a badge.
        """
        if self._judge is not None and not self._judged:
            extended = await self._is_extended()
            verdict = self._judge(recognise(self._adapter, self._watch.properties, extended=extended))
            before, self._listener.verdict, self._judged = self._listener.verdict, verdict, True
            if (before and before.outcomes) != (verdict and verdict.outcomes):
                self._speaker.renew = self._listener.stale = True
        if self._broadcasting and (verdict := self._listener.verdict) and (refusal := verdict.refusal(ADVERTISING)):
            raise RadioError(refusal, "use another adapter, kernel or BlueZ, then `sudo bzd doctor --radio`")

    async def _is_extended(self) -> bool:
        """Whether the controller has extended advertising; one that only listens need not be able to advertise."""
        try:
            return await self._advertiser.extended()
        except BusError:
            if self._broadcasting:
                raise
            return False

    async def _reset_if_due(self) -> bool:
        """Switch the adapter off and on if nothing else helps and nobody minds; returns whether anything was tried."""
        now = self._now()
        stuck, silent_since = self._listener.stuck or self._speaker.stuck, self._listener.silent_since
        reason = self._reset.reason(now, stuck=stuck, silent_since=silent_since)
        if not reason:
            return False
        self._reset.spend(now)
        await self._silence_all()
        if not self._advertiser.registered:  # else BlueZ could not be told, and would have it revived
            await self._switch(reason)
        return True

    async def _switch(self, reason: str) -> bool:
        """Switch the adapter off and on unless somebody minds; nothing of ours is registered. Whether it was tried."""
        try:
            if others := await self._reset.others(scan_is_ours=self._listener.scanner.stuck):
                _log.debug("the adapter is not switched off and on: %s", others)
                return False
            _log.info("switching adapter %s off and on: %s", self._adapter, reason)
            await self._reset.switch()
        except BusError as failure:
            _log.warning("cannot switch adapter %s off and on: %s", self._adapter, failure)
        self._state.resets += 1
        self._speaker.renew = True
        self._listener.switched()
        self._hope()
        return True

    async def _turn_on_again(self) -> None:
        """An adapter that was to be off for an instant only."""
        try:
            await self._reset.repay()
        except BusError as failure:
            _log.debug("%s", failure)

    async def _silence_all(self) -> None:
        """Off the air: the advertisement first; what cannot be told now is told later."""
        self._listener.silent_since = None
        if self._watch.powered:
            try:
                await self._advertiser.unregister()
            except BusError as failure:
                _log.debug("%s", failure)
        if self._bus.connected:
            await self._listener.stop()
        else:
            self._advertiser.forget()
            self._listener.abandon()

    def _lost(self, loss: Loss) -> None:
        """BlueZ, the adapter or the bus went away, and with it all that was registered there."""
        if loss is not Loss.ADAPTER:
            self._listener.abandon()
        if loss is Loss.BLUETOOTHD:
            self._reset.bluetoothd_lost()
        if loss is not Loss.NOTHING:
            self._state.restarts += 1
        self._judged = False
        self._speaker.forget()
        self._listener.forget()
        self._hope()
        self._wake.set()

    def _changed(self, interface: str, changed: dict[str, Any]) -> None:
        if interface == ADVERTISING_MANAGER:
            self._speaker.slot_unknown = True
        if changed.get("Powered") is False:
            self._speaker.went_off()
            self._listener.switched()
        elif changed.get("Powered"):
            self._reset.came_on()
        # Who makes it discoverable makes it connectable, which may be told before.
        if changed.keys() & {"Discoverable", "Connectable"} and bluez_before(self._watch.properties, REFRESH_TRACKED):
            self._advertiser.refreshing()
        if "Discovering" in changed:
            self._listener.discovering(on=bool(changed["Discovering"]))
        if changed.keys() & _STANDING:
            self._hope()
        self._wake.set()

    def _hope(self) -> None:
        """Something changed for good: try everything again at once."""
        self._retry.reset()
        self._speaker.hope()
        self._listener.hope()

    def _now(self) -> float:
        """Seconds on the event loop's clock."""
        return asyncio.get_running_loop().time()
