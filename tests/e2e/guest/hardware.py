# SPDX-License-Identifier: Apache-2.0
"""Hardware of a Raspberry Pi that the guest is given for a while: its Wi-Fi, and an SD card under the store."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bzd.doctor.system_checks import SETTLED_S, WRITTEN_WARNING_BYTES
from tests.e2e.guest import bluez, wall
from tests.e2e.guest.badge import STATE, within
from tests.e2e.guest.bed import Bed, BedError

_FIRMWARE = Path("/sys/firmware")
_WIFI = "wlan0"
_MHZ = 2412
"""Channel 1, in the band of Bluetooth."""
_JOINED_S = 30.0
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
"""From include/uapi/linux/sockios.h and if.h; a struct ifreq is 40 bytes, the name the first 16."""
AGED = ("unshare", "--time", "--fork", "--boottime", f"{SETTLED_S:.0f}")
"""Starts a program for which the machine was booted that much earlier (time_namespaces(7))."""
_CARD = "/dev/mmcblk0"
"""Of every guest, see `tests.e2e.host.machine`."""
_DAILY_BYTES = 1.2 * WRITTEN_WARNING_BYTES
"""More than doctor takes for harmless."""
_DAY_S = 86400.0
_WRITTEN_AT_ONCE = 16 << 20


@asynccontextmanager
async def wifi(_: Bed) -> AsyncIterator[None]:
    """A Raspberry Pi whose Wi-Fi is in a network at 2.4 GHz: a radio of mac80211_hwsim, and the board's name."""
    await bluez.run("modprobe", "mac80211_hwsim", "radios=1")
    await bluez.run("mount", "-t", "tmpfs", "tmpfs", str(_FIRMWARE))
    try:
        model = _FIRMWARE / "devicetree/base/model"
        model.parent.mkdir(parents=True)
        model.write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
        # A mesh has no other member to wait for.
        await bluez.run("iw", "dev", _WIFI, "set", "type", "mesh")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", _WIFI.encode(), _IFF_UP))
        await bluez.run("iw", "dev", _WIFI, "mesh", "join", "neighbours", "freq", str(_MHZ))
        if await within(_JOINED_S, _is_up) is None:
            raise BedError(f"{_WIFI} is not up after {_JOINED_S:g} s")
        yield
    finally:
        await bluez.run("umount", str(_FIRMWARE))
        await bluez.run("modprobe", "-r", "mac80211_hwsim")


async def _is_up() -> bool:
    return (Path("/sys/class/net") / _WIFI / "operstate").read_text() == "up\n"


@asynccontextmanager
async def card(_: Bed) -> AsyncIterator[None]:
    """An SD card in place of the store's disk, to which too much is written for a machine as old as `AGED` says."""
    await bluez.run("mkfs.ext4", "-qF", _CARD)
    await bluez.run("mount", _CARD, str(STATE))
    try:
        left = _DAILY_BYTES * (SETTLED_S + wall.boottime()) / _DAY_S
        with (STATE / "log").open("wb") as file:
            while left > 0:
                file.seek(0)
                left -= file.write(bytes(_WRITTEN_AT_ONCE))
                file.flush()
                os.fsync(file.fileno())
        yield
    finally:
        await bluez.run("umount", str(STATE))
