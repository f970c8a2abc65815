# SPDX-License-Identifier: Apache-2.0
"""The advertising half of a virtual controller: the one set of a legacy controller, the several of an extended one."""

from __future__ import annotations

import asyncio
import random
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.e2e.vhci.wire import LEGACY_DATA_MAX, Command, Commands, Frame, Kind, Refused, Status, address_text

if TYPE_CHECKING:
    from tests.e2e.vhci.controller import Controller

_SLOT_S = 0.000625
_DELAY_S = 0.010
"""advDelay: a random 0 to 10 ms is added to each advertising interval, Vol 6 Part B 4.4.2.2.1."""
_DEFAULT_SLOTS = 0x0800
_SETS = 4
_MAX_DATA = 251
_TX_POWER_DBM = (-20, 10)


@dataclass(slots=True)
class AdvertisingSet:
    """One advertising set.

    Attributes:
        kind: what its PDUs allow.
        own_type: Own_Address_Type (7.8.5): 0 public, 1 random.
        address: random address of this set alone (7.8.52); zero if it never got one.
        slots: advertising interval in units of 0.625 ms.
        data: advertising data.
        response: scan response data.
        task: sends its PDUs while it is enabled.
    """

    kind: Kind = Kind.CONNECTABLE
    own_type: int = 0
    address: bytes = bytes(6)
    slots: int = _DEFAULT_SLOTS
    data: bytes = b""
    response: bytes = b""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def enabled(self) -> bool:
        """Whether it is on air."""
        return self.task is not None

    @property
    def interval_s(self) -> float:
        """The advertising interval in seconds."""
        return self.slots * _SLOT_S


class Advertiser(ABC):
    """What both kinds of advertiser share: sets, by handle."""

    holds_random_address = False
    """Whether advertising is on that uses the controller's random address, so that it cannot be changed (7.8.4)."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.sets: dict[int, AdvertisingSet] = {}

    @abstractmethod
    def commands(self) -> Commands:
        """The commands, by opcode."""

    @abstractmethod
    def _address(self, advertising: AdvertisingSet) -> tuple[bytes, bool]:
        """The address that a set sends under, and whether it is random."""

    def reset(self) -> None:
        """Stop and forget all sets."""
        for advertising in self.sets.values():
            self._stop(advertising)
        self.sets.clear()

    def _switch(self, advertising: AdvertisingSet, *, on: bool) -> None:
        self._stop(advertising)
        if not on:
            self._controller.note("advertising", on=False)
            return
        address, is_random = self._address(advertising)
        frame = Frame(address, is_random, advertising.kind, advertising.data)
        interval_ms = advertising.interval_s * 1000
        details = {"kind": frame.kind.name, "interval_ms": interval_ms, "random": is_random, "data": frame.data.hex()}
        self._controller.note("advertising", on=True, address=address_text(address), **details)
        advertising.task = asyncio.get_running_loop().create_task(self._send(advertising))

    def _stop(self, advertising: AdvertisingSet) -> None:
        if advertising.task is not None:
            advertising.task.cancel()
            advertising.task = None

    async def _send(self, advertising: AdvertisingSet) -> None:
        """Send until cancelled. Address and data are read anew for each PDU, since a host may change them meanwhile."""
        while True:
            address, is_random = self._address(advertising)
            frame = Frame(address, is_random, advertising.kind, advertising.data, advertising.response)
            self._controller.medium.transmit(self._controller, frame)
            await asyncio.sleep(advertising.interval_s + random.uniform(0, _DELAY_S))


class LegacyAdvertiser(Advertiser):
    """Advertising as in Core 4.2: one set, and the controller's one random address, shared with scanning."""

    @property
    def _only(self) -> AdvertisingSet:
        return self.sets.setdefault(0, AdvertisingSet())

    @property
    def holds_random_address(self) -> bool:  # type: ignore[override]  # a constant in the other kind
        """Whether it advertises (7.8.4)."""
        return self._only.enabled

    def commands(self) -> Commands:
        """The commands of 7.8.5 to 7.8.9, by opcode."""
        return {
            0x2006: Command(self._parameters, (25, 5)),  # LE Set Advertising Parameters
            0x2007: Command(lambda _: b"\x00", (25, 6)),  # LE Read Advertising Physical Channel Tx Power: 0 dBm
            0x2008: Command(self._data, (25, 7)),  # LE Set Advertising Data
            0x2009: Command(self._response, (26, 0)),  # LE Set Scan Response Data
            0x200A: Command(self._enable, (26, 1)),  # LE Set Advertising Enable
        }

    def _address(self, advertising: AdvertisingSet) -> tuple[bytes, bool]:
        return self._controller.own_address(advertising.own_type)

    def _parameters(self, parameters: bytes) -> bytes:
        if self._only.enabled:
            raise Refused(Status.COMMAND_DISALLOWED)
        low, _, kind, own_type = struct.unpack_from("<HHBB", parameters)
        self._only.slots, self._only.kind, self._only.own_type = low, Kind(kind), own_type
        return b""

    def _data(self, parameters: bytes) -> bytes:
        self._only.data = _legacy_data(parameters)
        return b""

    def _response(self, parameters: bytes) -> bytes:
        self._only.response = _legacy_data(parameters)
        return b""

    def _enable(self, parameters: bytes) -> bytes:
        self._switch(self._only, on=bool(parameters[0]))
        return b""


