# SPDX-License-Identifier: Apache-2.0
"""What an admin may find one day on a badge that is installed: each fault lasts while its block does."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bzd.radio.adapter import MAIN_CONF
from tests.e2e.guest import bluez, hardware, wall
from tests.e2e.guest.badge import BZD, STATE, UNIT, call
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.installed import drop_in

_STORE = STATE / "store.sqlite"
_RECIPIENTS = STATE / "recipients"
_SWAP = Path("/var/swapfile")
_ADVERTISE = 0x200A
"""LE Set Advertising Enable (Core Specification vol. 4 part E section 7.8.9)."""
_SET_ADDRESS = 0x2005
"""LE Set Random Address (section 7.8.4)."""
_SPRING_1970 = 8_640_000.0
"""Later than 0, since the kernel sets no time that is earlier than its own start (timekeeping.c)."""


class Told(NamedTuple):
    """A fault, and how doctor tells it.

    Attributes:
        name: in words.
        check: which of doctor's checks tells it.
        verdict: what that says.
        present: makes it when it is entered, and mends it at the end.
        words: options of doctor.
        under: what starts it, for a fault that only the programs see that are started so.
    """

    name: str
    check: str
    verdict: str
    present: Callable[[Bed], AbstractAsyncContextManager[None]]
    words: tuple[str, ...] = ()
    under: tuple[str, ...] = ()


@asynccontextmanager
async def _nothing(_: Bed) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def unplugged(bed: Bed) -> AsyncIterator[None]:
    """The adapter is gone."""
    await bed.radio("unplug", number=0)
    await asyncio.sleep(1)
    try:
        yield
    finally:
        await bed.radio("plug", number=0)
        await bluez.powered("hci0")


@asynccontextmanager
async def _privacy(_: Bed) -> AsyncIterator[None]:
    before = MAIN_CONF.read_text()
    MAIN_CONF.write_text(f"{before}Privacy = device\n")
    try:
        yield
    finally:
        MAIN_CONF.write_text(before)


@asynccontextmanager
async def _bad_bluez(_: Bed) -> AsyncIterator[None]:
    """As after an upgrade: the program is another, the one that runs is not."""
    program = Path("/root/bluetoothd")
    program.write_text("#!/bin/sh\necho 5.87\n")
    program.chmod(0o755)
    await bluez.run("mount", "--bind", str(program), bluez.PROGRAM)
    try:
        yield
    finally:
        await bluez.run("umount", bluez.PROGRAM)
        program.unlink()


@asynccontextmanager
async def _advertiser(_: Bed) -> AsyncIterator[None]:
    """A program that somebody left running."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec("bluetoothctl", stdin=pipe, stdout=null)
    assert process.stdin is not None
    await asyncio.sleep(1)  # until it has found the adapter
    process.stdin.write(b"advertise on\n")
    await process.stdin.drain()
    await asyncio.sleep(2)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
        await asyncio.sleep(1)


@asynccontextmanager
async def _past(_: Bed) -> AsyncIterator[None]:
    with wall.put_right():
        await wall.set_by_hand(_SPRING_1970)
        yield


@asynccontextmanager
async def _stranger(_: Bed) -> AsyncIterator[None]:
    await bluez.run(BZD, "keygen", "-o", "/root/stranger.key")
    shutil.copy("/root/stranger.pub", _RECIPIENTS)
    try:
        yield
    finally:
        for path in (Path("/root/stranger.key"), Path("/root/stranger.pub"), _RECIPIENTS / "stranger.pub"):
            path.unlink()


@asynccontextmanager
async def _swap(_: Bed) -> AsyncIterator[None]:
    _SWAP.write_bytes(bytes(16 << 20))
    _SWAP.chmod(0o600)
    await bluez.run("mkswap", str(_SWAP))
    await bluez.run("swapon", str(_SWAP))
    try:
        yield
    finally:
        await bluez.run("swapoff", str(_SWAP))
        _SWAP.unlink()


@asynccontextmanager
async def _core_dumps(_: Bed) -> AsyncIterator[None]:
    await drop_in("core", "LimitCORE=infinity")
    try:
        yield
    finally:
        await drop_in("core")


