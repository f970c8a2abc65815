# SPDX-License-Identifier: Apache-2.0
"""bzd as a process whose clock is right, and so many seconds ahead of the machine's.

Called with these seconds, then `badge` and a state directory for the daemon with its real radio, or any command line.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from bzd import config
from bzd.cli.entry import run
from bzd.cli.run import make_radio
from bzd.clock import SystemClock
from bzd.daemon import journal, precautions, runtime, service
from bzd.daemon.notify import Notifier


class RightClock(SystemClock):
    """The machine's clock moved, taken for right."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead_s = ahead_s

    def now(self) -> float:
        """The machine's time and what it is ahead."""
        return super().now() + self._ahead_s

    def synchronised(self) -> bool | None:
        """Always."""
        return True


def _badge(state: Path, clock: RightClock) -> None:
    """Be a badge until SIGTERM."""
    journal.start()
    precautions.take(state)
    service.serve(
        service.Setting(
            state=state,
            load_config=lambda: config.load(None, ["scan.mode=active"]).config,
            make_radio=partial(make_radio, state),
            clock=clock,
            runtime=runtime.directory(),
            notifier=Notifier(),
        )
    )


def main() -> int:
    """Run it; gives the exit code."""
    ahead, *words = sys.argv[1:]
    clock = RightClock(float(ahead))
    if words[0] != "badge":
        return run(words, clock)
    _badge(Path(words[1]), clock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
