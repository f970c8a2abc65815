# SPDX-License-Identifier: Apache-2.0
"""Whether the guest itself was in trouble while a scenario ran: then what failed says nothing about bzd.

An emulated machine on a busy host stands still now and then. When it does for long, the kernel gives up HCI commands
that the virtual controller had no time to answer (after 2 s, HCI_CMD_TIMEOUT), and scenarios do not wait long enough.
"""

from __future__ import annotations

import re
import subprocess
import time
from threading import Event, Thread
from types import TracebackType
from typing import Self

_STEP_S = 0.1
_STANDSTILL_S = 1.0
"""Half of what the kernel grants an HCI command."""
_KERNEL = re.compile(r"tx timeout|failed: -110|soft lockup|rcu.*(?:stall|starved)|blocked for more than|Out of memory")
"""What Linux logs of a machine that is too slow or too full (net/bluetooth/hci_core.c, kernel/watchdog.c, others)."""
_LIMIT_S = 30.0


class Trouble:
    """Watches the machine while it is entered.

    Attributes:
        cursor: where the journal stood before, for `journalctl --after-cursor`; empty if it does not say.
        standstill_s: the longest time for which nothing ran.
    """

    def __init__(self) -> None:
        self.cursor = _cursor()
        self.standstill_s = 0.0
        self._over = Event()
        self._watcher = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()

    def found(self) -> str:
        """What was wrong, in words; empty if nothing was."""
        lines = journal("--dmesg", "--output=cat", *self.since()).splitlines()
        said = next((line for line in lines if _KERNEL.search(line)), "")
        if said:
            return f"the kernel said: {said.strip()}"
        return f"it stood still for {self.standstill_s:.1f} s" if self.standstill_s > _STANDSTILL_S else ""

    def since(self) -> tuple[str, ...]:
        """Words for `journal`: only what came since the beginning."""
        return (f"--after-cursor={self.cursor}",) if self.cursor else ()

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.wait(_STEP_S):
            now = time.monotonic()
            self.standstill_s = max(self.standstill_s, now - last - _STEP_S)
            last = now


def journal(*words: str) -> str:
    """What journalctl prints; empty if it does not answer."""
    command = ["journalctl", "--no-pager", "--quiet", *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode(errors="replace")


def _cursor() -> str:
    return journal("--lines=0", "--show-cursor").rpartition("-- cursor: ")[2].strip()
