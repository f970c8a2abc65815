# SPDX-License-Identifier: Apache-2.0
"""bluetoothd from outside: its configuration, its life, and what its adapters say."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

PROGRAM = "/usr/libexec/bluetooth/bluetoothd"
_MAIN_CONF = Path("/etc/bluetooth/main.conf")
_STATE = Path("/var/lib/bluetooth")
FORGET_S = 30
"""What it is where nothing is set (BlueZ, src/main.conf)."""


class ProgramError(Exception):
    """A program failed; the message holds its command line and what it said."""


async def run(*words: str) -> str:
    """Run a program and return what it printed.

    Raises:
        ProgramError: if its exit status is not 0.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    output = (await process.communicate())[0].decode(errors="replace")
    if process.returncode != 0:
        raise ProgramError(f"{' '.join(words)}: exit status {process.returncode}: {output.strip()}")
    return output


async def fresh(*, experimental: bool, forget_s: int = FORGET_S) -> None:
    """Restart bluetoothd as it is after its installation: default configuration, nothing known of any adapter.

    Args:
        experimental: a setting that may differ: whether experimental interfaces are offered.
        forget_s: the other one: seconds after which it forgets a device that it hears no more (TemporaryTimeout).
    """
    await run("systemctl", "stop", "bluetooth")
    shutil.rmtree(_STATE, ignore_errors=True)
    settings = {"Experimental": str(experimental).lower(), "TemporaryTimeout": forget_s}
    _MAIN_CONF.write_text("[General]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    await run("systemctl", "start", "bluetooth")


async def running() -> bool:
    """Whether bluetoothd lives."""
    try:
        await run("systemctl", "is-active", "--quiet", "bluetooth")
    except ProgramError:
        return False
    return True


async def main_pid() -> int:
    """The process that is bluetoothd; 0 if there is none."""
    return int(await run("systemctl", "show", "--property=MainPID", "--value", "bluetooth"))


async def powered(adapter: str) -> None:
    """Wait until bluetoothd has powered an adapter."""
    while await adapter_property(adapter, "Powered") != "true":  # noqa: ASYNC110  asked from outside, as a user would
        await asyncio.sleep(0.2)


async def set_powered(adapter: str, *, on: bool) -> None:
    """Switch an adapter on or off, as `bluetoothctl power` does."""
    where = ("org.bluez", f"/org/bluez/{adapter}", "org.bluez.Adapter1", "Powered")
    await run("busctl", "set-property", *where, "b", str(on).lower())


async def adapter_property(adapter: str, name: str) -> str | None:
    """A property of org.bluez.Adapter1 as busctl prints it; None while there is no such adapter."""
    try:
        output = await run("busctl", "get-property", "org.bluez", f"/org/bluez/{adapter}", "org.bluez.Adapter1", name)
    except ProgramError:
        return None
    return output.partition(" ")[2].strip().strip('"')


async def version() -> str:
    """The version of bluetoothd."""
    return (await run(PROGRAM, "--version")).strip()
