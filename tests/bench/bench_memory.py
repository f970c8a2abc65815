# SPDX-License-Identifier: Apache-2.0
"""What memory the daemon takes, layer by layer: `python tests/bench/bench_memory.py [SECONDS]`.

First each library by itself, imported in this order into an empty Python as the daemon has them; then `bzd run` as it
is after SECONDS (default 10) on air, on a fake BlueZ on a private bus. Resident set size in MiB, and of that what is
its own (anonymous): the rest are pages of files, which processes of the same Python share. A badge locks its memory,
so there nothing of it is given back under pressure. Needs dbus-daemon.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.radio.conftest import SystemBus
from tests.radio.daemon_bed import a_daemon

LAYERS = {
    "asyncio, hashlib (no OpenSSL)": "from bzd.daemon import one_openssl; one_openssl.prepare()",
    "click and bzd's command line": "import bzd.cli.entry, bzd.cli.options, bzd.cli.run",
    "cryptography": "import cryptography.hazmat.primitives.hpke, cryptography.hazmat.primitives.asymmetric.mlkem",
    "sqlite3": "import sqlite3",
    "bzd's store": "import bzd.store.appender, bzd.store.creating",
    "dbus-next": "import dbus_next.aio.message_bus",
    "bleak and dbus-fast": "import bleak, bleak.backends.bluezdbus.scanner",
    "bzd's daemon and radio": "import bzd.daemon.service, bzd.daemon.precautions, bzd.radio.radio",
}
"""What it is for, and the statement that loads it."""

_GROWTH = """
import sys
def now():
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        found = dict(line.split(":") for line in file.readlines()[1:])
    return [int(found[name].split()[0]) for name in ("Rss", "Anonymous")]
print(*now())
for statement in sys.argv[1:]:
    exec(statement)
    print(*now())
"""


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"Python {sys.version.split()[0]}                       resident   its own   MiB")
    told = subprocess.run(
        [sys.executable, "-c", _GROWTH, *LAYERS.values()], check=True, capture_output=True, text=True
    ).stdout
    before = (0, 0)
    for what, line in zip(("an empty Python", *LAYERS), told.splitlines(), strict=True):
        resident, own = (int(number) for number in line.split())
        row(what, resident - before[0], own - before[1])
        before = resident, own
    row("all of it loaded", *before)
    row(f"bzd run, on air for {seconds:g} s", *asyncio.run(running(seconds)))


def row(what: str, resident_kib: int, own_kib: int) -> None:
    """Print one line."""
    print(f"{what:34} {resident_kib / 1024:9.1f} {own_kib / 1024:9.1f}")


async def running(seconds: float) -> tuple[int, int]:
    """Resident and own KiB of a daemon that has been on air for so long."""
    with tempfile.TemporaryDirectory() as folder:
        bus = SystemBus(Path(folder))
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={bus.socket}"
        bus.start()
        try:
            async with a_daemon(Path(folder)) as (daemon, _):
                await asyncio.sleep(seconds)
                found = daemon.memory_kib()
        finally:
            bus.stop()
    return found["Rss"], found["Anonymous"]


if __name__ == "__main__":
    main()
