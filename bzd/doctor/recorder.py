# SPDX-License-Identifier: Apache-2.0
"""btmon as a recorder of what the kernel asks of a controller; needs root."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bzd.errors import RadioError
from bzd.traces.btsnoop import FILE_HEADER
from bzd.traces.exchanges import Exchange, exchanges
from bzd.traces.source import ByteStream

BTMON = "btmon"
LONGEST_S = 300
"""btmon ends by itself after this, also if whoever started it was killed."""
_MEMORY = Path("/run")
"""A file system in memory (file-hierarchy(7)): nothing of strangers comes onto the card."""
_START_S, _END_S = 10.0, 5.0
_QUIET = asyncio.subprocess.DEVNULL


class Recording:
    """What was recorded; it goes when this is dropped.

    Args:
        file: of btmon, without a name already.
        adapter: number of the adapter.
    """

    def __init__(self, file: BinaryIO, adapter: int) -> None:
        self._file = file
        self._adapter = adapter

    def exchanges(self) -> Iterator[Exchange]:
        """What the kernel asked of the adapter; to be called once, when nothing is recorded any more.

        Raises:
            TraceError: if btmon wrote something else.
        """
        yield from exchanges(ByteStream(self._file.read), self._adapter)


@asynccontextmanager
async def recording(adapter: str) -> AsyncIterator[Recording]:
    """Record the HCI traffic of an adapter (its name, for example `hci0`) until the block ends.

    Raises:
        RadioError: if there is no btmon, or it does not record.
    """
    program = shutil.which(BTMON)
    if program is None:
        raise RadioError("there is no btmon, which records what the radio does", "`apt install bluez` brings it")
    with ExitStack() as stack:
        process = None
        try:
            with tempfile.TemporaryDirectory(prefix="bzd-trial-", dir=_memory()) as folder:
                path = Path(folder) / "hci"
                words = ("timeout", str(LONGEST_S), program, "-i", adapter, "-w", str(path))
                process = await asyncio.create_subprocess_exec(*words, stdin=_QUIET, stdout=_QUIET, stderr=_QUIET)
                await _started(process, path, adapter)
                file = stack.enter_context(path.open("rb", buffering=0))
            yield Recording(file, int(adapter.removeprefix("hci")))
        finally:
            if process is not None:
                await _end(process)


def _memory() -> Path | None:
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None


async def _started(process: asyncio.subprocess.Process, path: Path, adapter: str) -> None:
    """Wait until it records: it writes a header at once, and then what it knows of the adapters."""
    end = time.monotonic() + _START_S
    while _size(path) <= FILE_HEADER.size:
        if process.returncode is not None or time.monotonic() > end:
            raise RadioError("btmon does not record", f"try `{BTMON} -i {adapter}`; it needs root")
        await asyncio.sleep(0.05)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
