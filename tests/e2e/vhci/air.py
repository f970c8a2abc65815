# SPDX-License-Identifier: Apache-2.0
"""The virtual air: what one sends, all others in range hear, with a strength that a test decides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass

from tests.e2e.vhci.controller import Controller
from tests.e2e.vhci.journal import Journal
from tests.e2e.vhci.wire import Frame

DEFAULT_DBM = -60


@dataclass(slots=True)
class Path:
    """How a sender is heard.

    Attributes:
        dbm: mean RSSI; None is out of range.
        jitter_db: each report differs from the mean by a uniformly distributed whole number of dB up to this.
    """

    dbm: int | None = DEFAULT_DBM
    jitter_db: int = 0

    def sample(self) -> int | None:
        """The RSSI of one frame, None if it is not heard."""
        return None if self.dbm is None else self.dbm + random.randint(-self.jitter_db, self.jitter_db)


@dataclass(slots=True)
class Beacon:
    """An advertiser without a host, heard by all controllers.

    Attributes:
        frame: what it sends.
        interval_s: seconds between two frames; up to 10 ms are added at random, as in any advertising.
        path: how it is heard.
        sent: frames sent so far.
    """

    frame: Frame
    interval_s: float
    path: Path
    sent: int = 0


class Air:
    """Controllers, beacons, and the paths between them.

    Attributes:
        journal: what was on air.
        controllers: by number: what was plugged in and is still there.
        beacons: by address as text.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.controllers: dict[int, Controller] = {}
        self.beacons: dict[str, Beacon] = {}
        self._paths: dict[tuple[int, int], Path] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def delivered(self) -> int:
        """Reports that the controllers have handed to their hosts, in all."""
        return sum(controller.reports for controller in self.controllers.values())

    def link(self, sender: int, receiver: int, path: Path) -> None:
        """Set how the controller number `receiver` hears the controller number `sender`."""
        self._paths[sender, receiver] = path

    def transmit(self, sender: Controller, frame: Frame) -> None:
        """A controller sends a frame: it goes into the journal, and to every other controller in range."""
        self.journal.frame(sender.index, frame)
        number = next((number for number, each in self.controllers.items() if each is sender), None)
        if number is not None:
            for other, receiver in self.controllers.items():
                if other != number:
                    self._arrive(receiver, frame, self._paths.get((number, other), Path()))

    def place(self, name: str, beacon: Beacon) -> None:
        """Put a beacon on air under a name; it replaces one of the same name."""
        self.remove(name)
        self.beacons[name] = beacon
        self._tasks[name] = asyncio.get_running_loop().create_task(self._send(beacon))

    def remove(self, name: str) -> None:
        """Take a beacon off the air; one that is not there is no error."""
        self.beacons.pop(name, None)
        if task := self._tasks.pop(name, None):
            task.cancel()

    def receive(self, frame: Frame, rssi: int, receivers: Iterable[int] | None = None) -> None:
        """Let controllers (by number; all by default) hear a frame of nobody in particular."""
        for number in self.controllers if receivers is None else receivers:
            self.controllers[number].hear(frame, rssi)

    def _arrive(self, receiver: Controller, frame: Frame, path: Path) -> None:
        rssi = path.sample()
        if rssi is not None:
            receiver.hear(frame, rssi)

    async def _send(self, beacon: Beacon) -> None:
        """Send until cancelled, on schedule: a late wake-up delays one frame, not all that follow."""
        loop = asyncio.get_running_loop()
        due = loop.time() + random.uniform(0, beacon.interval_s)
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += beacon.interval_s + random.uniform(0, 0.010)
            beacon.sent += 1
            for receiver in list(self.controllers.values()):
                self._arrive(receiver, beacon.frame, beacon.path)