@asynccontextmanager
async def _disabled(_: Bed) -> AsyncIterator[None]:
    await bluez.run("systemctl", "disable", UNIT)
    try:
        yield
    finally:
        await bluez.run("systemctl", "enable", UNIT)


@asynccontextmanager
async def _failed(_: Bed) -> AsyncIterator[None]:
    await drop_in("failing", "ExecStartPre=/bin/false", "Restart=no")
    await call("systemctl", "start", UNIT)
    try:
        yield
    finally:
        await drop_in("failing")
        await bluez.run("systemctl", "reset-failed", UNIT)


@asynccontextmanager
async def _no_store(_: Bed) -> AsyncIterator[None]:
    away = _STORE.rename(STATE / "away")
    try:
        yield
    finally:
        away.rename(_STORE)


@asynccontextmanager
async def _damage(_: Bed) -> AsyncIterator[None]:
    before = _STORE.read_bytes()
    with _STORE.open("r+b") as file:
        file.write(os.urandom(4096))
    try:
        yield
    finally:
        with _STORE.open("r+b") as file:
            file.write(before)


@asynccontextmanager
async def _foreign(_: Bed) -> AsyncIterator[None]:
    shutil.chown(STATE, "root")
    try:
        yield
    finally:
        shutil.chown(STATE, "bzd")


@asynccontextmanager
async def _full(_: Bed) -> AsyncIterator[None]:
    await bluez.run("mount", "-t", "tmpfs", "-o", "size=9M,mode=700", "tmpfs", str(STATE))
    try:
        yield
    finally:
        await bluez.run("umount", str(STATE))


def _refused(opcode: int) -> Callable[[Bed], AbstractAsyncContextManager[None]]:
    """The radio refuses a command."""

    @asynccontextmanager
    async def present(bed: Bed) -> AsyncIterator[None]:
        await bed.radio("fail", number=0, opcode=opcode, status="COMMAND_DISALLOWED")
        try:
            yield
        finally:
            await bed.radio("heal", number=0)

    return present


@asynccontextmanager
async def _complaint(bed: Bed) -> AsyncIterator[None]:
    """The kernel says once more that it could not set the radio's address; nobody can take that back."""
    async with _refused(_SET_ADDRESS)(bed):
        await call(BZD, "doctor", "--advertise")
    yield


RUNNING = (
    Told("a kernel that is too old", "kernel", "warning", _nothing, under=("setarch", "--uname-2.6")),
    Told("a BlueZ that is known to fail", "bluez", "warning", _bad_bluez),
    Told("a Privacy that keeps the address", "address privacy", "problem", _privacy),
    Told("another program's advertisement", "other advertisers", "warning", _advertiser),
    Told("Wi-Fi in Bluetooth's band", "wi-fi", "warning", hardware.wifi),
    Told("a clock at 1970", "clock", "problem", _past),
    Told("a recipient that was added", "recipients", "warning", _stranger),
    Told("swap on a disk", "swap", "warning", _swap),
    Told("core dumps", "core dumps", "problem", _core_dumps),
    Told("a service that will not start at boot", "service", "warning", _disabled),
    Told("an adapter that was unplugged", "adapter", "problem", unplugged),
)
"""While the badge runs; it must outlive them. With a new adapter it reads bluetoothd's Privacy, so that comes last."""
STOPPED = (
    Told("a service that was stopped", "service", "problem", _nothing),
    Told("a service that failed", "service", "problem", _failed),
    Told("a store that is gone", "store", "problem", _no_store),
    Told("a damaged store", "store", "problem", _damage),
    Told("an owner who is not the service", "permissions", "problem", _foreign),
    Told("a disk that is nearly full", "free space", "problem", _full),
    Told("a card that wears out", "card wear", "warning", hardware.card, under=hardware.AGED),
    Told("refused advertising", "advertising", "problem", _refused(_ADVERTISE), ("--advertise",)),
    Told("what the kernel says of a refused address", "kernel log", "warning", _complaint),
)
"""While it does not; the last one stays in the kernel's log until a reboot."""
