# SPDX-License-Identifier: Apache-2.0
"""Telling systemd how things are: the protocol of sd_notify(3), a datagram to the socket in $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_USEC = 1_000_000


class Notifier:
    """Tells the service manager; does nothing where there is none.

    Args:
        environment: has NOTIFY_SOCKET, and WATCHDOG_USEC and WATCHDOG_PID if the unit asks for a watchdog.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self._status = ""
        self._watchdog_s = _watchdog_s(environment)
        self._fed = 0.0

    def ready(self, status: str) -> None:
        """The service is up."""
        self._status = status
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """How it is, in words; sent only when it changed."""
        if status != self._status:
            self._status = status
            self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` must follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service is ending."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """Feed the watchdog, twice in its time; sd_watchdog_enabled(3) advises half of it."""
        now = time.monotonic()
        if self._watchdog_s and now - self._fed >= self._watchdog_s / 2 - 1:
            self._fed = now
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto(message.encode(), self._address)
        except OSError:
            # Nobody can be told that nobody can be told; the manager's own time-outs then decide.
            return


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Seconds within which the watchdog wants to be fed, 0.0 without one for this process."""
    if environment.get("WATCHDOG_PID") not in {None, str(os.getpid())}:
        return 0.0
    try:
        return max(int(environment.get("WATCHDOG_USEC", "0")), 0) / _USEC
    except ValueError:
        return 0.0
