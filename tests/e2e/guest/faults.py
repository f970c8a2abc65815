# SPDX-License-Identifier: Apache-2.0
"""What happens to a badge's radio in months of use, made to happen: each fault breaks something and mends it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from bzd.radio.recovery import PATIENT_AFTER_S, SLOW_RETRY_S
from tests.e2e.guest import bluez
from tests.e2e.guest.badge import within
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.mgmt import Management

_DOWN_S = 4.0
"""Seconds for which something stays broken."""
_MINUTE_S = 60.0
_FOR_EVER_S = PATIENT_AFTER_S + SLOW_RETRY_S / 2
"""Long enough for the radio to become patient with what seems to last for ever."""
_LEGACY_ADVERTISE, _EXTENDED_ADVERTISE = 0x200A, 0x2039
_LEGACY_SCAN, _EXTENDED_SCAN = 0x200C, 0x2042
_GONE, _SILENT = "bluetoothd is not running", "silent, since advertising fails"
_RFKILL = Path("/sys/class/rfkill")


class Fault(NamedTuple):
    """A fault.

    Attributes:
        name: in words.
        happen: makes it and ends it.
        back_s: seconds after its end within which the radio must be whole again.
        area: of the trouble that the radio must have while it lasts, see `RadioState.troubles`; empty if none for sure.
        said: part of the words that are told of it; empty if they are of no matter.
        hears: whether the radio must hear others while it lasts.
    """

    name: str
    happen: Callable[[Bed], Awaitable[None]]
    back_s: float = 5.0
    area: str = ""
    said: str = ""
    hears: bool = False


async def _restart(_: Bed) -> None:
    await bluez.run("systemctl", "restart", "bluetooth")
    await bluez.powered("hci0")


def _stopped(seconds: float) -> Callable[[Bed], Awaitable[None]]:
    async def happen(_: Bed) -> None:
        await bluez.run("systemctl", "stop", "bluetooth")
        await asyncio.sleep(seconds)
        await bluez.run("systemctl", "start", "bluetooth")
        await bluez.powered("hci0")

    return happen


async def _kill(_: Bed) -> None:
    await bluez.run("systemctl", "kill", "--signal=KILL", "bluetooth")
    await asyncio.sleep(_DOWN_S)
    await bluez.run("systemctl", "restart", "bluetooth")
    await bluez.powered("hci0")


async def _power(_: Bed) -> None:
    await bluez.set_powered("hci0", on=False)
    await asyncio.sleep(_DOWN_S)
    await bluez.set_powered("hci0", on=True)
    await bluez.powered("hci0")


async def _unplug(bed: Bed) -> None:
    await bed.radio("unplug", number=0)
    await asyncio.sleep(_DOWN_S)
    await bed.radio("plug", number=0)
    await bluez.powered("hci0")


async def _rfkill(bed: Bed) -> None:
    [switch] = [each for each in _RFKILL.iterdir() if (each / "name").read_text().strip() == "hci0"]
    (switch / "soft").write_text("1")
    await asyncio.sleep(_DOWN_S)
    (switch / "soft").write_text("0")
    alone_s = await within(_DOWN_S, _on)
    came = "no" if alone_s is None else f"after {alone_s} s"
    bed.table("An adapter that rfkill does not block any more", ("comes on by itself",), [(came,)])
    await bluez.set_powered("hci0", on=True)
    await bluez.powered("hci0")


async def _on() -> bool:
    return await bluez.adapter_property("hci0", "Powered") == "true"


async def _other_discovery(_: Bed) -> None:
    await bluez.run("bluetoothctl", "--timeout", f"{_DOWN_S:.0f}", "scan", "le")


async def _in_progress(bed: Bed) -> None:
    """A discovery that bluetoothd did not start: newer ones answer InProgress to whoever wants one, 5.66 takes part."""
    with Management(0) as management:
        done = [management.power(on=False)]
        await asyncio.sleep(1)
        done += [management.power(on=True), management.discover(on=True)]
        await asyncio.sleep(_DOWN_S)
        done.append(management.discover(on=False))
    bed.check("the kernel was kept busy by a discovery past bluetoothd", not any(done), done)


def _refused(legacy: int, extended: int, seconds: float = _DOWN_S) -> Callable[[Bed], Awaitable[None]]:
    """The controller refuses a command for a while; a restart of bluetoothd makes the radio need it."""

    async def happen(bed: Bed) -> None:
        opcode = extended if bed.kind == "extended" else legacy
        await bed.radio("fail", number=0, opcode=opcode, status="COMMAND_DISALLOWED")
        await bluez.run("systemctl", "restart", "bluetooth")
        await bluez.powered("hci0")
        await asyncio.sleep(seconds)
        await bed.radio("heal", number=0)

    return happen


async def _dbus(_: Bed) -> None:
    await bluez.run("systemctl", "restart", "dbus")
    await bluez.run("systemctl", "restart", "bluetooth")
    await bluez.powered("hci0")


FAULTS = (
    Fault("bluetoothd restarted", _restart),
    Fault("bluetoothd stopped for a while", _stopped(_DOWN_S), area="radio", said=_GONE),
    Fault("bluetoothd stopped for a minute", _stopped(_MINUTE_S), area="radio", said=_GONE),
    Fault("bluetoothd killed", _kill, area="radio", said=_GONE),
    Fault("adapter switched off and on", _power, area="radio", said="adapter hci0 is off"),
    Fault("adapter unplugged and back", _unplug, area="radio", said="there is no adapter hci0"),
    Fault("radio blocked by rfkill", _rfkill, area="radio", said="adapter hci0 is"),
    Fault("another program's discovery", _other_discovery, hears=True),
    Fault("a discovery past bluetoothd", _in_progress),
    Fault(
        "advertising refused for a while",
        _refused(_LEGACY_ADVERTISE, _EXTENDED_ADVERTISE),
        area="advertise",
        said=_SILENT,
        hears=True,
    ),
    Fault(
        "scanning refused for a while", _refused(_LEGACY_SCAN, _EXTENDED_SCAN), area="scan", said="scanning on adapter"
    ),
    Fault(
        "advertising refused as if for ever",
        _refused(_LEGACY_ADVERTISE, _EXTENDED_ADVERTISE, _FOR_EVER_S),
        SLOW_RETRY_S,
        area="advertise",
        said=_SILENT,
        hears=True,
    ),
    Fault("dbus-daemon restarted", _dbus),
)
"""The restart of dbus-daemon comes last: other services of the guest may not survive it."""
