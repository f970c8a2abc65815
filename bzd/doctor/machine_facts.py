# SPDX-License-Identifier: Apache-2.0
"""Gathers what the machine, the disk, the store and systemd say; each unknown stays unknown, nothing fails."""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bzd import board
from bzd.clock import Clock
from bzd.daemon import runtime
from bzd.doctor.facts import ServiceFacts, StoreFacts, SystemFacts
from bzd.errors import BzdError
from bzd.store.creating import inspect
from bzd.store.machine import compare
from bzd.store.state import STORE_FILE

UNIT = "bzd.service"
BESIDE = ("bzd-feed.service", "bzd-warn.service")
"""Units that do something for the badge now and then, and end."""
_LIMIT_S = 20.0
_SECTOR = 512
"""Bytes of a sector in /sys/block/*/stat, whatever the device's own (Documentation/block/stat.rst)."""
_SECTORS_WRITTEN = 6
"""Its place there, counted from 0."""
_CARD = "mmcblk"
_ZRAM = "/dev/zram"
_KEEPS_TO_LIMIT = "systemd-coredump"
"""It looks at the limit of whoever crashed by itself (systemd-coredump(8))."""
_WIFI = "wlan0"
"""That of a Raspberry Pi's own chip."""
_IW = ("iw", "/usr/sbin/iw")
"""Raspberry Pi OS has it, Debian not before it is installed."""
_MHZ = re.compile(r"\((\d+) MHz\)", re.ASCII)
_SHOWN = ("LoadState", "ActiveState", "UnitFileState", "NRestarts", "StatusText", "LimitCORE", "User")
"""Properties of a unit (org.freedesktop.systemd1(5))."""


