# SPDX-License-Identifier: Apache-2.0
"""What a scenario works with, inside the guest: checks, tables, the virtual radio, and BlueZ in a known state."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.guest import bluez
from tests.e2e.plan import CUT
from tests.e2e.vhci import control

JOB = Path("/run/e2e/job")
"""Shared with the host: what is left here can be kept by `run --output`."""
SHARED = Path("/opt/e2e/shared")
"""Captures that lie beside the checkout on the host, where there are any."""

HOMES = Path("/var/tmp/badges")  # noqa: S108  the guest is ours alone
"""Folders of the badges of a scenario; what they said there is shown if it fails."""

_STOP_S = 10.0
_READY_S = 45.0
"""Seconds that the radio and bluetoothd may take; a guest that was just booted needs 3 to 8."""


class BedError(Exception):
    """The guest did not get ready for a scenario; nothing of bzd had a part in it."""


class Bed:
    """The test bed of one scenario.

    Attributes:
        kind: `legacy` or `extended`: what the controllers are.
        failed: number of checks that failed so far.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.kind = title.partition("/")[2]
        self.failed = 0
        self._settings: tuple[bool, int] | None = None
        """Those of the bluetoothd that runs."""
        self._radio: asyncio.subprocess.Process | None = None

    def check(self, what: str, passed: bool, detail: object = "") -> bool:  # noqa: FBT001  check(what, condition)
        """Report a check; `detail` says what was found. Returns whether it passed."""
        self.failed += not passed
        _say(f"{'PASS' if passed else 'FAIL'} {self.title}: {what}{f' ({detail})' if detail != '' else ''}")
        return passed

    def skip(self, what: str, why: str) -> None:
        """Report that a check could not be made."""
        _say(f"SKIP {self.title}: {what} ({why})")

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table as Markdown."""
        _say(title)
        for row in (header, ["---"] * len(header), *rows):
            _say(f"| {' | '.join(str(cell) for cell in row)} |")

    async def start(
        self,
        controllers: int = 2,
        *,
        experimental: bool = True,
        duplicates: str = "data",
        forget_s: int = bluez.FORGET_S,
    ) -> None:
        """Plug in controllers, instead of those that are there; returns when every adapter is powered.

        A scenario's first start finds bluetoothd as it is after its installation.

        Args:
            controllers: how many; number N becomes hciN.
            experimental: whether bluetoothd offers experimental interfaces, as passive scanning needs.
            duplicates: what the controllers' filter of duplicates compares, a value of `vhci.scanning.Duplicates`.
            forget_s: seconds after which bluetoothd forgets a device that it hears no more.

        Raises:
            BedError: if they are not powered in time.
        """
        try:
            async with asyncio.timeout(_READY_S):
                await self._restart_bluez(experimental=experimental, forget_s=forget_s)
                await self._start(controllers, duplicates)
        except TimeoutError as error:
            raise BedError(f"bluetoothd and {controllers} controllers were not ready in {_READY_S:g} s") from error

    async def _restart_bluez(self, *, experimental: bool, forget_s: int) -> None:
        await self.stop()
        settings = (experimental, forget_s)
        if self._settings != settings or not await bluez.running():
            await bluez.fresh(experimental=experimental, forget_s=forget_s)
            self._settings = settings

    async def _start(self, controllers: int, duplicates: str) -> None:
        log = JOB / f"air.{self.title.replace('/', '.')}.jsonl"
        words = ["-m", "tests.e2e.vhci", "--controllers", str(controllers), "--duplicates", duplicates]
        words += ["--log", str(log), *(["--extended"] if self.kind == "extended" else [])]
        self._radio = await asyncio.create_subprocess_exec(sys.executable, *words)
        await _until_there(control.SOCKET)
        for number in range(controllers):
            await bluez.powered(f"hci{number}")

    async def stop(self) -> None:
        """Unplug all controllers."""
        if self._radio is not None:
            with contextlib.suppress(ProcessLookupError):
                self._radio.terminate()
            await ended(self._radio, _STOP_S)
            self._radio = None
        control.SOCKET.unlink(missing_ok=True)

    async def radio(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Let the virtual radio do something: a method of `vhci.station.Station` and its arguments."""
        return await control.call(command, **arguments)

    async def controller(self, number: int = 0) -> dict[str, Any]:
        """What the controller `number` does and has done."""
        stats = await self.radio("stats")
        found: dict[str, Any] = stats["controllers"][str(number)]
        return found

    def cut(self) -> None:
        """Let the power fail, within milliseconds; the scenario may go on until it does."""
        _say(CUT)

    def leave(self, file: Path) -> None:
        """Leave a file to the host."""
        shutil.copy(file, JOB / file.name)


async def ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether a process ended in time; it is killed if not."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return False
    return True


def _say(text: str) -> None:
    print(text, flush=True)


async def _until_there(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110  a file has no event
        await asyncio.sleep(0.1)
