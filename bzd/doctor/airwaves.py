# SPDX-License-Identifier: Apache-2.0
"""What a controller must have sent, worked out from the commands that it obeyed.

A controller does not report its own frames, but each of them follows from its state: advertising data and the address
that the own address type selects, and, while an active scan runs, scan requests under the address of the scan
(Core specification Vol 4 Part E 7.8.4 to 7.8.11, 7.8.52 to 7.8.65; Vol 6 Part B 4.4.3 for scan requests). A command
that failed changed nothing.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from bzd.protocols import ad
from bzd.traces.exchanges import GONE, Exchange
from bzd.traces.hci import address_text

RESET, READ_VERSION = 0x0C03, 0x1001
SET_RANDOM_ADDRESS = 0x2005
ADVERTISING_PARAMETERS, ADVERTISING_DATA, ADVERTISING_ENABLE = 0x2006, 0x2008, 0x200A
SCAN_PARAMETERS, SCAN_ENABLE = 0x200B, 0x200C
SET_ADDRESS, SET_PARAMETERS, SET_DATA, SETS_ENABLE = 0x2035, 0x2036, 0x2037, 0x2039
SET_REMOVE, SETS_CLEAR, SET_PARAMETERS_V2 = 0x203C, 0x203D, 0x207F
EXTENDED_SCAN_PARAMETERS, EXTENDED_SCAN_ENABLE = 0x2041, 0x2042
"""Opcodes (7.3.2, 7.4.1 and 7.8)."""

PUBLIC = "the public address"
_LEGACY_SET = -1
"""The one set of a controller without extended advertising, beside handles from 0 on."""
_RANDOM_OWN_TYPES = {1, 3}
"""Own_Address_Type: 1 random, 3 resolvable or else random; 0 and 2 end at the public address."""
_STATIC = 0xC0
"""The two highest bits of a static random address (Vol 6 Part B 1.3.2.1): it stays until the controller is reset."""
_ACTIVE = 1
_VERSION = struct.Struct("<BHBHH")  # HCI version, revision, LMP version, manufacturer, LMP subversion


@dataclass(slots=True)
class _Set:
    """An advertising set: own address type, address of its own, data, and whether it is on."""

    own_type: int = 0
    address: bytes = bytes(6)
    data: bytes = b""
    on: bool = False


@dataclass(slots=True)
class Seen:
    """What was on air in a stretch of time.

    Attributes:
        carried: by address, the advertising data that was sent from it.
        sent_from: by advertising data, the addresses that it was sent from.
        beside: by the address of scan requests, the advertising data that was on air meanwhile.
        staying: what showed an address that stays: `adverts`, `scan requests`.
        failed: commands that failed: (opcode, status) to how often.
    """

    carried: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    sent_from: dict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    beside: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    staying: set[str] = field(default_factory=set)
    failed: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def linked(self) -> int:
        """Addresses by which two payloads can be linked, plus payloads that were seen under two addresses."""
        addresses = {*self.carried, *self.beside}
        together = sum(len(self.carried.get(each, set()) | self.beside.get(each, set())) > 1 for each in addresses)
        return together + sum(len(addresses) > 1 for addresses in self.sent_from.values())


class Airwaves:
    """Follows one controller through its exchanges.

    Attributes:
        seen: what was on air since the last `begin`.
        firmware: what the controller said of itself, in words; empty before it did.
    """

    def __init__(self) -> None:
        self.seen = Seen()
        self.firmware = ""
        self._commands: dict[int, Callable[[bytes], None]] = {
            SET_RANDOM_ADDRESS: self._address_set,
            ADVERTISING_PARAMETERS: self._own_type_set,
            ADVERTISING_DATA: self._data_set,
            ADVERTISING_ENABLE: self._advertising_switched,
            SCAN_PARAMETERS: self._scan_set,
            EXTENDED_SCAN_PARAMETERS: self._extended_scan_set,
            SCAN_ENABLE: self._scan_switched,
            EXTENDED_SCAN_ENABLE: self._scan_switched,
            SET_ADDRESS: self._set_address_set,
            SET_PARAMETERS: self._set_own_type_set,
            SET_PARAMETERS_V2: self._set_own_type_set,
            SET_DATA: self._set_data_set,
            SETS_ENABLE: self._sets_switched,
            SET_REMOVE: self._set_removed,
            SETS_CLEAR: self._sets_removed,
        }
        self._forget()

    def begin(self) -> None:
        """Begin another stretch of time; what is on air goes on."""
        self.seen = Seen()
        self._look()

    def take(self, exchange: Exchange) -> None:
        """Take in one exchange; parameters that are too short for their command change nothing."""
        if exchange.opcode in {GONE, RESET}:
            self._forget()
        elif exchange.status:
            self.seen.failed[exchange.opcode, exchange.status] += 1
        else:
            try:
                if exchange.opcode == READ_VERSION:
                    hci, _, lmp, maker, sub = _VERSION.unpack_from(exchange.returned)
                    self.firmware = f"maker {maker}, HCI {hci}, LMP {lmp} subversion {sub:#06x}"
                elif obey := self._commands.get(exchange.opcode):
                    obey(exchange.parameters)
                    self._look()
            except (struct.error, IndexError):
                return

    def _forget(self) -> None:
        self._sets: dict[int, _Set] = {}
        self._address = bytes(6)
        self._scan_own_type, self._active, self._scanning = 0, False, False

    def _set(self, handle: int) -> _Set:
        return self._sets.setdefault(handle, _Set())

    def _address_set(self, given: bytes) -> None:
        self._address = given[:6]

    def _own_type_set(self, given: bytes) -> None:
        self._set(_LEGACY_SET).own_type = given[5]

    def _data_set(self, given: bytes) -> None:
        self._set(_LEGACY_SET).data = given[1 : 1 + given[0]]

    def _advertising_switched(self, given: bytes) -> None:
        self._set(_LEGACY_SET).on = given[0] == 1

    def _scan_set(self, given: bytes) -> None:
        self._active, self._scan_own_type = given[0] == _ACTIVE, given[5]

    def _extended_scan_set(self, given: bytes) -> None:
        self._scan_own_type, self._active = given[0], given[3] == _ACTIVE

    def _scan_switched(self, given: bytes) -> None:
        self._scanning = given[0] == 1

    def _set_address_set(self, given: bytes) -> None:
        self._set(given[0]).address = given[1:7]

    def _set_own_type_set(self, given: bytes) -> None:
        self._set(given[0]).own_type = given[10]

    def _set_data_set(self, given: bytes) -> None:
        self._set(given[0]).data = given[4 : 4 + given[3]]

    def _sets_switched(self, given: bytes) -> None:
        named = [given[2 + 4 * position] for position in range(given[1])]
        for handle in named or list(self._sets):
            self._set(handle).on = given[0] == 1

    def _set_removed(self, given: bytes) -> None:
        self._sets.pop(given[0], None)

    def _sets_removed(self, _given: bytes) -> None:
        self._sets.clear()

    def _look(self) -> None:
        """Note what is on air now."""
        payloads = set()
        for handle, advertising in self._sets.items():
            if not advertising.on:
                continue
            own = self._address if handle == _LEGACY_SET else advertising.address
            address = self._named(own, advertising.own_type, "adverts")
            if payload := without_flags(advertising.data):
                payloads.add(payload)
                self.seen.carried[address].add(payload)
                self.seen.sent_from[payload].add(address)
        if self._scanning and self._active:
            self.seen.beside[self._named(self._address, self._scan_own_type, "scan requests")] |= payloads

    def _named(self, address: bytes, own_type: int, where: str) -> str:
        """The address that an own address type selects, as text; noted if it stays."""
        if own_type not in _RANDOM_OWN_TYPES:
            self.seen.staying.add(where)
            return PUBLIC
        if address[-1] >= _STATIC:
            self.seen.staying.add(where)
        return address_text(address)


def without_flags(data: bytes) -> bytes:
    """Advertising data without the flags that the kernel puts before it; empty where there is nothing else."""
    return b"".join(ad.structure(kind, payload) for kind, payload in ad.split(data) if kind != ad.FLAGS)
