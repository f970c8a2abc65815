# SPDX-License-Identifier: Apache-2.0
"""The badge as a service of the guest: what an admin does to it and asks of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.guest import bluez

UNIT = "bzd.service"
STATE = Path("/var/lib/bzd")
BZD = "/opt/bzd/bin/bzd"


class Outcome(NamedTuple):
    """What a program came to: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


async def call(*words: str) -> Outcome:
    """Run a program, whatever it comes to."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return Outcome(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


async def shown(name: str) -> str:
    """A property of the unit."""
    return (await bluez.run("systemctl", "show", "--property", name, "--value", UNIT)).strip()


async def doctor(*words: str, under: Sequence[str] = ()) -> tuple[int, dict[str, dict[str, str]]]:
    """`bzd doctor --json`: its exit status, and its findings by check.

    Args:
        words: options.
        under: a program that starts it, with its options.
    """
    outcome = await call(*under, BZD, "doctor", "--json", *words)
    found = json.loads(outcome.out)
    return outcome.status, {check["check"]: check for check in found["checks"]}


async def trace(path: Path) -> dict[str, Any]:
    """`bzd trace info --json` of a recording."""
    found: dict[str, Any] = json.loads(await bluez.run(BZD, "trace", "info", "--json", str(path)))
    return found


async def within(seconds: float, condition: Callable[[], Any]) -> float | None:
    """Seconds until an awaitable condition was true, None if it was not in time."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if await condition():
            return round(time.monotonic() - start, 1)
        await asyncio.sleep(0.2)
    return None
