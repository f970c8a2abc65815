# SPDX-License-Identifier: Apache-2.0
"""Virtual Bluetooth LE controllers for the Linux kernel: `python -m tests.e2e.vhci --help` (root; module hci_vhci)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from pathlib import Path
from typing import TextIO

from tests.e2e.vhci.control import SOCKET, serve
from tests.e2e.vhci.journal import Journal
from tests.e2e.vhci.scanning import Duplicates
from tests.e2e.vhci.station import Station


def main() -> None:
    """Make the controllers and obey the control socket until killed."""
    parser = argparse.ArgumentParser("vhci", description="virtual Bluetooth LE controllers on /dev/vhci")
    parser.add_argument("--controllers", type=int, default=2, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--extended", action="store_true", help="with extended advertising, as Core 5.0 has it")
    kinds = [kind.value for kind in Duplicates]
    parser.add_argument("--duplicates", choices=kinds, default="data", help="what the filter of duplicates compares")
    parser.add_argument("--socket", type=Path, default=SOCKET, help="control socket (default: %(default)s)")
    parser.add_argument("--log", type=argparse.FileType("w"), help="write events as JSON lines to this file")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(options.controllers, options.log, options))


async def _run(number: int, log: TextIO | None, options: argparse.Namespace) -> None:
    station = Station(Journal(log), extended=options.extended, duplicates=Duplicates(options.duplicates))
    for each in range(number):
        await station.plug(each)
    await serve(station, options.socket)


if __name__ == "__main__":
    main()
