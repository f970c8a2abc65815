# SPDX-License-Identifier: Apache-2.0
"""The guest's wall clock: set as a time server sets it, or by hand, and put right again at the end.

A hand that sets the clock makes the kernel call it unsynchronised (ntp_clear in kernel/time/ntp.c); a time server says
in the same call how far it may be wrong (adjtimex(2), as systemd-timesyncd uses it), and that is what bzd judges by.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.guest import bluez

_MAXERROR, _ESTERROR, _STATUS, _SETOFFSET, _NANO = 0x0004, 0x0008, 0x0010, 0x0100, 0x2000
"""Modes of adjtimex(2), from include/uapi/linux/timex.h."""
_VOUCHER = Path("/run/systemd/timesync/synchronized")
"""What it leaves when it has set the clock (systemd-timesyncd.service(8)); the guest has none."""
_ERROR_US = 50_000
"""So wrong does the time server say that it may be."""


class _Timex(ctypes.Structure):
    """The beginning of struct timex (adjtimex(2)), and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
        ("rest", ctypes.c_byte * 512),
    )


def boottime() -> float:
    """Seconds since the guest was booted, which nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextmanager
def put_right() -> Iterator[None]:
    """Put the clock back afterwards, as if nobody had touched it: other scenarios follow in this guest."""
    began, boot = time.time(), boottime()
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, began + boottime() - boot)


def serve(wall: float) -> None:
    """Set the clock as a time server does.

    Args:
        wall: the time, UTC unix seconds.

    Raises:
        OSError: if the kernel refuses.
    """
    seconds, nanoseconds = divmod(round((wall - time.time()) * 1e9), 1_000_000_000)
    modes = _SETOFFSET | _NANO | _MAXERROR | _ESTERROR | _STATUS
    timex = _Timex(modes=modes, maxerror=_ERROR_US, esterror=_ERROR_US, seconds=seconds, nanoseconds=nanoseconds)
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def vouched() -> Iterator[None]:
    """Have systemd-timesyncd's word that the clock is right: a service that may not ask the kernel goes by that."""
    _VOUCHER.parent.mkdir(exist_ok=True)
    _VOUCHER.touch()
    try:
        yield
    finally:
        _VOUCHER.unlink()


def pass_by(seconds: float) -> None:
    """Let the clock be right, and so many seconds later, or earlier."""
    serve(time.time() + seconds)


async def set_by_hand(wall: float) -> None:
    """Set the clock with date(1), UTC unix seconds."""
    await bluez.run("date", "--set", f"@{wall:.3f}")
