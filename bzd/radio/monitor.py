# SPDX-License-Identifier: Apache-2.0
"""An advertisement monitor that matches nothing, for what it does to everybody else's scan.

While any monitor is registered, the kernel starts active scans without the controller's duplicate filter, so that an
active scan that begins afterwards delivers every report instead of one per device in 10 s (kernel,
net/bluetooth/hci_sync.c, hci_active_scan_sync; measured with BlueZ 5.66 and 5.82). Nothing else takes that filter off,
and nothing is meant to: it would be too much traffic on the bus (bluez/bluez#406, hbldh/bleak#235). BlueZ up to 5.87
calls the interface experimental: bluetoothd needs `Experimental = true` or `--experimental` (hbldh/bleak#884).
"""

from __future__ import annotations

from typing import Any

from bzd.errors import BusError, MonitorRefusedError
from bzd.radio.adapter import MAIN_CONF
from bzd.radio.bus import Bus, BusObject

MONITOR_MANAGER = "org.bluez.AdvertisementMonitorManager1"
_MONITOR = "org.bluez.AdvertisementMonitor1"
_ROOT = "/org/bzd/monitor"
_PATH = f"{_ROOT}/none"
_NEVER = bytes.fromhex("ffff") + b"bzd: nothing on air has this"
"""Manufacturer data of company 0xFFFF, which the SIG's Assigned Numbers keep for tests, with a text nobody sends."""
_MANUFACTURER_DATA = 0xFF
_ABSENT = ("UnknownInterface", "UnknownMethod", "InvalidArgs")
"""How an object says that it has no such interface: the D-Bus specification's names, and what GLib's bindings and
BlueZ's own (gdbus/object.c) answer GetAll with."""


async def offered(bus: Bus, adapter_path: str) -> bool:
    """Whether this bluetoothd has advertisement monitors on this adapter.

    Raises:
        BusError: if it does not say: the answer is lost, or bluetoothd or the adapter is gone.
    """
    try:
        await bus.properties(adapter_path, MONITOR_MANAGER)
    except BusError as failure:
        if failure.name.endswith(_ABSENT):
            return False
        raise
    return True


async def register(bus: Bus, adapter_path: str) -> None:
    """Register the monitor that matches nothing.

    Raises:
        MonitorRefusedError: if bluetoothd has no monitors, or refuses.
    """
    shown = BusObject(
        _MONITOR,
        {"Type": ("s", "or_patterns"), "Patterns": ("a(yyay)", [[0, _MANUFACTURER_DATA, _NEVER]])},
        _ignore_call,
        _ignore_set,
    )
    bus.export(_PATH, shown)
    try:
        await _register(bus, adapter_path)
    except BusError as failure:
        bus.unexport(_PATH)
        hint = f"set Experimental = true in [General] of {MAIN_CONF} and restart bluetooth, or scan.mode = active"
        raise MonitorRefusedError(f"bluetoothd takes no advertisement monitor: {failure}", hint) from failure


async def _register(bus: Bus, adapter_path: str) -> None:
    try:
        await bus.call(adapter_path, MONITOR_MANAGER, "RegisterMonitor", "o", _ROOT)
    except BusError as failure:
        if not failure.name.endswith(".AlreadyExists"):
            raise
        # Of an earlier try whose answer was lost: bluetoothd may have looked for its objects when none was shown.
        await bus.call(adapter_path, MONITOR_MANAGER, "UnregisterMonitor", "o", _ROOT)
        await bus.call(adapter_path, MONITOR_MANAGER, "RegisterMonitor", "o", _ROOT)


async def unregister(bus: Bus, adapter_path: str) -> None:
    """Take the monitor back; harmless if bluetoothd or the adapter went away and with it the monitor."""
    bus.unexport(_PATH)
    try:
        await bus.call(adapter_path, MONITOR_MANAGER, "UnregisterMonitor", "o", _ROOT)
    except BusError:
        return


def _ignore_call(_member: str) -> None:
    """Release, Activate, DeviceFound and DeviceLost need nothing done."""


def _ignore_set(_name: str, _value: Any) -> None:
    """BlueZ sets no property of a monitor."""
