# SPDX-License-Identifier: Apache-2.0
"""Facts of the machine, from files as Linux writes them."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from bzd.clock import FixedClock
from bzd.doctor import machine_facts
from bzd.store import create
from bzd.store.identity import Identity
from bzd.store.machine import Home


def write(root: Path, name: str, text: str) -> None:
    """A file below a root."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_swap_on_a_disk_is_told_from_compressed_memory(tmp_path: Path) -> None:
    """A swap file counts, zram does not."""
    head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    write(tmp_path, "proc/swaps", f"{head}/dev/zram0  partition 1 0 100\n/var/swap   file\t\t102396\t\t0\t\t-2\n")
    assert machine_facts.system(FixedClock(5.0), tmp_path).swaps == ("/var/swap",)
    assert machine_facts.system(FixedClock(5.0), tmp_path / "none").swaps == ()


def test_compressed_memory_that_is_written_to_a_disk_is_swap(tmp_path: Path) -> None:
    """As Raspberry Pi OS trixie has it unless it is told otherwise: a zram with a file behind it."""
    write(tmp_path, "proc/swaps", "Filename Type Size Used Priority\n/dev/zram0  partition 1 0 100\n")
    write(tmp_path, "sys/block/zram0/backing_dev", "none\n")
    assert machine_facts.system(FixedClock(5.0), tmp_path).swaps == ()
    write(tmp_path, "sys/block/zram0/backing_dev", "/dev/loop0\n")
    assert machine_facts.system(FixedClock(5.0), tmp_path).swaps == ("/dev/zram0 on /dev/loop0",)


@pytest.mark.parametrize(
    ("pattern", "handler"),
    [
        ("core\n", ""),
        ("|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n", ""),
        ("|/usr/share/apport/apport -p%p -s%s\n", "/usr/share/apport/apport"),
    ],
)
def test_who_is_given_crashed_programs(tmp_path: Path, pattern: str, handler: str) -> None:
    """A program that is piped to looks at no limit, but for systemd's."""
    write(tmp_path, "proc/sys/kernel/core_pattern", pattern)
    assert machine_facts.system(FixedClock(5.0), tmp_path).core_handler == handler


@pytest.mark.parametrize(
    ("state", "told", "mhz"),
    [
        ("up\n", "channel 6 (2437 MHz), width: 20 MHz, center1: 2437 MHz", 2437),
        ("up\n", "type AP", 0),
        ("down\n", "channel 6 (2437 MHz)", None),
    ],
)
def test_the_band_of_the_wifi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, told: str, mhz: int | None
) -> None:
    """From what iw prints, where it is installed, of an interface that is up."""
    write(tmp_path, "sys/class/net/wlan0/operstate", state)
    write(tmp_path, "bin/iw", f"#!/bin/sh\necho '\t{told}'\n")
    (tmp_path / "bin/iw").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert machine_facts.system(FixedClock(5.0), tmp_path).wifi_mhz == mhz


def test_a_store_is_looked_at(tmp_path: Path) -> None:
    """Recipients, permissions and space of a real one; nothing in it is changed but SQLite's shared memory."""
    state, identity = tmp_path / "state", Identity.generate()
    create(state, recipients=[identity.public], label="x", identity=identity, now=1.0)
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"}
    write(tmp_path, "proc/uptime", "7200.50 1.0\n")
    facts = machine_facts.store(state, tmp_path)
    assert facts.recipients == (identity.public.fingerprint,)
    assert (facts.trouble, facts.denied, facts.own_identity, facts.home) == ("", False, True, Home.UNKNOWN)
    assert (facts.mode, facts.read_only, facts.uptime_s) == (0o700, False, 7200.5)
    assert facts.store_owner == facts.owner == pwd.getpwuid(os.geteuid()).pw_name
    assert facts.free_bytes is not None
    assert facts.free_bytes > 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_store_that_is_not_there_or_damaged_is_a_trouble(tmp_path: Path) -> None:
    """With the words and the advice of its error."""
    assert "no store" in machine_facts.store(tmp_path / "none").trouble
    (tmp_path / "store.sqlite").write_bytes(os.urandom(8192))
    facts = machine_facts.store(tmp_path)
    assert "store.sqlite" in facts.trouble
    assert facts.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_closed_directory_is_no_missing_store(tmp_path: Path) -> None:
    """Without permission nothing is known, which is not a fault of the badge."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    assert machine_facts.store(closed).denied


def test_what_a_card_wrote_is_read_from_its_statistics(tmp_path: Path) -> None:
    """The whole card's sectors, from the partition that the store is on; other disks are none."""
    number = (tmp_path / "state").parent.stat().st_dev
    card = tmp_path / "sys/devices/mmc/block/mmcblk0"
    write(card, "stat", "1 2 3 4 5 6 2000 8 9 10 11\n")
    write(card, "mmcblk0p2/stat", "0 0 0 0 0 0 7 0 0 0 0\n")
    place = tmp_path / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
    place.parent.mkdir(parents=True)
    place.symlink_to(card / "mmcblk0p2")
    assert machine_facts.store(tmp_path, tmp_path).written_bytes == 2000 * 512
    (card / "stat").write_text("nonsense")
    assert machine_facts.store(tmp_path, tmp_path).written_bytes is None
    place.unlink()
    place.symlink_to(tmp_path / "sys/devices/nvme0n1")
    assert machine_facts.store(tmp_path, tmp_path).written_bytes is None


@pytest.mark.parametrize(
    ("told", "runs"),
    [
        ({"running": True, "pid": os.getpid()}, True),
        ({"running": False, "pid": os.getpid()}, False),
        ({"running": True, "pid": 2**22 + 1}, False),
        ({"running": True, "pid": "x\0y"}, False),
        ([], False),
    ],
)
def test_a_badge_without_systemd_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: object, runs: bool
) -> None:
    """By its status file, if that process is there."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert not machine_facts.service().by_hand
    (tmp_path / "status.json").write_text(json.dumps(told))
    assert machine_facts.service().by_hand is runs


@pytest.mark.parametrize(
    ("told", "on_air", "paused"),
    [
        ({"radio": {"advertising": True}, "paused": False}, True, False),
        ({"radio": {"advertising": False}, "paused": True}, False, True),
        ({"radio": {"advertising": "yes"}}, None, False),
        ({"radio": []}, None, False),
    ],
)
def test_a_badge_tells_whether_it_is_on_air(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: dict[str, object], on_air: bool | None, paused: bool
) -> None:
    """By its status file; nonsense there is no word."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "status.json").write_text(json.dumps(told | {"running": True, "pid": os.getpid()}))
    found = machine_facts.service()
    assert (found.on_air, found.paused) == (on_air, paused)


def test_programs_that_fail_tell_nothing() -> None:
    """Missing, failing and hanging ones are all unknown."""
    assert machine_facts.told_by("/nonexistent/program") is None
    assert machine_facts.told_by("false") is None
    assert machine_facts.told_by("printf", "x") == "x"
