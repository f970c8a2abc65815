# SPDX-License-Identifier: Apache-2.0
"""A daemon as a process of its own, with a radio of air: one badge is heard five times a second, a hundred metres off.

Called with the state directory, the runtime directory, a configuration file, seconds between flushes, and seconds from
the start to the first look for key files. After SIGUSR1 the radio's supervisor hangs, which is noticed after a second.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bzd import config as configuration
from bzd.clock import Clock, SystemClock
from bzd.config import Config
from bzd.daemon import badge, journal, service, warnings
from bzd.daemon.notify import Notifier
from bzd.model import Advertisement
from bzd.radio.broadcast import Broadcast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.daemon.stand_ins import BenchRadio


class RightClock(SystemClock):
    """The machine's clock, taken for right."""

    def synchronised(self) -> bool | None:
        """Always."""
        return True


class Air(BenchRadio):
    """Hears one badge; advertises into the void."""

    _hangs = False

    def _hang(self) -> None:
        """Let the heart of the supervisor stand still, while the program goes on."""
        self._hangs = True

    async def run(self) -> None:
        """Until cancelled."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._hang)
        async with asyncio.TaskGroup() as group:
            group.create_task(super().run())
            while True:
                if not self.state.paused:
                    self.hear()
                if not self._hangs:
                    self.state.stepped = time.monotonic()
                await asyncio.sleep(0.2)


def _make(_: Config, broadcast: Broadcast, sink: Callable[[Advertisement], None], clock: Clock) -> Air:
    return Air(broadcast, sink, clock)


def main() -> None:
    """Run it."""
    state, runtime, file, flush_s, look_s = sys.argv[1:]
    badge.FLUSH_S = float(flush_s)
    warnings.FIRST_LOOK_S = float(look_s)
    service.RADIO_STALLED_S = 1.0
    journal.start()
    service.serve(
        service.Setting(
            Path(state),
            lambda: configuration.load(Path(file)).config,
            _make,
            RightClock(),
            Path(runtime),
            Notifier(),
        )
    )


if __name__ == "__main__":
    main()
