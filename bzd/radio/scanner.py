# SPDX-License-Identifier: Apache-2.0
"""Scanning through BlueZ with bleak, such that the RSSI of every report arrives, and nothing that was not received.

| mode | how | RSSI samples of a steady device |
|---|---|---|
| full | the monitor of `bzd.radio.monitor`, then an active scan filtered by service UUID | every report |
| active | an active scan filtered by service UUID | one in 10.24 s: the controller's duplicate filter |
| passive | a monitor that matches flags and proximity IDs | one when the RSSI moved by 8 dB or more |

The discovery filter always names RSSI and DuplicateData. Without RSSI, BlueZ after 5.87 signals a known device only
when its RSSI moved by 8 dB (bluez/bluez#2314), and 5.82 hides adverts without the discoverable flag; with
DuplicateData, service data is signalled with every report that carried it, which is how a report is told from an old
payload that BlueZ repeats.

The passive mode listens for 30 of 60 ms (bluetoothd's `[LE] ScanIntervalAdvMonitor` and `ScanWindowAdvMonitor` in
main.conf, in units of 0.625 ms). Kernels without commit b5431dc2803a (in 6.6 since August 2024, and in what is newer)
leave the controller's duplicate filter on there: one sample of a device, then silence (hbldh/bleak#235).

The kernel begins an active scan anew each 10.24 s (DISCOV_LE_TIMEOUT), each time with LE Set Random Address, which a
legacy controller that advertises refuses: `Opcode 0x2005 failed: -16` in the kernel's log (bluez/bluetooth-next#601,
#672 and #781, for bluetoothd's mesh bluez/bluez#2527; open). What the scan requests then carry is for
`bzd doctor --radio` to see. That legacy advertising does not go on after such a pause (bluez/bluetooth-next#792) is no
matter here: what is registered through BlueZ is scheduled anew.

A radio on a UART, as a Raspberry Pi's own, may be overloaded by a crowd (home-assistant/core#90307): active asks the
least of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from bleak import BleakScanner
from bleak.args.bluez import BlueZDiscoveryFilters, BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError

from bzd.clock import Clock
from bzd.errors import RadioError
from bzd.model import RSSI_MIN_DBM, Advertisement, Identifier
from bzd.protocols import ad, protocols
from bzd.radio import monitor
from bzd.radio.adapter import ADAPTER
from bzd.radio.bus import Bus
from bzd.radio.setup import bluez_version

MODES = ("full", "active", "passive")
"""From the most samples to the fewest."""
STOP_TIMEOUT_S = 3.0
"""Stopping is never worth waiting for: a bluetoothd that does not answer has no scan of ours either."""
START_TIMEOUT_S = 15.0
"""As long as habluetooth waits: the kernel may have to power up the controller's scanner first."""

_UNKNOWN_RSSI_DBM = -127
_IN_PROGRESS_MAX = 3
_KNOWN_DEVICES = 1024
"""Devices whose last payload is remembered, also as advertising data, which need not be built for each report. BlueZ
itself forgets a stranger after 30 s, and 500 badges saturate it; a badge fills it within days, whoever is near."""
PATTERNS_MAX = 7
"""Patterns that one monitor may have. With an eighth, bluetoothd 5.66 dies of `free(): invalid next size`, and 5.82
says "Failed to Add Adv Patterns Monitor with status 0x0d" and hears nothing (both measured; it fits a length of
1 + 34 * patterns kept in one octet). No issue is known, and no version that takes more."""
_FLAGS = (0x1A, 0x06, 0x04, 0x02)
"""Flags octets, the commonest first: GAEN's own (iPhones and Android), LE without BR/EDR, Linux, and dual-mode. Since
BlueZ 5.69 a pattern of service data or UUIDs matches nothing (bluez/bluez#652, #1176, #2110; no version is known that
mends it), so that the passive mode has to match these; what has no flags is then not heard."""

_DIES_OF_SERVICES = "5.87"
"""This bluetoothd jumps into the text of the UUID as soon as an advertisement meets a discovery filter that names one
(bluez/bluez#2282; mended after it). There the filter names none; the RSSI in it has bluetoothd show that and more."""

