# SPDX-License-Identifier: Apache-2.0
"""What the checks judge: plain values, gathered elsewhere, so that every fault can be tried without having it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bzd.radio.adapter import Adapter
from bzd.radio.setup import Setup
from bzd.radio.verdict import Verdict
from bzd.store.machine import Home


@dataclass(frozen=True, slots=True)
class RadioFacts:
    """The radio and what drives it.

    Attributes:
        name: of the adapter, for example `hci0`.
        trouble: why bluetoothd could not be asked, in words; empty if it could.
        bluez: version of BlueZ as it states it, for example `5.82`; empty if unknown.
        adapter: how the adapter is, None if there is none of that name.
        blocked: whether rfkill keeps this adapter off.
        privacy: bluetoothd's Privacy setting; None if its configuration may not be read.
        keeps_strangers: whether bluetoothd is told to keep every device it ever heard (TemporaryTimeout = 0).
        monitors: whether advertisement monitors are offered, which bluetoothd calls experimental.
        advertises: whether the adapter can advertise.
        active_instances: advertisements of all programs on it, None if unknown.
        tried: what trying to advertise came to: empty if it went well, None if it was not tried.
        kernel_log: lines of the kernel about faults of this radio, None if the log may not be read.
        setup: what the radio consists of, None if that could not be found out.
        verdict: what `--radio` found of this setup, None if nobody has looked.
        verdict_denied: whether that may not be known, for want of permission.
        scan_mode: that is configured, `auto` or one of `bzd.radio.scanner.MODES`.
    """

    name: str
    trouble: str = ""
    bluez: str = ""
    adapter: Adapter | None = None
    blocked: bool = False
    privacy: str | None = "off"
    keeps_strangers: bool = False
    monitors: bool = False
    advertises: bool = False
    active_instances: int | None = None
    tried: str | None = None
    kernel_log: tuple[str, ...] | None = None
    setup: Setup | None = None
    verdict: Verdict | None = None
    verdict_denied: bool = False
    scan_mode: str = "auto"


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """The machine.

    Attributes:
        kernel: its release, for example `6.12.93+rpt-rpi-v8`.
        now: the wall clock, UTC unix seconds.
        synchronised: whether a time server keeps it right; None if unknown.
        swaps: devices and files that memory is swapped to, without those in memory (zram) that no disk is behind.
        core_handler: the program that the kernel gives crashed processes to, whatever their limit; empty if it gives
            them to none, or to systemd-coredump, which keeps to the limit.
        board: its name, see `bzd.board.model`.
        wifi_mhz: the frequency of its Wi-Fi; None if that is off, 0 if it is on and the frequency is unknown.
    """

    kernel: str
    now: float
    synchronised: bool | None = None
    swaps: tuple[str, ...] = ()
    core_handler: str = ""
    board: str = ""
    wifi_mhz: int | None = None


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The state directory and the disk that it is on.

    Attributes:
        state: the directory.
        trouble: why the store could not be looked at, in words; empty if it could.
        remedy: what its error advises.
        denied: whether that is for want of permission alone.
        recipients: fingerprints of whom contacts are sealed to.
        changes: how whom the store is sealed to differs from when it was made.
        own_identity: whether the identity lies beside the store.
        home: whether this is the machine that it was made on.
        mode: permissions of the directory, None if unknown.
        owner: user that it belongs to, empty if unknown.
        store_owner: user that the store in it belongs to, empty if unknown.
        free_bytes: what is free on its file system, None if unknown.
        read_only: whether that is mounted read-only.
        written_bytes: what was written since boot to the SD card that it is on; None if it is on none.
        uptime_s: seconds since boot.
    """

    state: Path
    trouble: str = ""
    remedy: str = ""
    denied: bool = False
    recipients: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    own_identity: bool = False
    home: Home = Home.UNKNOWN
    mode: int | None = None
    owner: str = ""
    store_owner: str = ""
    free_bytes: int | None = None
    read_only: bool = False
    written_bytes: int | None = None
    uptime_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The service, as systemd sees it.

    Attributes:
        installed: whether there is a unit.
        state: `active`, `failed`, ... (systemd's ActiveState).
        enabled: whether it starts at boot.
        restarts: how often systemd had to start it again since it was started.
        status: what it says of itself.
        core_limit: its LimitCORE, for example `0`.
        user: the user it runs as.
        by_hand: whether a badge runs, as its status file says; of the service or of somebody at a terminal.
        on_air: whether that badge says that it advertises; None where it may not be read, or says nothing.
        paused: whether it says that it is paused.
        failed: the units beside it whose last run failed.
    """

    installed: bool = False
    state: str = ""
    enabled: bool = False
    restarts: int = 0
    status: str = ""
    core_limit: str = ""
    user: str = ""
    by_hand: bool = False
    on_air: bool | None = None
    paused: bool = False
    failed: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.state in {"active", "reloading"}

    @property
    def badge_runs(self) -> bool:
        """Whether a badge runs here, as a service or not."""
        return self.active or self.by_hand


@dataclass(frozen=True, slots=True)
class Facts:
    """All of them."""

    radio: RadioFacts
    system: SystemFacts
    store: StoreFacts
    service: ServiceFacts = field(default_factory=ServiceFacts)
