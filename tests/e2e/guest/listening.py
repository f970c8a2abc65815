# SPDX-License-Identifier: Apache-2.0
"""A bare bleak scanner in each mode: what bzd's own scanner is measured against."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bleak import BleakScanner
from bleak.args.bluez import BlueZDiscoveryFilters, BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

SERVICE = "0000fd6f-0000-1000-8000-00805f9b34fb"
"""UUID of GAEN's service."""

MODES = ("unfiltered", "active", "passive", "full", "full with payloads")
"""`unfiltered` is bleak's default, `full` a monitor that matches nothing, started first, and an active scan. The last
asks bluetoothd as `bzd.radio.scanner` does, which makes it send the payload with each report, and not the RSSI alone:
the traffic on the bus is then the same."""

_Callback = Callable[[BLEDevice, AdvertisementData], None]
_Pattern = tuple[int, AdvertisementDataType, bytes]
_FLAGS = AdvertisementDataType.FLAGS
_USUAL_FLAGS = (0x02, 0x04, 0x06, 0x1A)
_BADGE_FLAGS = 0x04
"""What the kernel puts into a badge's advertisement on an adapter without BR/EDR: not discoverable, so that BlueZ 5.82
shows it to nobody whose discovery has no filter."""
_NOTHING = OrPattern(0, _FLAGS, b"\x77")
_WITH_PAYLOADS = BlueZDiscoveryFilters(RSSI=-127, DuplicateData=True)
_PAYLOAD = 20
"""Octets of rolling ID and metadata."""
_UNKNOWN_DBM = -127
"""BlueZ's RSSI of a device at the end of a scan, which bleak hands on with the last payload."""


def proximity_data(payload: bytes, flags: int = 0x1A) -> bytes:
    """Advertising data of GAEN (Bluetooth Specification 1.2): flags, service UUID, service data."""
    return bytes([2, 0x01, flags, 3, 0x03, 0x6F, 0xFD, 3 + len(payload), 0x16, 0x6F, 0xFD]) + payload


def crowd_data() -> str:
    """For the radio's `crowd`: data of as many badges as there are numbers to put in, each with an ID of its own."""
    head = proximity_data(bytes(_PAYLOAD), _BADGE_FLAGS).hex()[: -2 * _PAYLOAD]
    return f"{head}{{:04x}}{os.urandom(_PAYLOAD - 2).hex()}"


class Listening:
    """Listens while it is entered.

    Attributes:
        rssi: dBm of each callback, by address.
        payloads: GAEN's service data of each callback, by address.
    """

    def __init__(self, mode: str, adapter: str) -> None:
        self.rssi: dict[str, list[int]] = defaultdict(list)
        self.payloads: dict[str, list[bytes]] = defaultdict(list)
        self._scanners = _scanners(mode, adapter, self._found)

    @property
    def pid(self) -> int:
        """This process."""
        return os.getpid()

    @property
    def callbacks(self) -> int:
        """How many reports arrived."""
        return sum(len(samples) for samples in self.rssi.values())

    def clear(self) -> None:
        """Forget what was heard."""
        self.rssi.clear()
        self.payloads.clear()

    async def __aenter__(self) -> Self:
        for scanner in self._scanners:
            await scanner.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for scanner in reversed(self._scanners):
            await scanner.stop()

    def _found(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        if advertisement.rssi != _UNKNOWN_DBM:
            self.rssi[device.address].append(advertisement.rssi)
            self.payloads[device.address].append(advertisement.service_data.get(SERVICE, b""))


def _scanners(mode: str, adapter: str, found: _Callback) -> list[BleakScanner]:
    """The scanners of bleak for a mode, in the order in which they must be started."""
    plain: BlueZScannerArgs = {"adapter": adapter}
    match mode:
        case "unfiltered":
            return [BleakScanner(found, bluez=plain)]
        case "active":
            return [BleakScanner(found, service_uuids=[SERVICE], bluez=plain)]
        case "passive":
            # Since 5.69 BlueZ compares service data where it no longer stands (bluez#652), so flags must do.
            patterns: list[OrPattern | _Pattern] = [OrPattern(0, _FLAGS, bytes([flags])) for flags in _USUAL_FLAGS]
            return [BleakScanner(found, scanning_mode="passive", bluez={**plain, "or_patterns": patterns})]
        case "full" | "full with payloads":
            monitor = BleakScanner(_ignore, scanning_mode="passive", bluez={**plain, "or_patterns": [_NOTHING]})
            asked: BlueZScannerArgs = plain if mode == "full" else {**plain, "filters": _WITH_PAYLOADS}
            return [monitor, BleakScanner(found, service_uuids=[SERVICE], bluez=asked)]
    raise ValueError(mode)


def _ignore(_: BLEDevice, __: AdvertisementData) -> None:
    """The monitor is there for what it makes the kernel do."""
