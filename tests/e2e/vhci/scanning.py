# SPDX-License-Identifier: Apache-2.0
"""The scanning half of a virtual controller, with the filter of duplicates that decides how much a host hears."""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING

from tests.e2e.vhci.wire import Command, Commands, Frame, Kind, Refused, Status, extended_report, report

if TYPE_CHECKING:
    from tests.e2e.vhci.controller import Controller

_SLOT_MS = 0.625
_ONE_M_PHY = 0x01


class Duplicates(Enum):
    """What makes a report a duplicate. The specification (7.8.11) leaves it to the vendor; both kinds are sold."""

    DATA = "data"
    """The same address, kind and data."""
    ADDRESS = "address"
    """The same address and kind."""


class Scanner:
    """Scan state of a controller.

    Attributes:
        enabled: whether it scans.
        active: whether it sends scan requests.
        filtering: whether the filter of duplicates is on.
        filtered: reports that the filter of duplicates held back, in all.
        heard: frames that arrived while it scanned, in all, scan responses included.
        starts: how often it began to scan, in all.
        settings: interval and window in ms and the own address type of the last scan, for the journal.
    """

    def __init__(self, controller: Controller, duplicates: Duplicates) -> None:
        self._controller = controller
        self._duplicates = duplicates
        self.filtered = 0
        self.heard = 0
        self.starts = 0
        self.reset()

    def reset(self) -> None:
        """Stop, and forget the settings."""
        self.enabled = self.active = self.filtering = False
        self._own_type = 0
        self.settings: dict[str, float | bool] = {}
        self._seen: set[tuple[bytes, Kind, bytes]] = set()

    def commands(self) -> Commands:
        """The commands, by opcode: of the one family or the other, which a host may not mix (3.1.1)."""
        if self._controller.extended:
            return {
                0x2041: Command(self._extended_parameters, (37, 5)),  # LE Set Extended Scan Parameters, 7.8.64
                0x2042: Command(self._enable, (37, 6)),  # LE Set Extended Scan Enable, 7.8.65
            }
        return {
            0x200B: Command(self._legacy_parameters, (26, 2)),  # LE Set Scan Parameters, 7.8.10
            0x200C: Command(self._enable, (26, 3)),  # LE Set Scan Enable, 7.8.11
        }

    def hear(self, frame: Frame, rssi: int) -> None:
        """A frame is on air: report it, and if this is an active scan ask for the scan response and report that."""
        if not self.enabled:
            return
        self._report(frame, frame.kind, frame.data, rssi)
        if self.active and frame.scannable:
            address, random = self._controller.own_address(self._own_type)
            self._controller.medium.journal.request(self._controller.index, address, frame.address, random=random)
            self._report(frame, Kind.SCAN_RESPONSE, frame.response, rssi)

    def _report(self, frame: Frame, kind: Kind, data: bytes, rssi: int) -> None:
        self.heard += 1
        if self.filtering:
            key = (frame.address, kind, data if self._duplicates is Duplicates.DATA else b"")
            if key in self._seen:
                self.filtered += 1
                return
            self._seen.add(key)
        encode = extended_report if self._controller.extended else report
        self._controller.deliver(encode(frame, kind, data, rssi))

    def _legacy_parameters(self, parameters: bytes) -> bytes:
        kind, interval, window, own_type, _ = struct.unpack("<BHHBB", parameters)
        return self._set(active=kind == 1, interval=interval, window=window, own_type=own_type)

    def _extended_parameters(self, parameters: bytes) -> bytes:
        own_type, _, phys = struct.unpack_from("<BBB", parameters)
        if not phys & _ONE_M_PHY:
            raise Refused(Status.INVALID_PARAMETERS)
        kind, interval, window = struct.unpack_from("<BHH", parameters, 3)
        return self._set(active=kind == 1, interval=interval, window=window, own_type=own_type)

    def _set(self, *, active: bool, interval: int, window: int, own_type: int) -> bytes:
        """Take scan parameters; disallowed while scanning (7.8.10)."""
        if self.enabled:
            raise Refused(Status.COMMAND_DISALLOWED)
        self.active, self._own_type = active, own_type
        self.settings = {"interval_ms": interval * _SLOT_MS, "window_ms": window * _SLOT_MS, "own_type": own_type}
        return b""

    def _enable(self, parameters: bytes) -> bytes:
        """Start or stop; both commands begin with the switch and the filter, and a start forgets what was seen."""
        on, duplicates = struct.unpack_from("<BB", parameters)
        if on:
            self._controller.own_address(self._own_type)
        self.enabled, self.filtering = bool(on), duplicates != 0
        self.starts += self.enabled
        self._seen.clear()
        details = {"active": self.active, "filter": self.filtering, **self.settings} if on else {}
        self._controller.note("scan", on=self.enabled, **details)
        return b""
