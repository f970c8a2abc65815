# SPDX-License-Identifier: Apache-2.0
"""The live radio: keeps scanning and advertising going, through whatever happens to BlueZ, for months.

One task looks at how things are (bus, bluetoothd, adapter, what is registered, what is due) and takes the next step
towards how they should be; signals only wake it. So it does not matter which signal is missed or comes twice.

What it holds to:

- Each rotation is: stop scanning, unregister, register a new object with a payload never used before, start scanning.
  A legacy controller refuses a new address while it scans, and no frame pairs an old ID with a new address.
- With extended advertising it is: stop scanning, unregister, start scanning, register. There a scan has an address of
  its own, which the kernel renews only where nothing is advertised when it begins (`hci_set_random_addr_sync` of
  net/bluetooth/hci_sync.c defers it otherwise): begun afterwards, scan requests kept one address over all IDs (measured
  with Linux 6.12). So no scan begins beside an ID that was registered without one.
- If registering fails there is silence, and a later try with another payload; never the old ID.
- An adapter that is off forgets nothing: the kernel takes back no advertisement then, and sends it again under a new
  address as soon as the adapter is on. So it is unregistered first thing when the adapter is on, not while it is off: a
  legacy controller would otherwise have the next rolling ID on the old one's address for some milliseconds.
- bluetoothd and the adapter may vanish and come back; the loss is noticed from the bus, not from silence, since nobody
  near is normal. A radio that hears nothing for long is restarted all the same, ever more rarely.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from bzd.clock import Clock
from bzd.config import Config
from bzd.errors import BusError, BzdError, MonitorRefusedError, RadioError
from bzd.model import Advertisement
from bzd.radio.adapter import MAIN_CONF
from bzd.radio.advertiser import ADVERTISING_MANAGER, Advertiser
from bzd.radio.broadcast import Broadcast
from bzd.radio.recovery import Backoff, DutyCycle, Troubles
from bzd.radio.scanner import Scanner
from bzd.radio.state import RadioState
from bzd.radio.watch import Loss, Watch

POLL_S = 5.0
"""Longest sleep of the supervisor; clocks may be set, and a suspended machine's timers stand still."""
DEAF_S = 2.0
"""A discovery that bluetoothd says has ended is begun again after this: it says so for an instant between two."""
SILENCE_S = 300.0
"""After so long without any report the scan is begun again; then after twice as long, and so on."""
SILENCE_MAX_S = 3600.0
_SCAN_RENEWALS = 3
"""With extended advertising a scan that failed is tried again only with another ID; so many times, then with the next
rotation that is due anyway, since each costs an interval of the key."""
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
        leaky: whether this very radio was seen to send its public address in an active scan; then only passive is used.
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
        leaky: bool = False,
        main_conf: Path = MAIN_CONF,
        random: Random | None = None,
        everything: bool = False,
    ) -> None:
        self._adapter = config.radio.adapter
        self._path = f"/org/bluez/{self._adapter}"
        self._wanted_mode = config.scan.mode
        self._broadcast = broadcast
        self._sink = sink
        self._leaky = leaky
        self._wake = asyncio.Event()
        self._watch = Watch(self._adapter, main_conf, self._lost, self._changed)
        self._bus = self._watch.bus
        self._advertiser = Advertiser(self._bus, self._path, self.rotate)
        self._scanner = Scanner(self._bus, self._adapter, clock, self._heard, everything=everything)
        self._duty = DutyCycle(config.scan.period_s, config.scan.window_s, random or SystemRandom())
        self._troubles = Troubles(_log)
        self._retry, self._advertise_retry, self._scan_retry = Backoff(), Backoff(), Backoff()
        self._cleared = False
        """The kernel is known to hold no advertisement of an earlier run."""
        self._renew = False
        """The advertisement must be replaced before anything else: the adapter was off, or somebody asked."""
        self._scan_stale = False
        """BlueZ has forgotten our scan."""
        self._deaf_since: float | None = None
        self._heard_at = 0.0
        self._silence = SILENCE_S
        self._gap_since: float | None = None
        self._best_mode = ""
        """Of this bluetoothd; empty where it has to be asked."""
        self._extended: bool | None = None
        """Whether the controller has extended advertising; None where it has to be asked."""
        self._scan_links = False
        """A scan begun now would send its requests under an address that was used beside an earlier ID."""
        self._renewals = 0
        self._slot_unknown = False
        """Who else advertises has to be asked, once there is time for it."""
        self._state = RadioState(self._adapter, scan=self._scanner.counts)

    @property
    def state(self) -> RadioState:
        """How it is now."""
        state = self._state
        state.held = self._advertiser.registered
        state.advertising = state.held and self._watch.powered
        state.scanning = self._scanner.running and not self._scan_stale
        state.mode = self._scanner.mode
        state.tx_power = self._advertiser.tx_power
        state.troubles = self._troubles.present
        return state

    def pause(self) -> None:
        """Go off the air until `resume`."""
        self._state.paused = True
        self._wake.set()

    def resume(self) -> None:
        """Go on, under a rolling ID that was never used."""
        self._state.paused = False
        self._wake.set()

    def rotate(self) -> None:
        """Replace the rolling ID now."""
        self._renew = True
        self._wake.set()

    async def run(self) -> None:
        """Keep the radio going until this is cancelled; it then leaves the air.

        No state of bus, bluetoothd or adapter ends it: those are troubles, shown by `state` and logged once each.
        """
        try:
            while True:
                self._wake.clear()
                await self._sleep(await self._next_step())
        finally:
            await self._leave()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0.0), POLL_S)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _leave(self) -> None:
        """Off the air, as far as that can be had in a second."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._silence_all()
        except TimeoutError:
            _log.debug("bluetoothd does not answer; leaving the bus")
        self._bus.close()

    async def _next_step(self) -> float:
        """Do what is to be done now, and return for how many seconds that will do."""
        now = self._now()
        if (wait := self._retry.wait_s(now)) > 0:
            return wait
        try:
            await self._watch.ready(broadcasting=self._broadcast is not None)
        except RadioError as error:
            self._troubles.report("radio", f"{error}; {error.hint}", now)
            await self._silence_all()
            self._retry.failed(self._now())
            return self._retry.wait_s(self._now())
        self._retry.reset()
        self._troubles.clear("radio", self._now(), f"adapter {self._adapter} is ready")
        if self._state.paused:
            await self._silence_all()
            return POLL_S
        wait = min(await self._advertise(), await self._listen())
        if self._slot_unknown and self._advertiser.registered:
            await self._judge_slot()
        return wait

    async def _advertise(self) -> float:
        """Rotate if it is time to; return seconds until it is."""
        if self._broadcast is None:
            return POLL_S
        now = self._now()
        if self._advertiser.registered and not self._renew:
            if (wait := self._broadcast.wait_s()) > 0:
                return wait
            self._renewals = 0
        elif (wait := self._advertise_retry.wait_s(now)) > 0:
            return wait
        try:
            await self._replace(self._broadcast)
        except BzdError as error:
            self._state.refusals += 1
            self._troubles.report("advertise", f"silent, since advertising fails: {error}", now)
            self._advertise_retry.failed(self._now())
            return self._advertise_retry.wait_s(self._now())
        self._state.rotations += 1
        self._advertise_retry.reset()
        self._troubles.clear("advertise", self._now(), "advertising")
        self._slot_unknown = True
        return self._broadcast.wait_s()

    async def _replace(self, broadcast: Broadcast) -> None:
        """Stop scanning, unregister, register a new object; `_listen` then scans again, if that was not done before."""
        if self._scanner.running:
            self._gap_since = self._now()
        self._renew = True
        await self._scanner.stop()
        await self._advertiser.unregister()
        if not self._cleared:
            await self._advertiser.clear()
            self._cleared = True
        if self._extended is None:
            self._extended = await self._advertiser.extended()
        self._scan_links = self._extended and not await self._try_to_scan()
        payload = broadcast.draw()
        try:
            await self._advertiser.register(payload.data)
        except BusError as failure:
            if failure.refused:
                broadcast.take_back(payload)
            raise
        self._renew = False

    async def _judge_slot(self) -> None:
        """Notice another program's advertisement: a legacy controller then shows each only half of the time."""
        self._slot_unknown = False
        with suppress(BusError):
            manager = await self._bus.properties(self._path, ADVERTISING_MANAGER)
            self._state.active_instances = manager.get("ActiveInstances")
        others = (self._state.active_instances or 0) - self._advertiser.registered
        if others > 0:
            text = (
                f"another program advertises on adapter {self._adapter} too, so that the rolling ID is sent less often"
            )
            self._troubles.report("slot", text, self._now())
        else:
            self._troubles.clear("slot", self._now(), "alone on the air")

    async def _listen(self) -> float:
        """Start or stop scanning as due; return seconds until something is to be done."""
        now = self._now()
        wanted, wait = self._duty.wait_s(now)
        if self._scanner.running and (not wanted or self._is_deaf(now)):
            await self._scanner.stop()
            self._gap_since = None
        if not wanted:
            return wait
        if not self._scanner.running:
            if (retry := self._scan_retry.wait_s(now)) > 0:
                return retry
            if self._scan_links and self._advertiser.registered:
                return self._scan_with_another_id()
            if not await self._try_to_scan():
                return self._scan_retry.wait_s(self._now())
        return wait if self._deaf_since is None else DEAF_S

    def _scan_with_another_id(self) -> float:
        """Have the scan begin with a rotation; return seconds until then."""
        if self._renewals >= _SCAN_RENEWALS:
            return POLL_S
        self._renewals += 1
        self._renew = True
        return 0.0

    async def _try_to_scan(self) -> bool:
        """Start scanning; return whether it worked, and tell if not."""
        try:
            await self._start_scan()
        except RadioError as error:
            self._troubles.report("scan", f"{error}; {error.hint}", self._now())
            self._scan_retry.failed(self._now())
            return False
        self._scan_retry.reset()
        self._renewals = 0
        self._troubles.clear("scan", self._now(), "scanning")
        return True

    async def _start_scan(self) -> None:
        mode = self._wanted_mode
        if self._leaky and mode in {"full", "active"}:
            hint = "scan.mode = auto takes the passive mode here, which sends nothing"
            raise RadioError(f"scan mode {mode} shows the public address of adapter {self._adapter}", hint)
        if mode == "auto":
            self._best_mode = self._best_mode or await self._scanner.best_mode()
            mode = "passive" if self._leaky else self._best_mode
        self._scan_stale, self._deaf_since = False, None
        try:
            await self._scanner.start(mode)
        except MonitorRefusedError:
            if self._wanted_mode != "auto":
                raise
            await self._scanner.start("active")
        now = self._now()
        self._heard_at = now
        if self._gap_since is not None:
            self._state.rotation_gap_s, self._gap_since = now - self._gap_since, None

    def _is_deaf(self, now: float) -> bool:
        """Whether the scan is known, or with growing patience suspected, to hear nothing."""
        if self._scan_stale or (self._deaf_since is not None and now - self._deaf_since >= DEAF_S):
            return True
        if now - self._heard_at < self._silence:
            return False
        self._silence = min(self._silence * 2, SILENCE_MAX_S)
        _log.debug("nothing heard for long; listening anew")
        return True

    async def _silence_all(self) -> None:
        """Off the air: the advertisement first; what cannot be told now is told later."""
        if self._watch.powered:
            try:
                await self._advertiser.unregister()
            except BusError as failure:
                _log.debug("%s", failure)
        if self._bus.connected:
            await self._scanner.stop()
        else:
            self._advertiser.forget()
            self._scanner.abandon()
        self._gap_since = None

    def _lost(self, loss: Loss) -> None:
        """BlueZ, the adapter or the bus went away, and with it all that was registered there."""
        if loss is not Loss.ADAPTER:
            self._scanner.abandon()
        if loss is not Loss.NOTHING:
            self._state.restarts += 1
        self._best_mode, self._extended = "", None
        self._advertiser.forget()
        self._scan_stale = True
        self._state.active_instances = None
        self._hope()
        self._wake.set()

    def _heard(self, advertisement: Advertisement) -> None:
        self._state.last_heard = advertisement.time
        self._heard_at = self._now()
        self._silence = SILENCE_S
        self._sink(advertisement)

    def _changed(self, interface: str, changed: dict[str, Any]) -> None:
        if interface == ADVERTISING_MANAGER:
            self._slot_unknown = True
        if changed.get("Powered") is False:
            self._renew = self._scan_stale = True
        if "Discovering" in changed:
            ended = not changed["Discovering"] and self._scanner.running and self._scanner.mode != "passive"
            self._deaf_since = self._now() if ended else None
        if changed.keys() & _STANDING:
            self._hope()
        self._wake.set()

    def _hope(self) -> None:
        """Something changed for good: try everything again at once."""
        for backoff in (self._retry, self._advertise_retry, self._scan_retry):
            backoff.reset()
        self._renewals = 0

    def _now(self) -> float:
        """Seconds on the event loop's clock."""
        return asyncio.get_running_loop().time()
