# SPDX-License-Identifier: Apache-2.0
"""Sockets that take no longer than they may: neither for one answer nor, byte by byte, for all of it."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import Any

STALL_S = 30.0
"""Seconds in which some byte must come: a Wi-Fi that hands a badge to its next access point is back in a few."""
TRANSFER_S = 600.0
"""Seconds for a whole file: the largest, 32 MB, at 56 kB/s."""

_MAX_ADDRESSES = 4
"""IP addresses of a host that are tried: a name server may give thousands, each good for a stall."""


class Limit:
    """The time that is left for a transfer.

    Args:
        seconds: for all of it.
        stall: for each byte of it.
        now: a clock that nobody sets.
    """

    def __init__(
        self, seconds: float = TRANSFER_S, stall: float = STALL_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._stall = stall
        self._now = now
        self._end = now() + seconds

    def next(self) -> float:
        """Seconds that the next step may take.

        Raises:
            TimeoutError: if none are left.
        """
        left = self._end - self._now()
        if left <= 0:
            raise TimeoutError("it takes too long")
        return min(left, self._stall)


class PacedSocket:
    """As much of a socket as `http.client` needs, each step under the limit that is in force.

    Args:
        plain: the socket, connected, with or without TLS.
        limit: the limit of the first transfer.
    """

    def __init__(self, plain: socket.socket, limit: Limit) -> None:
        self._socket = plain
        self.limit = limit

    def sendall(self, data: Any) -> None:
        """Send a request."""
        self._socket.settimeout(self.limit.next())
        self._socket.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """What comes back."""
        return io.BufferedReader(_Incoming(self._socket, self))

    def close(self) -> None:
        """End the connection; what `makefile` gave still reads what came."""
        self._socket.close()


class _Incoming(io.RawIOBase):
    """The bytes that come in, each read under the limit."""

    def __init__(self, plain: socket.socket, of: PacedSocket) -> None:
        self._socket = plain
        self._of = of
        # Keeps the descriptor open as long as somebody reads, as the files that sockets make do.
        self._raw = plain.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._of.limit.next())
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def dial(host: str, port: int, limit: Limit) -> socket.socket:
    """A connection to the first of a host's addresses that takes one.

    Raises:
        OSError: why the last one did not, or why there is none.
    """
    failure: OSError = OSError("it has no address")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, place in found[:_MAX_ADDRESSES]:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(limit.next())
            connection.connect(place)
        except OSError as error:
            connection.close()
            failure = error
            continue
        return connection
    raise failure
