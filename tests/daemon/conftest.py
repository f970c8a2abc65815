# SPDX-License-Identifier: Apache-2.0
"""A badge on a bench: both clocks by hand, a radio that hears what it is told, a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bzd.clock import Clock
from bzd.config import Config
from bzd.daemon.badge import Badge
from bzd.daemon.keeper import Keeper
from bzd.daemon.pausing import Pausing
from bzd.daemon.retention import Retention
from bzd.daemon.surroundings import Surroundings
from bzd.daemon.timekeeping import TimeKeeper
from bzd.model import Advertisement, Contact, DailyKey
from bzd.radio.broadcast import Broadcast
from bzd.store import Appender, create, open_appender, open_reader
from bzd.store.identity import Identity

from .stand_ins import NOON, BenchRadio, HandClock


@dataclass
class Bench:
    """A badge and all that it stands on."""

    badge: Badge
    clock: HandClock
    time: TimeKeeper
    keeper: Keeper
    appender: Appender
    state: Path
    identity: Identity
    made: list[BenchRadio]

    @property
    def radio(self) -> BenchRadio:
        """The radio in use."""
        return self.made[-1]

    async def go(self, seconds: float, *, step: float = 5.0, near: bool = False) -> None:
        """Let time pass in steps of so many seconds, a tick after each; `near` has badge 1 heard in each."""
        left = seconds
        while left > 0:
            self.clock.pass_by(min(step, left))
            left -= step
            if near:
                self.radio.hear()
            await self.tick()

    async def tick(self) -> None:
        """One tick, and all that it began."""
        await self.badge.tick()
        await self.badge.settled()
        await asyncio.sleep(0)

    def contacts(self) -> list[Contact]:
        """What is in the store by now, for whoever has the identity."""
        with open_reader(self.state, [self.identity]) as reader:
            found = list(reader.contacts())
            assert reader.problems == []
        return found

    def own_keys(self) -> list[DailyKey]:
        """Own keys in the store by now that can be published."""
        with open_reader(self.state, [self.identity]) as reader:
            return list(reader.keys())


@pytest.fixture(scope="session")
def identity() -> Identity:
    """One identity for all tests of a run; making one is slow enough to matter."""
    return Identity.generate()


@pytest.fixture
def state(tmp_path: Path, identity: Identity) -> Path:
    """A state directory whose store is sealed to `identity`, which is not in it."""
    create(tmp_path / "state", recipients=[identity.public], label="bench", now=NOON)
    return tmp_path / "state"


@pytest.fixture
def clock() -> HandClock:
    """Clocks that a test sets before it makes its bench."""
    return HandClock()


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(state: Path, identity: Identity, tmp_path: Path, clock: HandClock) -> Iterator[MakeBench]:
    """Makes a badge; must be called in an event loop."""
    with open_appender(state, live=True) as appender:

        def make(config: Config | None = None) -> Bench:
            config = config or Config()
            made: list[BenchRadio] = []

            def make_radio(
                _: Config, broadcast: Broadcast, sink: Callable[[Advertisement], None], time: Clock
            ) -> BenchRadio:
                made.append(BenchRadio(broadcast, sink, time))
                return made[-1]

            async def synchronised() -> bool:
                return clock.right

            time = TimeKeeper(clock, synchronised=clock.right)
            keeper = Keeper(appender, time, config.proximity.max_contacts_per_hour)
            (tmp_path / "run").mkdir(exist_ok=True)
            around = Surroundings(clock, synchronised, make_radio, Pausing(state, tmp_path / "run", time))
            badge = Badge(config, around, time, keeper, Retention(state, keeper, time))
            return Bench(badge, clock, time, keeper, appender, state, identity, made)

        yield make


Scenario = Callable[[Bench], Coroutine[None, None, None]]


@pytest.fixture
def play(bench: MakeBench) -> Callable[..., Bench]:
    """Runs a scenario with a badge that is on air, and stops it properly; gives the bench."""

    def run(scenario: Scenario, config: Config | None = None) -> Bench:
        async def whole() -> Bench:
            made = bench(config)
            made.badge.start()
            await asyncio.sleep(0)
            await scenario(made)
            await made.badge.stop()
            return made

        return asyncio.run(whole())

    return run
