# SPDX-License-Identifier: Apache-2.0
"""`bzd doctor --radio`: every way of using the radio is tried for some seconds, and judged by what the kernel did.

Each way is advertising alone or one scan mode; each mode in both orders of starting, since that is what decides which
address a scan request carries; each with two rotations. What is advertised is manufacturer data of the company
identifier that the SIG keeps for tests, as long as a rolling ID's frame: no badge takes it for one.

`btmon` records the HCI traffic meanwhile, which also holds what strangers sent. So the recording lies in memory, has
no name as soon as it was opened, and ends with the trial.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bzd.clock import SystemClock
from bzd.doctor.airwaves import Airwaves, Seen
from bzd.doctor.recorder import Recording, recording
from bzd.errors import BusError, RadioError
from bzd.protocols import ad
from bzd.radio import monitor
from bzd.radio.adapter import MAIN_CONF
from bzd.radio.advertiser import Advertiser
from bzd.radio.reset import Reset
from bzd.radio.scanner import MODES, Scanner
from bzd.radio.setup import recognise
from bzd.radio.verdict import ADVERTISING, Outcome, Verdict
from bzd.radio.watch import Watch

ROTATIONS = 2
"""In each attempt: the first shows whether an address outlives an ID, the second whether it comes back."""
HOLD_S = 0.8
"""How long each ID is on air: some six frames of a legacy controller."""
LONG_HOLD_S = 11.0
"""How long one of them is, in the order of the badge: the kernel's discovery ends after 10.24 s (DISCOV_LE_TIMEOUT of
include/net/bluetooth/hci_core.h) and begins anew beside the ID, and may then take another address."""
GAP_S = 0.5
"""Between two attempts: bluetoothd says that an advertisement is gone before the kernel has told the controller."""
SETTLE_S = 0.5
"""What btmon may need to write what it has seen."""
READY_S = 5.0
FREE_S = 10.0
"""How long a badge that was asked to pause may take to leave the air."""

_PAYLOAD_BYTES = 24
"""With flags and headers it fills the 31 octets of a legacy frame, as a rolling ID with its service's UUID does."""
_TEST_COMPANY = 0xFFFF
"""Company identifier for tests within a laboratory (Assigned Numbers 7.1)."""
_CLOCK_JUMP_S = 0.1


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way of using the radio that was tried, in one order of starting.

    Attributes:
        way: a scan mode, or `ADVERTISING`.
        scan_first: whether each scan began before its advertisement.
        began: unix seconds by the clock of the recording.
        ended: the same.
        refused: why BlueZ would not advertise, in words; empty if it did.
        impossible: why it would not scan; the way is then none for this radio, and the daemon will find that too.
    """

    way: str
    scan_first: bool
    began: float
    ended: float
    refused: str = ""
    impossible: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the whole trial found.

    Attributes:
        verdict: for the state directory.
        firmware: what the controller says of itself.
        rows: each attempt with what was on air.
        extended: whether the controller has extended advertising, which decides the order that bzd uses.
    """

    verdict: Verdict
    firmware: str
    rows: list[tuple[Attempt, Seen]]
    extended: bool


async def run(name: str, now: float, main_conf: Path = MAIN_CONF) -> Trial:
    """Try every way of using an adapter that nobody else uses; takes about a minute.

    Args:
        name: of the adapter, for example `hci0`.
        now: the wall clock, for the verdict.
        main_conf: bluetoothd's configuration.

    Raises:
        RadioError: if the adapter is not there, not fit, or in use; if btmon is missing or records nothing.
    """
    watch, path = Watch(name, main_conf, lambda _: None, lambda *_: None), f"/org/bluez/{name}"
    reset = Reset(watch.bus, path)
    try:
        await watch.ready(broadcasting=True)
        advertiser = Advertiser(watch.bus, path, lambda: None)
        extended = await advertiser.extended()
        setup = recognise(name, watch.properties, extended=extended)
        await _wait_until_free(reset)
        await watch.settle()
        async with recording(name) as recorded:
            # So the controller tells its version, and the trial begins from the state after a boot.
            await reset.switch()
            await _wait_until_ready(watch)
            attempts = await _Trier(watch, advertiser, name, extended=extended).all()
            await asyncio.sleep(SETTLE_S)
            waves = Airwaves()
            rows = list(_cut(recorded, waves, attempts))
    finally:
        try:
            await reset.finish()  # whoever ends it while the adapter is off finds it on
        finally:
            watch.bus.close()
    outcomes = judge(rows, extended=extended)
    return Trial(Verdict(setup, now, outcomes), waves.firmware, rows, extended)