def told_by(*words: str) -> str | None:
    """What a program prints; None if it is missing, fails or hangs."""
    try:
        done = subprocess.run(  # noqa: S603  fixed programs of the system
            words, check=True, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def system(clock: Clock, root: Path = Path("/")) -> SystemFacts:
    """The machine's facts.

    Args:
        clock: the wall clock.
        root: where the machine's files are found.
    """
    kept = (told_by("timedatectl", "show", "--property=NTPSynchronized", "--value") or "").strip()
    return SystemFacts(
        kernel=os.uname().release,
        now=clock.now(),
        synchronised={"yes": True, "no": False}.get(kept),
        swaps=tuple(_swaps(root)),
        core_handler=_core_handler(root),
        board=board.model(root),
        wifi_mhz=_wifi_mhz(root),
    )


def service() -> ServiceFacts:
    """What systemd says of the service."""
    shown = told_by("systemctl", "show", UNIT, f"--property={','.join(_SHOWN)}") or ""
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    restarts = found.get("NRestarts", "")
    badge = _badge(runtime.directory())
    radio = badge.get("radio")
    on_air = radio.get("advertising") if isinstance(radio, dict) else None
    return ServiceFacts(
        installed=found.get("LoadState") == "loaded",
        state=found.get("ActiveState", ""),
        enabled=found.get("UnitFileState") == "enabled",
        restarts=int(restarts) if restarts.isdecimal() else 0,
        status=found.get("StatusText", ""),
        core_limit=found.get("LimitCORE", ""),
        user=found.get("User", ""),
        by_hand=bool(badge),
        on_air=on_air if isinstance(on_air, bool) else None,
        paused=badge.get("paused") is True,
        failed=tuple(unit for unit in BESIDE if told_by("systemctl", "is-failed", unit) == "failed\n"),
    )


def _badge(folder: Path | None) -> dict[str, Any]:
    """What the status file says, if that is of a badge whose process is there; else nothing."""
    try:
        told = runtime.read_status(folder) if folder is not None else None
    except PermissionError:
        return {}
    if told is None or told.get("running") is not True:
        return {}
    return told if os.path.exists(f"/proc/{told.get('pid')}") else {}  # noqa: PTH110  a pid of nonsense is none


def store(state: Path, root: Path = Path("/")) -> StoreFacts:
    """The facts of a state directory and its disk.

    Args:
        state: the directory, which need not be there.
        root: where the machine's files are found.
    """
    disk = _disk(state, root)
    try:
        os.stat(state / STORE_FILE)  # noqa: PTH116  inspect would say of a closed directory that there is no store
    except PermissionError:
        return replace(disk, denied=True)
    except OSError:
        pass
    try:
        info = inspect(state)
    except BzdError as error:
        return replace(disk, trouble=str(error), remedy=error.hint)
    return replace(
        disk,
        recipients=tuple(public.fingerprint for public in info.recipients),
        changes=info.changes,
        own_identity=info.identity is not None,
        home=compare(state, info.store_id, root),
    )


def _disk(state: Path, root: Path) -> StoreFacts:
    """What can be known of a directory from outside; nothing if it is not there."""
    uptime_s = _uptime_s(root)
    try:
        status, disk = state.stat(), os.statvfs(state)
    except OSError:
        return StoreFacts(state, uptime_s=uptime_s)
    return StoreFacts(
        state,
        mode=stat.S_IMODE(status.st_mode),
        owner=_user(status.st_uid),
        store_owner=_owner(state / STORE_FILE),
        free_bytes=disk.f_bavail * disk.f_frsize,
        read_only=bool(disk.f_flag & os.ST_RDONLY),
        written_bytes=_written_bytes(status.st_dev, root),
        uptime_s=uptime_s,
    )


def _owner(path: Path) -> str:
    try:
        return _user(os.stat(path).st_uid)  # noqa: PTH116  as above
    except OSError:
        return ""


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _written_bytes(device: int, root: Path) -> int | None:
    """Bytes written since boot to the SD card that holds a device number's partition; None if that is no card."""
    place = (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    card = next(
        (part for part in (place, *place.parents) if part.name.startswith(_CARD) and "p" not in part.name), None
    )
    if card is None:
        return None
    try:
        return int((card / "stat").read_text(encoding="ascii").split()[_SECTORS_WRITTEN]) * _SECTOR
    except (OSError, ValueError, IndexError):
        return None


def _uptime_s(root: Path) -> float:
    with suppress(OSError, ValueError, IndexError):
        return float((root / "proc/uptime").read_text(encoding="ascii").split()[0])
    return 0.0


def _swaps(root: Path) -> list[str]:
    """Names in /proc/swaps (proc_swaps(5)) but those of compressed memory that stays memory."""
    lines = _text(root / "proc/swaps").splitlines()[1:]
    names = [line.partition(" ")[0].strip() for line in lines]
    return [_with_disk(name, root) for name in names if name and not _in_memory(name, root)]


def _in_memory(name: str, root: Path) -> bool:
    return name.startswith(_ZRAM) and not _behind(name, root)


def _with_disk(name: str, root: Path) -> str:
    return f"{name} on {_behind(name, root)}" if name.startswith(_ZRAM) else name


def _behind(zram: str, root: Path) -> str:
    """What a zram writes to when it has nothing better to do; empty if it does not.

    Source: Documentation/admin-guide/blockdev/zram.rst, writeback.
    """
    told = _text(root / "sys/block" / Path(zram).name / "backing_dev").strip()
    return "" if told == "none" else told


def _core_handler(root: Path) -> str:
    """The program that core_pattern pipes to, for which RLIMIT_CORE is no limit (core(5))."""
    pattern = _text(root / "proc/sys/kernel/core_pattern").strip()
    program = pattern[1:].partition(" ")[0] if pattern.startswith("|") else ""
    return "" if Path(program).name == _KEEPS_TO_LIMIT else program


def _wifi_mhz(root: Path) -> int | None:
    if _text(root / "sys/class/net" / _WIFI / "operstate").strip() != "up":
        return None
    told = next((found for program in _IW if (found := told_by(program, "dev", _WIFI, "info"))), "")
    match = _MHZ.search(told)
    return int(match[1]) if match else 0


def _text(path: Path) -> str:
    """What a file of the kernel says; nothing if it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