_log = logging.getLogger(__name__)
# Bleak warns whenever its connection ends, which is here mostly on purpose; the radio tells of the real losses itself.
logging.getLogger("bleak.backends.bluezdbus.manager").setLevel(logging.ERROR)


@dataclass(slots=True)
class ScanCounts:
    """What bleak delivered, since the start of the program.

    Attributes:
        reports: handed on.
        phantom: dropped, since their RSSI is BlueZ's "unknown": it signals the end of a scan so, with an old payload
            (hbldh/bleak#1065). BlueZ means it so: no version is to be expected that does otherwise.
        cached: dropped, since the payload was not in the report: BlueZ repeats the last one of the same address. That
            is meant as well.
        malformed: dropped, since the parts make no advertising data.
        restarts: times that listening began.
    """

    reports: int = 0
    phantom: int = 0
    cached: int = 0
    malformed: int = 0
    restarts: int = 0


_Parts = tuple[dict[str, bytes] | None, dict[int, bytes] | None, list[str] | None, bytes | None]
"""The parts of advertising data as BlueZ states them: service data, manufacturer data, UUIDs, flags."""
_Known = tuple[_Parts | None, bytes | None, int]
"""What is remembered of a device: the parts, the advertising data made of them, RSSI in dBm."""
_UNKNOWN: _Known = (None, None, _UNKNOWN_RSSI_DBM)


