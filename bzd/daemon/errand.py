# SPDX-License-Identifier: Apache-2.0
"""Sends the matching process on its way and hears what it says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

SILENCE_S = 900.0
"""Longest that it may be busy with one file. One of 500,000 keys took 10 s on a PC's core; the smallest board is ten
times slower, and everything else there goes first."""
PROGRAM = (sys.executable, "-I", "-B", "-m", "bzd.daemon.match_worker")
"""Isolated from the environment's Python settings, and writing no byte code beside the program."""

_LINE_BYTES = 1 << 20
"""Longest line that it says, many times over: what it says of a file is a few hundred characters."""
_END_S = 5.0
"""Longest that it may take to end once it has said all."""

Heard = Callable[[Mapping[str, Any]], None]
"""Takes what the process says, an object at a time (`bzd.daemon.match_worker`)."""


async def run(request: Mapping[str, Any], heard: Heard, program: Sequence[str] = PROGRAM) -> str:
    """Run the matching process; it does not outlive this call, also where that is cancelled.

    Args:
        request: what it is asked.
        heard: takes what it says.
        program: what to run.

    Returns:
        how it ended, in words; empty if it ended well.

    Raises:
        OSError: if it cannot be started.
    """
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    # A library that starts threads would take memory for each of them.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(
        *program, stdin=pipe, stdout=pipe, stderr=null, env=environment, limit=_LINE_BYTES
    )
    try:
        await _ask(cast("asyncio.StreamWriter", process.stdin), request)
        wrong = await _listen(cast("asyncio.StreamReader", process.stdout), heard)
        if wrong:
            return wrong
        async with asyncio.timeout(_END_S):
            return _told(await process.wait())
    except TimeoutError:
        return "did not end"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ask(channel: asyncio.StreamWriter, request: Mapping[str, Any]) -> None:
    with suppress(OSError):  # it has died already, which its end tells
        channel.write(json.dumps(request).encode())
        await channel.drain()
        channel.close()


async def _listen(channel: asyncio.StreamReader, heard: Heard) -> str:
    """Hear all that it says; what was wrong with that, empty if nothing."""
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                line = await channel.readline()
            found = json.loads(line) if line else None
        except TimeoutError:
            return f"took more than {SILENCE_S:.0f} s"
        except ValueError:
            found = ()
        if found is None:
            return ""
        if not isinstance(found, dict):
            return "said what makes no sense"
        heard(found)


def _told(code: int) -> str:
    if code == 0:
        return ""
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"failed with code {code}"
