# SPDX-License-Identifier: Apache-2.0
"""The clocks, injected: whatever needs to know the time is given one, so that tests and simulations own it.

A Raspberry Pi has no clock of its own: it starts with the time of its last shutdown, or with 1970, and is set right
when it reaches a time server. So there are two clocks. The wall clock may be wrong and jump; CLOCK_BOOTTIME counts
seconds since boot, suspend included, and nothing sets it. Linux slews both alike, so that their difference changes only
when the wall clock is set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Names this boot (random(4))."""
BOOT_ID_VARIABLE = "BZD_BOOT_ID"
"""Names this boot where /proc is closed: the unit sets it to systemd's specifier %b (systemd.unit(5))."""
UNSYNCHRONISED_US = 16_000_000
"""The kernel's maxerror, in microseconds, of a clock that nobody keeps right: NTP_PHASE_LIMIT in include/linux/timex.h.
timedatectl judges by it as well. STA_UNSYNC is no sign: chrony sets it to keep the kernel from writing to the RTC."""

_TIMEX_BYTES = 512
"""More than sizeof(struct timex), 208 on 64-bit Linux (adjtimex(2))."""


def rfc3339(seconds: float) -> str:
    """UTC unix seconds as RFC 3339 UTC with milliseconds and `Z`."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


class Clock(Protocol):
    """Tells UTC unix seconds."""

    def now(self) -> float:
        """The wall clock, UTC unix seconds."""
        ...


class BadgeClock(Clock, Protocol):
    """Both clocks of a badge, and whether its wall clock is known to be right."""

    def boottime(self) -> float:
        """Seconds since boot, suspend included."""
        ...

    def boot_id(self) -> bytes:
        """16 bytes that name this boot."""
        ...

    def synchronised(self) -> bool | None:
        """Whether a time server keeps the wall clock right; None where that cannot be told from here."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """The wall clock, UTC unix seconds."""
        return time.time()

    def boottime(self) -> float:
        """Seconds since boot, suspend included (clock_gettime(2))."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> bytes:
        """16 bytes that name this boot; from the environment, else the kernel, else zeros."""
        try:
            text = os.environ.get(BOOT_ID_VARIABLE) or BOOT_ID.read_text(encoding="ascii")
            found = bytes.fromhex(text.strip().replace("-", ""))
        except (OSError, ValueError):
            return bytes(16)
        return found if len(found) == 16 else bytes(16)

    def synchronised(self) -> bool | None:
        """Whether a time server keeps the wall clock right; None where the kernel may not be asked.

        adjtimex(2) needs no privilege to read, but is filtered in some sandboxes.
        """
        error = _maximum_error_us()
        return None if error is None else error < UNSYNCHRONISED_US


class FixedClock:
    """A clock that stands still until it is set; for tests and simulations."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        """What it was set to, UTC unix seconds."""
        return self.time


def _maximum_error_us() -> int | None:
    """The kernel's own estimate of the wall clock's greatest error in microseconds; None if it may not be asked."""
    import ctypes  # noqa: PLC0415  10 ms that only the daemon needs

    class Timex(ctypes.Structure):
        """The beginning of struct timex (adjtimex(2)); modes 0 only reads."""

        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("rest", ctypes.c_byte * _TIMEX_BYTES),
        )

    timex = Timex()
    try:
        result = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if result < 0 else int(timex.maxerror)