def judge(rows: list[tuple[Attempt, Seen]], *, extended: bool) -> dict[str, Outcome]:
    """The outcome of each way.

    An address that stays is a leak in whichever order it comes, since another program may bring about the other order.
    Rotations have to work in the order that bzd itself uses: with extended advertising the scan first, else last.

    Raises:
        RadioError: if the recording lacks what must be in it.
    """
    outcomes: dict[str, Outcome] = {}
    for attempt, seen in rows:
        if seen.staying:
            outcomes[attempt.way] = Outcome.LEAKY
        elif not attempt.impossible and used_by_badge(attempt.way, scan_first=attempt.scan_first, extended=extended):
            clean = not attempt.refused and not seen.linked
            if clean and len(seen.sent_from) != ROTATIONS + 1:
                hint = "run it again; is another btmon or another trial running?"
                raise RadioError(f"the recording shows {len(seen.sent_from)} advertisements of {ROTATIONS + 1}", hint)
            outcomes.setdefault(attempt.way, Outcome.CLEAN if clean else Outcome.LINKED)
    return outcomes


def used_by_badge(way: str, *, scan_first: bool, extended: bool) -> bool:
    """Whether a badge starts in this order: with extended advertising the scan first, else the advertisement."""
    return way == ADVERTISING or scan_first is extended


async def _wait_until_ready(watch: Watch) -> None:
    """After it was switched off and on; the news of that may come later than the answer."""
    end = time.monotonic() + READY_S
    while True:
        try:
            await watch.ready(broadcasting=True)
        except RadioError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _wait_until_free(reset: Reset) -> None:
    end = time.monotonic() + FREE_S
    while others := await reset.others():
        if time.monotonic() > end:
            raise RadioError(f"{others} on this adapter", "end it, then run this again")
        await asyncio.sleep(0.2)


class _Trier:
    """Tries every way in turn."""

    def __init__(self, watch: Watch, advertiser: Advertiser, name: str, *, extended: bool) -> None:
        self._extended = extended
        self._bus = watch.bus
        self._path = f"/org/bluez/{name}"
        self._advertiser = advertiser
        self._scanner = Scanner(watch.bus, name, SystemClock(), lambda _: None)
        self._serial = 0

    async def all(self) -> list[Attempt]:
        """Advertising alone, then every scan mode that there is in both orders."""
        began, wall = time.monotonic(), time.time()
        monitors = await monitor.offered(self._bus, self._path)
        modes = [mode for mode in MODES if monitors or mode == "active"]
        ways = [(ADVERTISING, False), *((mode, scan_first) for mode in modes for scan_first in (False, True))]
        attempts = [await self._attempt(way, scan_first=scan_first) for way, scan_first in ways]
        if abs(time.time() - wall - (time.monotonic() - began)) > _CLOCK_JUMP_S:
            raise RadioError("the clock was set meanwhile, so that the recording cannot be read", "run it again")
        return attempts

    async def _attempt(self, way: str, *, scan_first: bool) -> Attempt:
        began, refused, impossible = time.time(), "", ""
        try:
            for number in range(ROTATIONS + 1):
                await self._stop()
                await self._start(way, scan_first=scan_first)
                # Not the last, so that an address that a discovery takes in the middle of an ID meets the next ID.
                long = number == ROTATIONS - 1 and self._lives_with(way, scan_first=scan_first)
                await asyncio.sleep(LONG_HOLD_S if long else HOLD_S)
        except BusError as error:
            if not error.refused:
                raise
            refused = str(error)
        except RadioError as error:
            if not self._bus.connected:
                raise
            impossible = str(error)
        finally:
            await self._stop()
            await asyncio.sleep(GAP_S)
        return Attempt(way, scan_first, began, time.time(), refused, impossible)

    def _lives_with(self, way: str, *, scan_first: bool) -> bool:
        """Whether a badge scans in this way and order by discoveries, of which an ID sees many."""
        by_discovery = way not in {ADVERTISING, "passive"}
        return by_discovery and used_by_badge(way, scan_first=scan_first, extended=self._extended)

    async def _start(self, way: str, *, scan_first: bool) -> None:
        if scan_first:
            await self._scanner.start(way)
        self._serial += 1
        payload = f"bzd trial {self._serial}".encode().ljust(_PAYLOAD_BYTES, b"\0")
        await self._advertiser.register(ad.build(manufacturer_data={_TEST_COMPANY: payload}))
        if way != ADVERTISING and not scan_first:
            await self._scanner.start(way)

    async def _stop(self) -> None:
        await self._scanner.stop()
        await self._advertiser.unregister()


def _cut(recorded: Recording, waves: Airwaves, attempts: list[Attempt]) -> Iterator[tuple[Attempt, Seen]]:
    """What was on air during each attempt."""
    exchanges = iter(recorded.exchanges())
    exchange = next(exchanges, None)
    for attempt in attempts:
        while exchange is not None and exchange.time < attempt.began:
            waves.take(exchange)
            exchange = next(exchanges, None)
        waves.begin()
        while exchange is not None and exchange.time <= attempt.ended:
            waves.take(exchange)
            exchange = next(exchanges, None)
        yield attempt, waves.seen
