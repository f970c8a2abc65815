# SPDX-License-Identifier: Apache-2.0
"""Gathers what bluetoothd and the kernel say of the radio."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bzd.doctor.facts import RadioFacts
from bzd.doctor.machine_facts import told_by
from bzd.doctor.management import Management
from bzd.errors import BusError, RadioError
from bzd.model import Identifier
from bzd.protocols import protocols
from bzd.radio import monitor, verdict
from bzd.radio.adapter import ADAPTER, Adapter, privacy_setting, setting
from bzd.radio.advertiser import ADVERTISING_MANAGER, Advertiser
from bzd.radio.bus import BLUEZ, Bus
from bzd.radio.setup import recognise

_BLUETOOTHD = ("/usr/libexec/bluetooth/bluetoothd", "/usr/lib/bluetooth/bluetoothd")
"""Where Debian has and had it."""
_TRIED_S = 1.0
"""Long enough on air for an eavesdropping test to see it, some eight frames."""
_SUBSYSTEM = "Bluetooth"
"""What the kernel begins all its lines about radios with."""


async def radio(name: str, state: Path, *, advertise: bool = False, scan_mode: str = "auto") -> RadioFacts:
    """The radio's facts.

    Args:
        name: of the adapter.
        state: the state directory, for what `--radio` found.
        advertise: whether to try an advertisement, of a rolling ID that is used for nothing else.
        scan_mode: that is configured.
    """
    facts = await _radio(name, state, advertise=advertise, scan_mode=scan_mode)
    # Last, so that it holds what the kernel says of the advertisement that was tried.
    return replace(facts, kernel_log=_kernel_log())


async def _radio(name: str, state: Path, *, advertise: bool, scan_mode: str) -> RadioFacts:
    known: dict[str, Any] = {"bluez": _version(), "blocked": blocked(name), "scan_mode": scan_mode}
    bus = Bus(lambda _: None)
    try:
        await bus.connect(lambda: None)
        if await bus.owner(BLUEZ) is None:
            return RadioFacts(name, trouble="bluetoothd is not running", **known)
        known |= await _adapter(bus, name, advertise=advertise)
    except RadioError as error:
        return RadioFacts(name, trouble=str(error), **known)
    finally:
        bus.close()
    if (setup := known.get("setup")) is not None:
        known["verdict"] = verdict.find(state, setup)
        known["verdict_denied"] = known["verdict"] is None and _is_closed(state)
    return RadioFacts(name, **_configured(), **known)


def _configured() -> dict[str, Any]:
    """What bluetoothd's configuration says."""
    try:
        return {"privacy": privacy_setting(), "keeps_strangers": setting("TemporaryTimeout") == "0"}
    except RadioError:
        return {"privacy": None}


def _is_closed(state: Path) -> bool:
    """Whether there is a directory that this user may not look into."""
    return os.path.lexists(state) and not os.access(state, os.X_OK)


async def _adapter(bus: Bus, name: str, *, advertise: bool) -> dict[str, Any]:
    path = f"/org/bluez/{name}"
    try:
        properties = await bus.properties(path, ADAPTER)
    except BusError as failure:
        if "Unknown" in failure.name or "InvalidArgs" in failure.name:
            return {}
        raise
    adapter = _completed(name, Adapter.from_properties(properties))
    known: dict[str, Any] = {"adapter": adapter, "monitors": await monitor.offered(bus, path)}
    with suppress(BusError):
        extended = await Advertiser(bus, path, lambda: None).extended()
        known["setup"] = recognise(name, properties, extended=extended)
        manager = await bus.properties(path, ADVERTISING_MANAGER)
        known |= {"advertises": True, "active_instances": manager.get("ActiveInstances")}
        if advertise and adapter.powered and not (adapter.discoverable or adapter.connectable):
            known["tried"] = await _try(bus, path)
    return known


def _completed(name: str, adapter: Adapter) -> Adapter:
    """An adapter of which bluetoothd does not say whether it is connectable: for root the kernel does."""
    if adapter.connectable is None:
        with suppress(OSError, ValueError), Management(int(name.removeprefix("hci"))) as management:
            return replace(adapter, connectable=management.connectable())
    return adapter


async def _try(bus: Bus, path: str) -> str:
    """Advertise for a moment; returns why it failed, or nothing."""
    # A frame as long as the real ones, since length is what some kernels refuse; of zeros, which is nobody's ID.
    gaen = protocols()["gaen"]
    rolling_id = bytes(gaen.id_bytes)
    metadata = gaen.seal_metadata(bytes(gaen.key_bytes), rolling_id, 0)
    advertiser = Advertiser(bus, path, lambda: None)
    try:
        before = await advertiser.instances()
        await advertiser.register(gaen.encode(Identifier(gaen.name, rolling_id, metadata)))
        await asyncio.sleep(_TRIED_S)
        counted = await advertiser.instances()
        await advertiser.unregister()
    except BusError as failure:
        return str(failure)
    if before is not None and counted is not None and counted <= before:
        return f"it was taken, but {counted} are active, as many as before"
    return ""


def _version() -> str:
    for program in _BLUETOOTHD:
        if told := told_by(program, "--version"):
            return told.strip()
    return (told_by("bluetoothctl", "--version") or "").strip().rpartition(" ")[2]


def blocked(name: str, root: Path = Path("/")) -> bool:
    """Whether rfkill keeps an adapter off, by software or by a switch (Documentation/ABI/stable/sysfs-class-rfkill).

    Each adapter has a switch of its name; those with other names are of a machine, for all its radios.

    Args:
        name: of the adapter.
        root: where the machine's files are found.
    """
    for switch in (root / "sys/class/rfkill").glob("*"):
        with suppress(OSError):
            kind, whose, *states = (
                (switch / part).read_text(encoding="ascii", errors="replace").strip()
                for part in ("type", "name", "soft", "hard")
            )
            if kind == "bluetooth" and (whose == name or not whose.startswith("hci")) and "1" in states:
                return True
    return False


def _kernel_log() -> tuple[str, ...] | None:
    told = told_by("journalctl", "--quiet", "--no-pager", "--dmesg", "--boot", "--output=cat")
    # Who may read a journal, but not the system's, is shown nothing of it without a word; no kernel starts in silence.
    return None if not told else tuple(line for line in told.splitlines() if line.startswith(_SUBSYSTEM))
