# SPDX-License-Identifier: Apache-2.0
"""A live badge: radio, pipeline and store put together, and driven by `tick`.

The radio fills a list; a tick, once a second, empties it into the pipeline, looks at the clocks, closes what is over,
answers requests, and starts at most one write at a time in another thread. Ticks decide when something is done and
never what comes of it: contacts depend on the times of the sightings alone, as in a replay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from math import inf

from bzd.config import Config
from bzd.daemon.answers import Answers, Promise
from bzd.daemon.keeper import Keeper
from bzd.daemon.neighbours import Neighbours
from bzd.daemon.pausing import PAUSE_MAX_S
from bzd.daemon.retention import Retention
from bzd.daemon.retiring import retire
from bzd.daemon.surroundings import Surroundings
from bzd.daemon.timekeeping import Change, TimeKeeper
from bzd.errors import BzdError
from bzd.model import Advertisement
from bzd.pipeline import Pipeline
from bzd.proximity.quota import HourlyQuota
from bzd.radio.broadcast import Broadcast
from bzd.radio.recovery import Troubles
from bzd.store.requests import GIVE_BACK, LEND, RETIRE_KEY

FLUSH_S = 50.0
"""Contacts in progress are on the disk at least every 60 s: this, and what a slow card takes."""
SLOW_WRITE_S = 60.0
"""A write that takes longer is told: what comes meanwhile is only in memory, and a card that answers no more ends none.
A purge of a full store takes seconds on a slow one."""
REQUESTS_S = 2.0
"""Requests are answered within 5 s."""
SYNCHRONISED_S = 10.0
"""How often it is asked whether the clock is right while it is not known to be; a clock that was set is asked about at
once, and one that was right stays so until then."""
ANSWER_S = 0.5
"""A tick waits no longer for that answer, which may have to be had from another program; a later one takes it up."""
LEAVE_S = 1.5
"""The radio is given so long to leave the air before what was heard is stored all the same, so that SIGTERM is obeyed
within 2 s; by itself it ends within 1 s (`bzd.radio.radio.CLOSE_TIMEOUT_S`)."""
REPLACE_S = 10.0
"""A radio that is to be replaced is given so long."""
HEARD_MAX = 20_000
"""Reports that wait for a tick. A second brings some 3000 at most; more means that the process was stopped."""
PASSIVE_PERIOD_S = 60.0
"""In the passive mode BlueZ signals a device when its RSSI moved by 8 dB, which was seen to be once a minute; so a
sighting then stands for a minute, as one of a phone does for its scan period."""

_SLOW = (
    "a write to the store does not end, so that nothing new is stored; `sudo dmesg` says whether the card is failing"
)
_log = logging.getLogger(__name__)


class Badge:
    """One badge; `start` puts it on air, `tick` drives it, `stop` ends it.

    Args:
        config: the configuration.
        around: what it runs on.
        time: data time.
        keeper: the store.
        retention: deletes what is old.
    """

    def __init__(
        self, config: Config, around: Surroundings, time: TimeKeeper, keeper: Keeper, retention: Retention
    ) -> None:
        self._around = around
        self._time = time
        self._retention = retention
        self._heard: list[Advertisement] = []
        self._running: asyncio.Task[None] | None = None
        self._job: asyncio.Task[None] | None = None
        self._job_begun = 0.0
        boot = time.boottime()
        self._flush_at, self._requests_at, self._synchronised_at = boot + FLUSH_S, 0.0, boot + SYNCHRONISED_S
        self._asked: asyncio.Future[bool] | None = None
        """The question whether the clock is right, while it is not answered."""
        self._lent = False
        """Whether it is paused for whoever tries its radio out, and not for its wearer."""
        self.config = config
        self.keeper = keeper
        self.neighbours = Neighbours()
        self.troubles = Troubles(_log)
        self._answers = Answers(self._honour)
        self.overrun = 0
        """Reports dropped because the process was too late for them."""
        self.heard_at: float | None = None
        """Boottime of the tick that last found something heard."""
        self._compose()

    def start(self) -> None:
        """Put the radio to work, unless the badge is paused: then it works silently."""
        self._running = asyncio.get_running_loop().create_task(self.radio.run())

    @property
    def paused(self) -> bool:
        """Whether the wearer paused it."""
        return self._around.pausing.active

    @property
    def paused_until(self) -> float | None:
        """Until when, as CLOCK_BOOTTIME in seconds, infinite until resumed; None if it is not paused."""
        return self._around.pausing.until if self.paused else None

    @property
    def failed(self) -> BaseException | None:
        """Why the radio's task ended; None while it goes on. It ends for faults of its own only."""
        if self._running is None or not self._running.done() or self._running.cancelled():
            return None
        return self._running.exception() or RuntimeError("the radio ended")

    async def tick(self) -> None:
        """Do what is due."""
        boot = self._time.boottime()
        self._drain(boot)
        self._follow_mode()
        if not self.writing:
            self._look_at_job()
            await self._look_at_clocks(boot)
            self._write_if_due(boot)
        elif asyncio.get_running_loop().time() - self._job_begun > SLOW_WRITE_S:
            self.troubles.report("store", _SLOW, boot)
        if not self.paused:
            self.keeper.take(self.pipeline.tracker.advance(self._time.now()))
        elif self._around.pausing.over:
            self.resume()
        if boot >= self._requests_at or self._answers.waiting:
            self._requests_at = boot + REQUESTS_S
            self._answer_requests(boot)

    @property
    def writing(self) -> bool:
        """Whether a write is under way."""
        return self._job is not None and not self._job.done()

    async def settled(self) -> None:
        """Wait until a write that is under way is done."""
        if self._job is not None:
            await asyncio.wait([self._job])

    async def stop(self) -> None:
        """Leave the air and keep everything.

        Raises:
            BzdError: if the store cannot be written.
        """
        if self._asked is not None:
            self._asked.cancel()
        await self._off_air(LEAVE_S)
        await self.settled()
        self._drain(self._time.boottime())
        self.keeper.take(self.pipeline.tracker.finish())
        self.keeper.write(self.keeper.prepare(()))

    async def apply(self, config: Config) -> None:
        """Go on under another configuration; contacts in progress end if it changes how they are heard.

        Raises:
            BzdError: if the radio that is to be replaced does not end.
        """
        old = self.config
        if replace(config, store=old.store, metrics=old.metrics, match=old.match) == old:
            self.config = config
            self.radio.reconsider()
            return
        self._drain(self._time.boottime())
        self.keeper.take(self.pipeline.tracker.finish())
        if not await self._off_air(REPLACE_S):
            raise BzdError("the radio does not end", "systemd starts the service again; is bluetoothd well?")
        if config.proximity.max_contacts_per_hour != self.config.proximity.max_contacts_per_hour:
            self.keeper.quota = HourlyQuota(config.proximity.max_contacts_per_hour)
        self.config = config
        self._compose()
        self.start()

    def pause(self, seconds: float) -> str:
        """Off the air for so many seconds, infinite until resumed; contacts in progress end. Says so."""
        self._drain(self._time.boottime())
        self.keeper.take(self.pipeline.tracker.finish())
        self._lent = False
        self._around.pausing.begin(seconds)
        self.radio.pause()
        said = "paused until resumed" if seconds == inf else f"paused for {seconds:.0f} s"
        _log.info("%s", said)
        return said + self._keep_pause()

    def resume(self) -> str:
        """Back on air; says so."""
        self._lent = False
        self._around.pausing.end()
        self.radio.resume()
        _log.info("resumed")
        return "resumed" + self._keep_pause()

    def _compose(self) -> None:
        self.broadcast = Broadcast(
            self.config.advertise.protocol,
            self.config.advertise.tx_power_dbm,
            clock=self._around.clock,
            boottime=self._around.clock.boottime,
            keep=self.keeper.keep_key,
        )
        self._passive = self.config.scan.mode == "passive"
        self.pipeline = self._new_pipeline()
        self.radio = self._around.make_radio(self.config, self.broadcast, self._hear, self._time)
        if self.paused:
            self.radio.pause()

    def _new_pipeline(self) -> Pipeline:
        period = max(self.config.scan.period_s, PASSIVE_PERIOD_S) if self._passive else self.config.scan.period_s
        own_ids = self.broadcast.own_ids
        return Pipeline(self.config, scan_period_s=period, own_ids=own_ids, synced=self._time.synced)

    def _follow_mode(self) -> None:
        """Contacts are judged by how the radio listens; when that changes, those in progress end."""
        passive = self.radio.state.mode == "passive"
        if self.radio.state.mode and passive != self._passive:
            self._passive = passive
            self.keeper.take(self.pipeline.tracker.finish())
            self.pipeline = self._new_pipeline()

    async def _off_air(self, patience_s: float) -> bool:
        """End the radio; gives whether it has ended in time."""
        running, self._running = self._running, None
        if running is None:
            return True
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=patience_s)
        return bool(done)

    def _hear(self, advertisement: Advertisement) -> None:
        if len(self._heard) < HEARD_MAX:
            self._heard.append(advertisement)
        else:
            self.overrun += 1

    def _drain(self, boot: float) -> None:
        heard, self._heard = self._heard, []
        if not heard or self.paused:
            return
        self.heard_at = boot
        self.neighbours.hear(heard, boot, self.broadcast.own_ids)
        self.keeper.take(self.pipeline.feed(heard))

    async def _look_at_clocks(self, boot: float) -> None:
        due = self._time.stepped() or (not self._time.synced and boot >= self._synchronised_at)
        if self._asked is None and due:
            self._synchronised_at = boot + SYNCHRONISED_S
            self._asked = asyncio.ensure_future(self._around.synchronised())
        synchronised = False
        if self._asked is not None:
            await asyncio.wait([self._asked], timeout=ANSWER_S)
            if not self._asked.done():
                return
            synchronised, self._asked = self._asked.result(), None
        change = self._time.check(synchronised=synchronised)
        if change is not None:
            self._drain(boot)
            self._clock_changed(change)

    def _clock_changed(self, change: Change) -> None:
        if change.stepped_s:
            _log.info("the clock was set by %+.1f s", change.stepped_s)
        if change.began:
            _log.info("the clock is right now")
        elif not change.synced:
            _log.warning("the clock is not known to be right; contacts are dated once it is")
        closed = self.pipeline.redate(change.shift_ms, synced=change.synced)
        self.keeper.redate(change.shift_ms)
        self.keeper.take(closed)
        self.keeper.note_clock()
        if change.began or not change.synced:
            # The badge of a wrong clock has a key of its own, which is published only if the error was small.
            self.broadcast.retire_key()
            self.radio.rotate()

    def _write_if_due(self, boot: float) -> None:
        if self._retention_due(boot):
            self._begin(lambda: self._retention.run(self.config.store.retention_days))
        elif boot >= self._flush_at:
            self._flush_at = boot + FLUSH_S
            self._keep_pause()
            batch = self.keeper.prepare(contact for _, contact in self.pipeline.tracker.open_contacts())
            self._begin(lambda: self.keeper.write(batch))

    def _retention_due(self, boot: float) -> bool:
        try:
            return self._retention.due()
        except BzdError as error:
            self.troubles.report("store", f"{error}; {error.hint}", boot)
            return False

    def _begin(self, work: Callable[[], None]) -> None:
        async def job() -> None:
            try:
                await asyncio.to_thread(work)
            except BzdError as error:
                self.troubles.report("store", f"cannot write the store: {error}; {error.hint}", self._time.boottime())
            else:
                self.troubles.clear("store", self._time.boottime(), "storing")

        loop = asyncio.get_running_loop()
        self._job_begun = loop.time()
        self._job = loop.create_task(job())

    def _look_at_job(self) -> None:
        """A write that failed in a way that nobody thought of ends the badge: it would fail so for ever, unseen."""
        job, self._job = self._job, None
        if job is not None:
            job.result()

    def _answer_requests(self, boot: float) -> None:
        try:
            for number, answer in self._answers.due(self.keeper.requests(), boot):
                self.keeper.answer(number, answer)
        except BzdError as error:
            self.troubles.report("store", f"{error}; {error.hint}", boot)

    def _honour(self, verb: str) -> Promise | str:
        """Do what is asked, and answer."""
        word, _, value = verb.partition(" ")
        if word == "pause":
            return self._pause_as_asked(value)
        if word == "resume":
            return self.resume() if self.paused else "it was not paused"
        if word == LEND:
            return self._lend(value)
        if word == GIVE_BACK:
            return self.resume() if self._lent else "it stays as it is"
        if word == "end-segment":
            self.keeper.end_segments()
            return "ended; what comes next has a new key"
        if word == RETIRE_KEY:
            return retire(self.broadcast, self.radio, self.keeper.keep_key)
        return f"this version does not know {word}"

    def _pause_as_asked(self, value: str) -> Promise | str:
        try:
            seconds = float(value) if value else inf
        except ValueError:
            seconds = -1.0
        if not (0 < seconds <= PAUSE_MAX_S or seconds == inf):
            return f"cannot pause for {value}"
        said = self.pause(seconds)

        def silent() -> bool:
            return self.radio.state.off_air or not self.paused

        return Promise(silent, said, f"{said}, but the radio does not say yet that it is off the air")

    def _lend(self, value: str) -> Promise | str:
        if self.paused:
            return "it is paused already"
        answer = self._pause_as_asked(value)
        self._lent = self.paused
        return answer

    def _keep_pause(self) -> str:
        """Have the pause, or its end, outlive a reboot; gives why that cannot be had."""
        boot = self._time.boottime()
        try:
            self._around.pausing.keep()
        except BzdError as error:
            lost = "ends with the next reboot" if self.paused else "comes back with the next reboot"
            self.troubles.report("pause", f"the pause {lost}: {error}; {error.hint}", boot)
            return f", but the pause {lost}: {error}"
        self.troubles.clear("pause", boot, "the pause is kept")
        return ""
