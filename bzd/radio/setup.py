# SPDX-License-Identifier: Apache-2.0
"""Which kernel, BlueZ and controller a radio consists of: what decides whether it gives its wearer away.

Told by what a sandboxed service may see as well as root, and without the controller's address: kernel from uname, BlueZ
from the adapter's Modalias, which ends in the version of bluetoothd (BlueZ, src/main.c: `bluetooth:1D6B:0246` and the
version), the controller from the same interface where it tells maker and version (BlueZ 5.71 and newer), from the bus
that it is on, and from whether it has extended advertising. A new firmware alone is not noticed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLUETOOTHD = re.compile(r"usb:v1D6Bp0246d([0-9A-F]{2})([0-9A-F]{2})", re.ASCII)
"""Vendor and product that bluetoothd states of itself, and its version, major and minor, in hexadecimal digits."""
_BUS = "sys/class/bluetooth/{}/device/modalias"
"""What the kernel calls the device that a controller is: bus, maker and model, never a serial number."""
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Setup:
    """What a radio consists of, as texts to be compared.

    Attributes:
        kernel: release of the kernel, for example `6.12.87+rpt-rpi-v8`.
        bluez: version of the bluetoothd that runs, for example `5.82`; empty where it does not say.
        controller: in words, for example `maker 15, version 9, legacy advertising, of:NbluetoothT(null)Cbrcm,...`.
    """

    kernel: str
    bluez: str
    controller: str

    def __str__(self) -> str:
        return f"Linux {self.kernel}, BlueZ {self.bluez or 'of unknown version'}, {self.controller}"


def recognise(name: str, adapter: Mapping[str, Any], *, extended: bool, root: Path = Path("/")) -> Setup:
    """The setup of an adapter.

    Args:
        name: of the adapter, for example `hci0`.
        adapter: its properties (`org.bluez.Adapter1`).
        extended: whether it has extended advertising.
        root: where the machine's files are found.
    """
    told = [
        f"{word} {adapter[key]}" for word, key in (("maker", "Manufacturer"), ("version", "Version")) if key in adapter
    ]
    told.append("extended advertising" if extended else "legacy advertising")
    with suppress(OSError):
        told.append((root / _BUS.format(name)).read_text(encoding="utf-8", errors="replace").strip()[:_LONGEST])
    return Setup(os.uname().release, bluez_version(adapter), ", ".join(told))


def bluez_version(adapter: Mapping[str, Any]) -> str:
    """The version of the bluetoothd that runs, by its adapter's Modalias: `usb:v1D6Bp0246d0542` is 5.66; else empty."""
    match = _BLUETOOTHD.fullmatch(str(adapter.get("Modalias", "")))
    return f"{int(match[1], 16)}.{int(match[2], 16)}" if match else ""


def bluez_before(adapter: Mapping[str, Any], version: str) -> bool:
    """Whether the bluetoothd that runs may be older than `version`: one that does not tell its own may be."""
    return _numbers(bluez_version(adapter)) < _numbers(version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part]