class Scanner:
    """Listens on one adapter.

    Args:
        bus: a connection to the system bus, for the monitor; bleak has one of its own.
        adapter: name, for example `hci0`.
        clock: what the reports are dated by.
        sink: called with every report.
        everything: whether reports of all devices are wanted, not only what a protocol may recognise. The passive mode
            hears those with common flags all the same, and no more.

    Attributes:
        mode: that it was last started in, empty before.
        counts: what became of the reports.
        stuck: bluetoothd before 5.88 takes a discovery of ours for running that the kernel has ended, after a
            StopDiscovery answered InProgress (bluez/bluez#807): it says that the next one works, and does nothing.
            bleak 3.1 mends most (hbldh/bleak#2021); what it could not is told here, for `bzd.radio.reset` to mend.
            A client that was killed may leave the same behind (bluez/bluez#2547): then the next stop tells it.
    """

    def __init__(
        self,
        bus: Bus,
        adapter: str,
        clock: Clock,
        sink: Callable[[Advertisement], None],
        *,
        everything: bool = False,
    ) -> None:
        self._bus = bus
        self._adapter = adapter
        self._path = f"/org/bluez/{adapter}"
        self._clock = clock
        self._sink = sink
        self._services = None if everything else services()
        self._scanner: BleakScanner | None = None
        self._monitored = False
        self._in_progress = 0
        self._known: dict[str, _Known] = {}
        self.mode = ""
        self.stuck = False
        self.counts = ScanCounts()

    @property
    def running(self) -> bool:
        """Whether listening was begun and not stopped; only the bus says whether BlueZ still listens."""
        return self._scanner is not None

    async def best_mode(self) -> str:
        """The best mode that this bluetoothd offers."""
        return MODES[0] if await monitor.offered(self._bus, self._path) else MODES[1]

    async def start(self, mode: str) -> None:
        """Begin to listen; `stop` must have been called before.

        Args:
            mode: one of `MODES`.

        Raises:
            RadioError: if BlueZ refuses; nothing is then left behind.
        """
        self.mode = mode
        filtered = mode != "passive" and await self._may_name_services()
        if mode == "full":
            # Before it is asked for: if this is cancelled then, bluetoothd may have it, and `stop` takes it back.
            self._monitored = True
            await monitor.register(self._bus, self._path)
        scanner = self._make(mode, filtered=filtered)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._remember_cached()
                await scanner.start()
        except Exception as error:
            await _close(scanner)
            await self._drop_monitor()
            self._count_in_progress(error)
            # Of any kind: bleak lets KeyError and AssertionError through when bluetoothd goes away at a bad moment.
            raise RadioError(f"scanning on adapter {self._adapter} cannot start: {_reason(error)}") from error
        except BaseException:
            # Whoever cancels this does not wait for a bluetoothd that may hang.
            forget_sessions()
            raise
        self._scanner = scanner
        self._in_progress = 0
        self.counts.restarts += 1

    async def stop(self) -> None:
        """Stop listening; never fails, since whatever refuses to be stopped is not running."""
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            self.stuck = await _close(scanner)
        await self._drop_monitor()

    async def _may_name_services(self) -> bool:
        return bluez_version(await self._bus.properties(self._path, ADAPTER)) != _DIES_OF_SERVICES

    async def _remember_cached(self) -> None:
        """What bleak already holds of devices was received before this scan, and is no report of it."""
        from bleak.backends.bluezdbus import manager  # noqa: PLC0415  imports only on Linux

        self._known.clear()
        devices = (await manager.get_global_bluez_manager())._iter_device_props()  # noqa: SLF001  no public way
        for path, properties in islice(devices, _KNOWN_DEVICES):
            parts = _parts(properties)
            self._known[path] = parts, _data(parts), properties.get("RSSI", _UNKNOWN_RSSI_DBM)

    def _count_in_progress(self, error: Exception) -> None:
        """After InProgress the third time running, suspect a session of ours that bleak does not know of.

        The first few are as a rule the kernel's, still busy with the scan of a bluetoothd that was killed.
        """
        self._in_progress = self._in_progress + 1 if _is_busy(error) else 0
        if self._in_progress >= _IN_PROGRESS_MAX:
            self._in_progress = 0
            forget_sessions()

    def abandon(self) -> None:
        """Bluetoothd or the bus is gone: there is nothing left to stop, and nobody to tell."""
        if self._scanner is not None:
            self._scanner = None
            forget_sessions()
        self._monitored = self.stuck = False

    async def _drop_monitor(self) -> None:
        if self._monitored:
            self._monitored = False
            await monitor.unregister(self._bus, self._path)

    def _make(self, mode: str, *, filtered: bool) -> BleakScanner:
        if mode == "passive":
            args = BlueZScannerArgs(adapter=self._adapter, or_patterns=[*patterns()])
            return BleakScanner(self._heard, scanning_mode="passive", bluez=args)
        filters = BlueZDiscoveryFilters(RSSI=_UNKNOWN_RSSI_DBM, DuplicateData=True)
        args = BlueZScannerArgs(adapter=self._adapter, filters=filters)
        return BleakScanner(self._heard, service_uuids=self._services if filtered else None, bluez=args)

    def _heard(self, _device: BLEDevice, found: AdvertisementData) -> None:
        """One callback of bleak; runs for every report, so it does the least that it can."""
        counts, rssi = self.counts, found.rssi
        path, properties = found.platform_data
        parts = _parts(properties)
        # Taken out and put in again, so that the first is the one silent longest.
        before, data, rssi_before = self._known.pop(path, _UNKNOWN)
        if before is None or parts != before:
            data = _data(parts)
        self._known[path] = parts, data, rssi
        if before is None:
            self._bound()
        if rssi < RSSI_MIN_DBM:
            counts.phantom += 1
            return
        if before is not None and self._is_old(parts, before, same_rssi=rssi == rssi_before):
            counts.cached += 1
            return
        if data is None:
            counts.malformed += 1
            return
        counts.reports += 1
        address, kind = properties["Address"], properties.get("AddressType")
        self._sink(Advertisement(self._clock.now(), address, kind, rssi, data, found.tx_power))

    def _is_old(self, parts: _Parts, before: _Parts, *, same_rssi: bool) -> bool:
        """Whether bleak calls back with what was received earlier, since something else of the device changed."""
        if self.mode != "passive":
            return _repeated(parts, before)
        # There BlueZ signals a payload only when it changes, so that an RSSI that changed alone is a report.
        return same_rssi and all(now is then for now, then in zip(parts, before, strict=True))

    def _bound(self) -> None:
        if len(self._known) > _KNOWN_DEVICES:
            del self._known[next(iter(self._known))]


