# SPDX-License-Identifier: Apache-2.0
"""The daemon from start to SIGTERM."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bzd.clock import BadgeClock, rfc3339
from bzd.config import Config
from bzd.daemon import report, runtime
from bzd.daemon.badge import Badge
from bzd.daemon.keeper import Keeper
from bzd.daemon.notify import Notifier
from bzd.daemon.pausing import Pausing
from bzd.daemon.recipients import Recipients
from bzd.daemon.retention import Retention
from bzd.daemon.surroundings import MakeRadio, Surroundings
from bzd.daemon.synchronised import Synchronised
from bzd.daemon.timekeeping import TimeKeeper
from bzd.daemon.warnings import Warnings
from bzd.errors import BzdError
from bzd.store import Appender, open_appender

TICK_S = 1.0
"""How often the badge is driven."""
STATUS_S = 2.0
"""How often `status.json` is written; it lies in memory."""
METRICS_S = 30.0
"""How often the Prometheus file is written: node exporters are read every 15 to 60 s."""
BUS_WAIT_S = 5.0
"""Longest wait for the first word of the radio before systemd is told that all is ready; a badge whose controller
is missing is ready all the same, or systemd would restart it for ever."""
RADIO_STALLED_S = 90.0
"""A radio whose supervisor has begun no step for this long hangs, and the watchdog goes hungry. Its longest step and
sleep together are 50 s (`bzd.radio.radio.STEP_MAX_S`, `POLL_S`); with the unit's WatchdogSec=60 systemd then starts the
badge again within 150 s."""
STATUS_MODE, METRICS_MODE = 0o640, 0o644
"""The group may read the status; node exporters run as another user altogether."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the daemon is started with.

    Attributes:
        state: the state directory.
        load_config: reads the configuration, again at each SIGHUP; may raise ConfigError.
        make_radio: makes the radio.
        clock: both clocks.
        runtime: where status and pause are kept, None for nowhere.
        notifier: tells systemd.
    """

    state: Path
    load_config: Callable[[], Config]
    make_radio: MakeRadio
    clock: BadgeClock
    runtime: Path | None
    notifier: Notifier


def serve(setting: Setting) -> None:
    """Run a badge until SIGTERM or SIGINT.

    Raises:
        BusyError: if another bzd has the store.
        StateError, StoreError, DiskFullError: if the store cannot be used.
        ConfigError: if the configuration cannot be read at the start.
    """
    config = setting.load_config()
    with open_appender(setting.state, live=True) as appender:
        if appender.lost:
            _log.warning("%s", appender.lost)
        appender.discard_requests()
        asyncio.run(Service(setting, config, appender).run())


class Service:
    """One run of the daemon.

    Args:
        setting: what it is started with.
        config: the configuration to begin with.
        appender: the store.
    """

    def __init__(self, setting: Setting, config: Config, appender: Appender) -> None:
        self._setting = setting
        self._config = config
        self._appender = appender
        self._stopping = False
        self._reload = False
        self._wake = asyncio.Event()
        self._status_at = self._metrics_at = 0.0
        self._config_error: str | None = None
        self._started = setting.clock.boottime()
        self._file_troubles: set[str] = set()
        self._metrics = ""
        """The Prometheus file that was written."""
        self._warnings: Warnings  # made together with the badge
        self._stalled = False

    async def run(self) -> None:
        """From start to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        badge, keeping = await self._compose()
        self._recipients = Recipients(self._setting.state, lambda: self._appender.sealed_to)
        try:
            badge.start()
            await self._first_word(badge)
            self._setting.notifier.ready(report.words(badge))
            _log.info("started: %s", report.words(badge))
            while not self._stopping:
                await self._turn(badge, keeping)
        finally:
            self._setting.notifier.stopping()
            matching = asyncio.create_task(self._warnings.stop())  # a large process may take a while to end
            try:
                await badge.stop()
            finally:
                await matching
                self._write_status(self._status(badge, keeping) | {"running": False, "words": "stopped"})
                self._withdraw_metrics("")
        _log.info("stopped; everything is stored")

    def stop(self) -> None:
        """End soon."""
        self._stopping = True
        self._wake.set()

    def reload(self) -> None:
        """Read the configuration and the recipients again, soon."""
        self._reload = True
        self._wake.set()

    async def _compose(self) -> tuple[Badge, TimeKeeper]:
        setting = self._setting
        synchronised = Synchronised(setting.clock)
        keeping = TimeKeeper(setting.clock, synchronised=await synchronised())
        if not keeping.synced:
            _log.warning("the clock is not known to be right; contacts are dated once it is")
        keeper = Keeper(self._appender, keeping, self._config.proximity.max_contacts_per_hour)
        self._go_on_counting(keeper, keeping)
        runtime_folder = self._prepared_runtime()
        self._warnings = Warnings(setting.state, runtime_folder, keeping, self._config)
        pausing = Pausing(setting.state, runtime_folder, keeping)
        around = Surroundings(setting.clock, synchronised, setting.make_radio, pausing)
        return Badge(self._config, around, keeping, keeper, Retention(setting.state, keeper, keeping)), keeping

    def _prepared_runtime(self) -> Path | None:
        folder = self._setting.runtime
        if folder is None:  # sudo, for one, takes $XDG_RUNTIME_DIR away
            told = "there is neither %s nor $XDG_RUNTIME_DIR; `bzd status` will know nothing"
            _log.warning(told, runtime.SYSTEM_RUNTIME)
            return None
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            _log.warning("cannot make %s: %s; `bzd status` will know nothing", folder, error.strerror)
            return None
        return folder

    async def _first_word(self, badge: Badge) -> None:
        """Wait until the radio works or says why not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + BUS_WAIT_S
        while loop.time() < end and not self._stopping and badge.failed is None:
            state = badge.radio.state
            if state.advertising or state.troubles or badge.paused:
                return
            await asyncio.sleep(0.05)

    async def _turn(self, badge: Badge, keeping: TimeKeeper) -> None:
        """One turn of the loop: everything that feeds the watchdog goes through here."""
        if self._reload:
            self._reload = False
            await self._apply(badge)
        await badge.tick()
        self._warnings.tick()
        if badge.failed is not None:
            raise BzdError(f"the radio failed: {badge.failed}", "report this; systemd starts the service again")
        self._recipients.follow()
        self._tell(badge, keeping)
        self._wake.clear()
        if not (self._stopping or self._reload):
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _apply(self, badge: Badge) -> None:
        self._setting.notifier.reloading()
        try:
            config = self._setting.load_config()
        except BzdError as error:
            self._config_error = str(error)
            _log.error("the configuration stays as it was: %s; %s", error, error.hint)
        else:
            self._config_error = None
            await badge.apply(config)
            self._warnings.configure(config)
            _log.info("configuration read again")
        self._recipients.reread(badge.keeper.end_segments)
        self._setting.notifier.ready(report.words(badge))

    def _tell(self, badge: Badge, keeping: TimeKeeper) -> None:
        """Tell systemd, `bzd status` and Prometheus."""
        self._feed(badge)
        said = report.words(badge)
        if self._config_error:
            said += "; the configuration file has a fault and was not taken"
        self._setting.notifier.status(said)
        boot = keeping.boottime()
        textfile = badge.config.metrics.textfile
        self._withdraw_metrics(textfile)
        metrics_due = bool(textfile) and boot >= self._metrics_at
        if boot < self._status_at and not metrics_due:
            return
        self._status_at = boot + STATUS_S
        found = self._status(badge, keeping)
        self._write_status(found)
        if metrics_due:
            self._metrics_at = boot + METRICS_S
            self._metrics = textfile
            self._write(Path(textfile), report.metrics(found, social=badge.config.metrics.social), METRICS_MODE)

    def _feed(self, badge: Badge) -> None:
        """Feed the watchdog, if the radio's own loop is alive as this one is."""
        stalled_s = time.monotonic() - badge.radio.state.stepped
        if stalled_s < RADIO_STALLED_S:
            self._setting.notifier.alive()
        elif not self._stalled:
            _log.error("the radio has done nothing for %.0f s; the watchdog is fed no more", stalled_s)
        self._stalled = stalled_s >= RADIO_STALLED_S

    def _status(self, badge: Badge, keeping: TimeKeeper) -> dict[str, Any]:
        found = report.status(badge, keeping, self._setting.state, self._started, self._config_error)
        return found | {"sealed_to": self._recipients.told(), "matching": self._warnings.status()}

    def _write_status(self, found: dict[str, Any]) -> None:
        if self._setting.runtime is not None:
            text = json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n"
            self._write(self._setting.runtime / runtime.STATUS_FILE, text, STATUS_MODE)

    def _withdraw_metrics(self, textfile: str) -> None:
        """Remove the Prometheus file unless it is this one: what it says would be taken for true for ever."""
        if self._metrics and self._metrics != textfile:
            old, self._metrics, self._metrics_at = Path(self._metrics), "", 0.0
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("cannot remove %s, whose metrics are no longer true: %s", old, error.strerror)

    def _write(self, path: Path, text: str, mode: int) -> None:
        """Write a file that is nice to have; what is wrong with it is said once."""
        try:
            runtime.write(path, text, mode)
        except OSError as error:
            if str(path) not in self._file_troubles:
                _log.warning("cannot write %s: %s", path, error.strerror)
            self._file_troubles.add(str(path))
        else:
            self._file_troubles.discard(str(path))

    def _go_on_counting(self, keeper: Keeper, keeping: TimeKeeper) -> None:
        """Count today's contacts on from what the daemon before said last."""
        said: dict[str, Any] | None = None
        if self._setting.runtime is not None:
            try:
                said = runtime.read_status(self._setting.runtime)
            except OSError:
                said = None
        today = rfc3339(keeping.wall())[:10]
        if said and str(said.get("updated"))[:10] == today and isinstance(said.get("contacts_today"), int):
            keeper.count_on(keeping.day(), said["contacts_today"])
