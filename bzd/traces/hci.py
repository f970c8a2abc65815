# SPDX-License-Identifier: Apache-2.0
"""HCI packets to advertisements: the LE Meta event's advertising reports, and the commands that start a scan.

Source: Core specification Vol 4 Part E, sections 5.4 (packets), 7.7.65.2 (LE Advertising Report), 7.7.65.11 (LE
Directed Advertising Report), 7.7.65.13 (LE Extended Advertising Report), 7.8.10, 7.8.11, 7.8.64 and 7.8.65 (scan
parameters and scan enable commands).

Scan responses are given out as advertisements of their own, as BlueZ does: no protocol here uses them, but a badge's
name may stand in one. Directed advertisements carry no data and are given out with none. Values that mean "not
available" (RSSI 127) arrive as they are: dropping them is the pipeline's work, and counted there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache

from bzd.model import Advertisement
from bzd.protocols import ad
from bzd.traces.counts import TraceCounts
from bzd.traces.fragments import COMPLETE, Fragments
from bzd.traces.listening import ScanLog

Decoder = Callable[[float, bytes], Sequence[Advertisement]]
"""Turns one record (unix seconds, packet) into the advertisements that it holds."""

COMMAND, ACL_DATA, SCO_DATA, EVENT, ISO_DATA = 1, 2, 3, 4, 5
"""H4 packet indicators (Core specification Vol 4 Part A 2)."""
LE_META, VENDOR = 0x3E, 0xFF
"""Event codes (Core specification Vol 4 Part E 7.7.65 and 5.4.4)."""
ADVERTISING_REPORT, DIRECTED_REPORT, EXTENDED_REPORT = 0x02, 0x0B, 0x0D
"""Subevent codes of the LE Meta event."""
SET_SCAN_ENABLE, SET_EXTENDED_SCAN_ENABLE = 0x200C, 0x2042
"""Commands; the first parameter of both is 1 to start and 0 to stop."""
SET_SCAN_PARAMETERS, SET_EXTENDED_SCAN_PARAMETERS = 0x200B, 0x2041
"""Commands that say how much of the time the next scan listens."""
_SCAN_PARAMETERS = struct.Struct("<xHH")  # type, interval, window

ADDRESS_TYPES = {0: "public", 1: "random", 2: "public", 3: "random"}
"""Address_Type; 2 and 3 are identity addresses that the controller resolved. 0xFF (anonymous) has no address."""
ANONYMOUS = 0xFF
NO_TX_POWER = 127
"""Tx_Power of an extended report where there is none."""
_LEGACY = 0x10
"""Event_Type bit 4 of an extended report: the advertiser used legacy PDUs, which have no fragments."""

# Event code, length, subevent, number of reports, event type, address type, address, size.
_ONE_REPORT = struct.Struct("<BBBBBB6sB")
_ONE_REPORT_SIZE = 12
"""Octets of the parameters of an event of one report, besides its data."""
_ONE_EXTENDED = struct.Struct("<BBBBHB6sBBBbHB6sB")  # the same of an extended report, with its RSSI taken out
_ONE_EXTENDED_SIZE = 26
_RSSI = 17
"""Where the RSSI stands in an event of one extended report."""
_REPORT = struct.Struct("<BB6sB")  # event type, address type, address, size
EXTENDED = struct.Struct("<HB6sBBBbbHB6sB")  # ..., phys, SID, tx power, RSSI, interval, direct address, size
_DIRECTED = struct.Struct("<BB6sB6sb")  # event type, address type, address, direct address type, direct address, RSSI

_ADDRESSES = 16384
"""Addresses remembered as text; phones change theirs every 15 minutes, so a crowd of a thousand fits an hour."""
_REPORTS = 8192
"""Reports remembered but for their RSSI, as many as `bzd.protocols` remembers payloads: at about 500 bytes each, 4 MB
under a flood of reports that never repeat."""
_new = tuple.__new__


@lru_cache(maxsize=_ADDRESSES)
def address_text(raw: bytes) -> str:
    """A device address as BlueZ prints it, from the six octets in the order of the wire (least significant first)."""
    return raw[::-1].hex(":").upper()


def tx_power_in(data: bytes) -> int | None:
    """The level in dBm of the TX Power AD structure in advertising data, None without one."""
    if b"\x02\x0a" not in data:  # the length and type of the structure; nearly no data has them
        return None
    levels = (payload for kind, payload in ad.split(data) if kind == ad.TX_POWER and len(payload) == 1)
    return next((int.from_bytes(level, "little", signed=True) for level in levels), None)


_Report = tuple[str, str | None, bytes, int | None]
"""Address, address type, data and tx power: a report without time and RSSI, which seldom repeat."""


@lru_cache(maxsize=_REPORTS)
def _one_report(event: bytes) -> _Report | None:
    """An LE Advertising Report event of one report, without its last octet, the RSSI; None if it is anything else."""
    code, size, _, reports, _, kind, address, length = _ONE_REPORT.unpack_from(event)
    if code != LE_META or reports != 1 or size != _ONE_REPORT_SIZE + length or len(event) != 1 + size:
        return None
    data = event[_ONE_REPORT.size :]
    return address_text(address), ADDRESS_TYPES.get(kind), data, tx_power_in(data)


@lru_cache(maxsize=_REPORTS)
def _one_extended(event: bytes) -> _Report | None:
    """An LE Extended Advertising Report event of one whole report, without its RSSI; None if it is anything else."""
    if len(event) < _ONE_EXTENDED.size:
        return None
    fields = _ONE_EXTENDED.unpack_from(event)
    code, size, _, reports, event_type, kind, address, _, _, _, power, _, _, _, length = fields
    if code != LE_META or reports != 1 or size != _ONE_EXTENDED_SIZE + length or len(event) != 1 + size:
        return None
    if not event_type & _LEGACY and event_type >> 5 & 3 != COMPLETE:
        return None
    data = event[_ONE_EXTENDED.size :]
    named = "" if kind == ANONYMOUS else address_text(address)
    return named, ADDRESS_TYPES.get(kind), data, tx_power_in(data) if power == NO_TX_POWER else power


class HciDecoder:
    """Decodes the HCI packets of one trace."""

    def __init__(self, counts: TraceCounts, scans: ScanLog) -> None:
        self._counts = counts
        self._scans = scans
        self._fragments = Fragments(counts)

    def h4(self, time: float, packet: bytes) -> Sequence[Advertisement]:
        """A packet behind its H4 packet indicator."""
        kind = packet[0] if packet else 0
        if kind == EVENT:
            return self.event(time, packet, 1)
        if kind == COMMAND:
            return self.command(time, packet, 1)
        return self.other(time, packet)

    def pseudo_headed(self, time: float, packet: bytes) -> Sequence[Advertisement]:
        """An H4 packet behind four octets of direction (link type 201)."""
        return self.h4(time, packet[4:])

    def event(self, time: float, packet: bytes, at: int = 0, adapter: int = 0) -> Sequence[Advertisement]:
        """An event packet, of one of several adapters, that begins at octet `at`."""
        # Nearly every event of a long trace is one report that was heard before with another RSSI.
        subevent = packet[at + 2] if len(packet) > at + _ONE_REPORT.size else 0
        if subevent == ADVERTISING_REPORT:
            report, rssi = _one_report(packet[at:-1]), packet[-1]
        elif subevent == EXTENDED_REPORT and not self._fragments.pending and len(packet) > at + _RSSI:
            rssi = packet[at + _RSSI]
            report = _one_extended(packet[at : at + _RSSI] + packet[at + _RSSI + 1 :])
        else:
            report, rssi = None, 0
        if report is None:
            return self._event(time, packet, at, adapter)
        address, kind, data, tx_power = report
        # The constructor of a named tuple, written in Python, takes twice as long.
        return (_new(Advertisement, (time, address, kind, rssi - 256 if rssi > 127 else rssi, data, tx_power)),)

    def command(self, time: float, packet: bytes, at: int = 0) -> Sequence[Advertisement]:
        """A command packet that begins at octet `at`; scans that start and stop are noted."""
        self._counts.other += 1
        opcode = int.from_bytes(packet[at : at + 2], "little")
        parameters = packet[at + 3 :]
        if opcode in (SET_SCAN_ENABLE, SET_EXTENDED_SCAN_ENABLE) and parameters:
            self._scans.switched(time, on=parameters[0] == 1)
        elif opcode == SET_SCAN_PARAMETERS:
            self._note_duty(parameters)
        elif opcode == SET_EXTENDED_SCAN_PARAMETERS:
            self._note_duty(parameters[3:])  # after own address type, filter policy and the set of PHYs
        return ()

    def _note_duty(self, phys: bytes) -> None:
        """Scan type, interval and window of one PHY or several; the one that listens most counts."""
        each = (phys[start : start + _SCAN_PARAMETERS.size] for start in range(0, len(phys), _SCAN_PARAMETERS.size))
        settings = [_SCAN_PARAMETERS.unpack(setting) for setting in each if len(setting) == _SCAN_PARAMETERS.size]
        duties = [window / interval for interval, window in settings if interval]
        if duties:
            self._scans.parameters(max(duties))

    def other(self, _time: float, _packet: bytes) -> Sequence[Advertisement]:
        """A packet that is of no interest here; counted."""
        self._counts.other += 1
        return ()

    def finish(self) -> None:
        """The trace has ended: count what stayed incomplete."""
        self._fragments.finish()

    def _event(self, time: float, packet: bytes, at: int, adapter: int) -> Sequence[Advertisement]:
        if len(packet) < at + 2 or len(packet) < at + 2 + packet[at + 1]:
            return self.malformed()
        code, parameters = packet[at], packet[at + 2 : at + 2 + packet[at + 1]]
        if code == VENDOR:
            self._counts.vendor += 1
            return ()
        subevent = parameters[0] if code == LE_META and parameters else None
        if subevent == EXTENDED_REPORT:
            return self._extended(time, parameters, adapter)
        if subevent == ADVERTISING_REPORT:
            return self._legacy(time, parameters)
        if subevent == DIRECTED_REPORT:
            return self._directed(time, parameters)
        return self.other(time, packet)

    def malformed(self, found: Sequence[Advertisement] = ()) -> Sequence[Advertisement]:
        """Count a packet that contradicts its lengths; gives what was whole in it."""
        self._counts.malformed += 1
        return found

    def _legacy(self, time: float, parameters: bytes) -> Sequence[Advertisement]:
        """An LE Advertising Report event.

        The specification lists each field for all reports in turn, but controllers and BlueZ put report after report.
        """
        found: list[Advertisement] = []
        at, count = 2, parameters[1] if len(parameters) > 1 else 0
        for _ in range(count):
            start = at + _REPORT.size
            if start > len(parameters):
                return self.malformed(found)
            _, kind, address, length = _REPORT.unpack_from(parameters, at)
            at = start + length + 1
            if at > len(parameters):
                return self.malformed(found)
            data = parameters[start : at - 1]
            rssi = int.from_bytes(parameters[at - 1 : at], "little", signed=True)
            found.append(
                Advertisement(time, address_text(address), ADDRESS_TYPES.get(kind), rssi, data, tx_power_in(data))
            )
        return found if count else self.malformed(found)

    def _directed(self, time: float, parameters: bytes) -> Sequence[Advertisement]:
        count = parameters[1] if len(parameters) > 1 else 0
        if not count or len(parameters) < 2 + count * _DIRECTED.size:
            return self.malformed()
        return [
            Advertisement(time, address_text(address), ADDRESS_TYPES.get(kind), rssi, b"")
            for _, kind, address, _, _, rssi in (
                _DIRECTED.unpack_from(parameters, 2 + number * _DIRECTED.size) for number in range(count)
            )
        ]

    def _extended(self, time: float, parameters: bytes, adapter: int) -> Sequence[Advertisement]:
        found: list[Advertisement] = []
        at, count = 2, parameters[1] if len(parameters) > 1 else 0
        for _ in range(count):
            start = at + EXTENDED.size
            if start > len(parameters):
                return self.malformed(found)
            event, kind, address, _, _, sid, tx_power, rssi, _, _, _, length = EXTENDED.unpack_from(parameters, at)
            at = start + length
            if at > len(parameters):
                return self.malformed(found)
            data: bytes | None = parameters[start:at]
            if not event & _LEGACY:
                # Bits 0 to 3 tell an advertisement from the scan response to it: they have separate data.
                key = (adapter, kind, address, sid, event & 0x0F)
                data = self._fragments.join(key, time, parameters[start:at], event >> 5 & 3)
            if data is not None:
                named = "" if kind == ANONYMOUS else address_text(address)
                power = tx_power_in(data) if tx_power == NO_TX_POWER else tx_power
                found.append(Advertisement(time, named, ADDRESS_TYPES.get(kind), rssi, data, power))
        return found if count else self.malformed(found)