def forget_sessions() -> None:
    """Give up bleak's connection to the bus with all its scans, so that the next scan begins on a new one.

    For three cases that bleak has no way out of. A StartDiscovery that was not waited for may have begun a session that
    bleak knows nothing of; from then on bluetoothd answers InProgress for ever, but it drops all sessions of a client
    that leaves the bus. After a restart of dbus-daemon, stopping a scan writes into a closed socket. And when
    bluetoothd was stopped, stopping a scan would have it started again by the bus. All three with bleak 3.1, and with
    any BlueZ, which keeps one session for each client; no issue is known.
    """
    from bleak.backends.bluezdbus import manager  # noqa: PLC0415  imports only on Linux

    forgotten = manager._global_instances.pop(asyncio.get_running_loop(), None)  # noqa: SLF001  no public way
    if forgotten is not None and (connection := forgotten._bus) is not None:  # noqa: SLF001
        connection.disconnect()


async def _close(scanner: BleakScanner) -> bool:
    """Stop bleak's scanner and swallow what it says; returns whether bluetoothd got stuck in it, see `Scanner`.

    After a restart of bluetoothd or of the adapter it says "No discovery started", DoesNotExist or UnknownObject, as
    Home Assistant met it (home-assistant/core#78341): true each time, and so in every version; its callbacks are
    removed all the same.
    """
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await scanner.stop()
    except Exception as error:  # noqa: BLE001  whatever it is, nothing of ours is running
        _log.debug("stopping the scan: %s", _reason(error))
        return _is_busy(error)
    except BaseException:
        forget_sessions()
        raise
    return False


def _is_busy(error: Exception) -> bool:
    return isinstance(error, BleakDBusError) and error.dbus_error == "org.bluez.Error.InProgress"


@cache
def _samples() -> tuple[ad.AdStructures, ...]:
    """One advert of each protocol, taken apart: so a new protocol is heard without a word about it here."""
    adverts = []
    for protocol in protocols().values():
        rolling_id = bytes(protocol.id_bytes)
        metadata = protocol.seal_metadata(bytes(protocol.key_bytes), rolling_id, 0)
        adverts.append(protocol.encode(Identifier(protocol.name, rolling_id, metadata)))
    return tuple(ad.parse(advert) for advert in adverts)


def services() -> list[str]:
    """Service UUIDs that the protocols' adverts list; BlueZ reports only what lists one of them."""
    return [uuid for sample in _samples() for uuid in sample.service_uuids]


def patterns() -> list[OrPattern]:
    """What the passive mode matches: what the protocols' adverts carry, then usual flags, `PATTERNS_MAX` in all."""
    wanted = []
    for sample in _samples():
        wanted += [(ad.SERVICE_DATA_16, ad.uuid_to_bytes(uuid)) for uuid in sample.service_data]
        wanted += [(ad.MANUFACTURER_DATA, company.to_bytes(2, "little")) for company in sample.manufacturer_data]
    wanted = [*wanted, *((ad.FLAGS, bytes((octet,))) for octet in _FLAGS)][:PATTERNS_MAX]
    return [OrPattern(0, AdvertisementDataType(kind), content) for kind, content in wanted]


def _parts(properties: Mapping[str, Any]) -> _Parts:
    get = properties.get
    return get("ServiceData"), get("ManufacturerData"), get("UUIDs"), get("AdvertisingFlags")


def _repeated(parts: _Parts, before: _Parts) -> bool:
    """Whether a report carried no payload of its own: bleak then still holds the objects of the one before."""
    service, manufacturer = parts[:2]
    # Of a device that sends neither, nobody can tell; it is here only where everything is wanted.
    told = service is not None or manufacturer is not None
    return told and service is before[0] and manufacturer is before[1]


def _data(parts: _Parts) -> bytes | None:
    """Advertising data from what BlueZ took apart; None if a part is none that can be on air."""
    service, manufacturer, uuids, flags = parts
    try:
        return ad.build(
            flags=flags[0] if flags else None,
            service_uuids=uuids or (),
            service_data=service or {},
            manufacturer_data=manufacturer or {},
        )
    except (ValueError, OverflowError):
        return None


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "bluetoothd does not answer"
    return str(error).strip() or type(error).__name__