class ExtendedAdvertiser(Advertiser):
    """Advertising as in Core 5.0: several sets, each with a random address of its own."""

    def commands(self) -> Commands:
        """The commands of 7.8.52 to 7.8.60 and 7.8.74, by opcode."""
        return {
            0x2035: Command(self._set_address, (36, 1)),  # LE Set Advertising Set Random Address
            0x2036: Command(self._parameters, (36, 2)),  # LE Set Extended Advertising Parameters
            0x2037: Command(self._data, (36, 3)),  # LE Set Extended Advertising Data
            0x2038: Command(self._response, (36, 4)),  # LE Set Extended Scan Response Data
            0x2039: Command(self._enable, (36, 5)),  # LE Set Extended Advertising Enable
            0x203A: Command(lambda _: struct.pack("<H", _MAX_DATA), (36, 6)),  # LE Read Maximum Advertising Data Length
            0x203B: Command(lambda _: bytes([_SETS]), (36, 7)),  # LE Read Number of Supported Advertising Sets
            0x203C: Command(self._remove, (37, 0)),  # LE Remove Advertising Set
            0x203D: Command(self._clear, (37, 1)),  # LE Clear Advertising Sets
            0x204B: Command(lambda _: struct.pack("<bb", *_TX_POWER_DBM), (38, 7)),  # LE Read Transmit Power
        }

    def _address(self, advertising: AdvertisingSet) -> tuple[bytes, bool]:
        if advertising.own_type & 1 == 0:
            return self._controller.address, False
        if advertising.address == bytes(6):
            raise Refused(Status.INVALID_PARAMETERS)
        return advertising.address, True

    def _known(self, handle: int) -> AdvertisingSet:
        if handle not in self.sets:
            raise Refused(Status.UNKNOWN_ADVERTISING_IDENTIFIER)
        return self.sets[handle]

    def _set_address(self, parameters: bytes) -> bytes:
        advertising = self._known(parameters[0])
        if advertising.enabled and advertising.kind is Kind.CONNECTABLE:
            raise Refused(Status.COMMAND_DISALLOWED)
        advertising.address = parameters[1:7]
        self._controller.note("random_address", set=parameters[0], address=address_text(advertising.address))
        return b""

    def _parameters(self, parameters: bytes) -> bytes:
        advertising = self.sets.setdefault(parameters[0], AdvertisingSet())
        if advertising.enabled:
            raise Refused(Status.COMMAND_DISALLOWED)
        properties = struct.unpack_from("<H", parameters, 1)[0]
        connectable, scannable = properties & 1, properties & 2
        advertising.kind = Kind.CONNECTABLE if connectable else Kind.SCANNABLE if scannable else Kind.BROADCAST
        advertising.slots = int.from_bytes(parameters[3:6], "little")
        advertising.own_type = parameters[10]
        wanted = struct.unpack_from("<b", parameters, 19)[0]
        low, high = _TX_POWER_DBM
        return struct.pack("<b", min(max(wanted, low), high) if wanted != 127 else 0)

    def _data(self, parameters: bytes) -> bytes:
        advertising = self._known(parameters[0])
        advertising.data = _extended_data(parameters)
        return b""

    def _response(self, parameters: bytes) -> bytes:
        advertising = self._known(parameters[0])
        advertising.response = _extended_data(parameters)
        return b""

    def _enable(self, parameters: bytes) -> bytes:
        """Switch the named sets, or all if none is named and they are to stop (7.8.56)."""
        on, number = parameters[0], parameters[1]
        handles = [parameters[2 + 4 * position] for position in range(number)] or list(self.sets)
        for advertising in [self._known(handle) for handle in handles]:
            self._switch(advertising, on=bool(on))
        return b""

    def _remove(self, parameters: bytes) -> bytes:
        if self._known(parameters[0]).enabled:
            raise Refused(Status.COMMAND_DISALLOWED)
        del self.sets[parameters[0]]
        return b""

    def _clear(self, _: bytes) -> bytes:
        if any(advertising.enabled for advertising in self.sets.values()):
            raise Refused(Status.COMMAND_DISALLOWED)
        self.sets.clear()
        return b""


def _legacy_data(parameters: bytes) -> bytes:
    if parameters[0] > LEGACY_DATA_MAX:
        raise Refused(Status.INVALID_PARAMETERS)
    return parameters[1 : 1 + parameters[0]]


_COMPLETE = 0x03


def _extended_data(parameters: bytes) -> bytes:
    """Data of 7.8.54; Linux sends what fits into one command, never fragments."""
    if parameters[1] != _COMPLETE:
        raise Refused(Status.INVALID_PARAMETERS)
    return parameters[4 : 4 + parameters[3]]
