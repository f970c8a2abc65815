# SPDX-License-Identifier: Apache-2.0
"""`bzd run` on clocks that run faster: `python -m tests.e2e.guest.hurried STATE ADAPTER FACTOR [SECTION.KEY=VALUE …]`.

All is the daemon's, the real radio and the weight of the command line included; only its clock is another, and what
waits for seconds of the event loop waits accordingly less: the ticks and the radio's look at the clock.
"""

# ruff: noqa: E402  the first import decides how the others are loaded, as `bzd run` has it
from __future__ import annotations

from bzd.cli.run import run as _run  # noqa: F401  what the command line weighs
from bzd.daemon import one_openssl

one_openssl.prepare()

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bzd.clock import Clock, SystemClock
from bzd.config import Config, load
from bzd.daemon import runtime, service
from bzd.daemon.notify import Notifier
from bzd.daemon.surroundings import LiveRadio
from bzd.model import Advertisement
from bzd.radio import radio
from bzd.radio.broadcast import Broadcast

_TICK_S = 60.0
"""Seconds of the faster clock from one tick to the next."""
_STEP_S = 0.02


class FastClock:
    """Both clocks, so many times as fast as the machine's once `run` was called, and right.

    They move between two turns of the event loop, so that a program which reads both of them reads one moment; else
    what passes between two readings would look like a clock that was set.
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._system = SystemClock()
        self._wall, self._boot = self._system.now(), self._system.boottime()
        self._began = time.monotonic()
        self._passed = 0.0

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Move on with every turn of this loop, 50 times a second at most."""
        self._passed = (time.monotonic() - self._began) * self._factor
        loop.call_later(_STEP_S, self.run, loop)

    def now(self) -> float:
        """UTC unix seconds."""
        return self._wall + self._passed

    def boottime(self) -> float:
        """Seconds since boot."""
        return self._boot + self._passed

    def boot_id(self) -> bytes:
        """The machine's."""
        return self._system.boot_id()

    def synchronised(self) -> bool:
        """Yes."""
        return True


def main(state: str, adapter: str, factor: str, *settings: str) -> None:
    """Run a badge until SIGTERM."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    service.TICK_S = radio.POLL_S = _TICK_S / float(factor)
    clock = FastClock(float(factor))

    def make_radio(
        config: Config, broadcast: Broadcast, sink: Callable[[Advertisement], None], data_time: Clock
    ) -> LiveRadio:
        clock.run(asyncio.get_running_loop())
        return radio.Radio(config, broadcast, sink, clock=data_time)

    config = load(None, [f"radio.adapter={adapter}", *settings]).config
    service.serve(
        service.Setting(
            state=Path(state),
            load_config=lambda: config,
            make_radio=make_radio,
            clock=clock,
            runtime=runtime.directory(),
            notifier=Notifier(),
        )
    )


def words(factor: float, state: Path, adapter: str, settings: Sequence[str]) -> list[str]:
    """The command line that runs this."""
    return [sys.executable, "-m", "tests.e2e.guest.hurried", str(state), adapter, str(factor), *settings]


if __name__ == "__main__":
    main(*sys.argv[1:])
