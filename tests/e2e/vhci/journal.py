# SPDX-License-Identifier: Apache-2.0
"""What happened on the virtual air, kept so that a test can prove what an eavesdropper would have learnt."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from tests.e2e.vhci.wire import Frame, address_text


@dataclass(slots=True)
class Seen:
    """One thing that went on air, perhaps often.

    Attributes:
        first: when it was first sent, seconds since the journal began.
        last: when it was last sent.
        count: how often.
    """

    first: float
    last: float
    count: int = 1


class Journal:
    """Frames and scan requests of controllers, each counted once per content, and a log of all that changed.

    Attributes:
        frames: by controller index, address, address type (`public`, `random`) and data (hex).
        requests: scan requests, by controller index, own address, its type, and the address that was asked.
    """

    def __init__(self, log: TextIO | None = None) -> None:
        """Begin, at time 0, with a file for the log or without one."""
        self._log = log
        self._start = time.monotonic()
        self.frames: dict[tuple[int, str, str, str], Seen] = {}
        self.requests: dict[tuple[int, str, str, str], Seen] = {}

    def note(self, event: str, **details: Any) -> None:
        """Write a line to the log: a JSON object with `t`, seconds since the start, and `event`."""
        if self._log is not None:
            line = json.dumps({"t": round(self._now(), 4), "event": event, **details})
            print(line, file=self._log, flush=True)

    def frame(self, controller: int, frame: Frame) -> None:
        """A controller sent an advertising PDU."""
        key = (controller, address_text(frame.address), _type(frame.random), frame.data.hex())
        if self._count(self.frames, key):
            self.note("on_air", hci=key[0], address=key[1], address_type=key[2], data=key[3])

    def request(self, controller: int, own: bytes, target: bytes, *, random: bool) -> None:
        """A controller sent a scan request under its own address `own`."""
        key = (controller, address_text(own), _type(random), address_text(target))
        if self._count(self.requests, key):
            self.note("scan_request", hci=key[0], own=key[1], own_type=key[2], target=key[3])

    def on_air(self) -> Iterator[dict[str, Any]]:
        """The frames as JSON objects, in the order in which they first went on air."""
        for (hci, address, kind, data), seen in self.frames.items():
            row = {"hci": hci, "address": address, "address_type": kind, "data": data}
            yield row | {"first": seen.first, "last": seen.last, "count": seen.count}

    def scan_requests(self) -> Iterator[dict[str, Any]]:
        """The scan requests as JSON objects, in the order in which they first went on air."""
        for (hci, own, kind, target), seen in self.requests.items():
            row = {"hci": hci, "own": own, "own_type": kind, "target": target}
            yield row | {"first": seen.first, "last": seen.last, "count": seen.count}

    def _count(self, table: dict[tuple[int, str, str, str], Seen], key: tuple[int, str, str, str]) -> bool:
        """Count a thing; whether it is new."""
        now = self._now()
        if seen := table.get(key):
            seen.last = now
            seen.count += 1
            return False
        table[key] = Seen(now, now)
        return True

    def _now(self) -> float:
        return time.monotonic() - self._start


def _type(random: bool) -> str:  # noqa: FBT001  a name for a bit
    return "random" if random else "public"
