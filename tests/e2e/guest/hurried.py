# SPDX-License-Identifier: Apache-2.0
"""`bzd run` on clocks that run faster: `python -m tests.e2e.guest.hurried STATE ADAPTER FACTOR [SECTION.KEY=VALUE …]`.

All is the daemon's, the real radio included; only its clock is another, and what waits for seconds of the event loop
waits accordingly less: the ticks and the radio's look at the clock.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bzd.clock import Clock, SystemClock
from bzd.config import Config, load
from bzd.daemon import runtime, service
from bzd.daemon.badge import LiveRadio
from bzd.daemon.notify import Notifier
from bzd.model import Advertisement
from bzd.radio import radio
from bzd.radio.broadcast import Broadcast

_TICK_S = 60.0
"""Seconds of the faster clock from one tick to the next."""


class FastClock:
    """Both clocks, so many times as fast as the machine's from the moment on that it is made, and right."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._system = SystemClock()
        self._wall, self._boot = self._system.now(), self._system.boottime()
        self._began = time.monotonic()

    def now(self) -> float:
        """UTC unix seconds."""
        return self._wall + self._passed()

    def boottime(self) -> float:
        """Seconds since boot."""
        return self._boot + self._passed()

    def boot_id(self) -> bytes:
        """The machine's."""
        return self._system.boot_id()

    def synchronised(self) -> bool:
        """Yes."""
        return True

    def _passed(self) -> float:
        return (time.monotonic() - self._began) * self._factor


def main(state: str, adapter: str, factor: str, *settings: str) -> None:
    """Run a badge until SIGTERM."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    service.TICK_S = radio.POLL_S = _TICK_S / float(factor)
    config = load(None, [f"radio.adapter={adapter}", *settings]).config
    service.serve(
        service.Setting(
            state=Path(state),
            load_config=lambda: config,
            make_radio=_make_radio,
            clock=FastClock(float(factor)),
            runtime=runtime.directory(),
            notifier=Notifier(),
        )
    )


def _make_radio(config: Config, broadcast: Broadcast, sink: Callable[[Advertisement], None], clock: Clock) -> LiveRadio:
    return radio.Radio(config, broadcast, sink, clock=clock)


def words(factor: float, state: Path, adapter: str, settings: Sequence[str]) -> list[str]:
    """The command line that runs this."""
    return [sys.executable, "-m", "tests.e2e.guest.hurried", str(state), adapter, str(factor), *settings]


if __name__ == "__main__":
    main(*sys.argv[1:])
