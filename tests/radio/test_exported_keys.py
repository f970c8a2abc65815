# SPDX-License-Identifier: Apache-2.0
"""No key that was ever exported is advertised again: a badge as a process, on the fake BlueZ, asked by others."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path
from time import time
from typing import Any

import pytest

from bzd.matching.keyfile import read_key_file
from bzd.matching.keys import DiagnosisKey
from bzd.protocols import gaen
from bzd.store import open_reader
from bzd.store.state import load_identities

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez

PROGRAM = str(Path(__file__).with_name("on_bluez.py"))
NOON_S = 43_200
"""The time of day, UTC, at which a test begins: no key of these minutes reaches into another day."""
pytestmark = pytest.mark.usefixtures("system_bus")


class SlowBluez(FakeBluez):
    """Takes a second to take an advertisement off the air."""

    async def _do(self, member: str, sender: str, body: list[Any]) -> str:
        if member == "UnregisterAdvertisement":
            await asyncio.sleep(1)
        return await super()._do(member, sender, body)


class Badge:
    """A badge's state directory and, at times, its daemon."""

    def __init__(self, folder: Path, bluez: FakeBluez) -> None:
        self.folder, self.bluez = folder, bluez
        self.state = folder / "state"
        self.environment = os.environ | {"RUNTIME_DIRECTORY": str(folder / "run"), "HOME": str(folder)}
        (folder / "run").mkdir()
        self._ahead_s = NOON_S - time() % 86400
        self._daemon: asyncio.subprocess.Process | None = None

    async def bzd(self, *words: object) -> tuple[int, str]:
        """Run a command line; gives exit code and what it said."""
        process = await self._start(*words)
        _, err = await process.communicate()
        return process.returncode or 0, err.decode()

    async def on(self) -> None:
        """Start the daemon, and wait until something new is on the air."""
        before = len(self.bluez.aired)
        self._daemon = await self._start("badge", self.state)
        await until(lambda: len(self.bluez.aired) > before, 15)

    async def off(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self._daemon is not None:
            self._daemon.send_signal(number)
            await self._daemon.communicate()
            self._daemon = None
            await until(lambda: not self.bluez.kernel)

    async def export(self, name: str, *words: object) -> list[DiagnosisKey]:
        """Export keys, today's included; gives what is in the file."""
        out = self.folder / name
        code, said = await self.bzd(
            "export", "keys", "--state", self.state, "--include-today", "--yes", "-o", out, *words
        )
        assert code == 0, said
        return list(read_key_file(out, allow_unsigned=True).keys)

    def own_ids(self) -> set[bytes]:
        """What went on the air so far."""
        return {data[:16] for data in self.bluez.aired}

    async def _start(self, *words: object) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", PROGRAM, str(self._ahead_s), *map(str, words), env=self.environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip


def ids_of(keys: list[DiagnosisKey]) -> set[bytes]:
    """Every ID that keys give on their whole days, whatever the export says of their ends."""
    return {one for key in keys for one in gaen.PROTOCOL.rolling_ids(key.key, key.first // 144 * 144, 144)}


def with_badge(folder: Path, scenario: Any, make: type[FakeBluez] = FakeBluez) -> None:
    """Run a scenario with a badge whose store is new, and leave nothing running."""

    async def whole() -> None:
        bluez = make()
        await bluez.start()
        badge = Badge(folder, bluez)
        assert (await badge.bzd("init", "--state", badge.state, "--label", "x"))[0] == 0
        try:
            await scenario(badge)
        finally:
            await badge.off(signal.SIGKILL)
            await bluez.stop()

    run(whole)


def test_while_the_badge_is_on_the_air(system_bus: SystemBus, tmp_path: Path) -> None:
    """When the export ends, its key is off the air, cut to what was used, and never comes back.

    Neither after a pause nor with another export nor after a restart.
    """
    del system_bus

    async def scenario(badge: Badge) -> None:
        await badge.on()
        used = badge.own_ids()
        first = await badge.export("one.zip")
        # What the kernel sends at this very moment is under another key.
        assert not {data[:16] for data in badge.bluez.kernel.values()} & ids_of(first)
        assert used <= ids_of(first)
        assert all(key.intervals <= 2 for key in first), first
        exported = badge.own_ids()
        assert (await badge.bzd("pause", "--state", badge.state))[0] == 0
        assert (await badge.bzd("resume", "--state", badge.state))[0] == 0
        second = await badge.export("two.zip")
        assert {key.key for key in first} < {key.key for key in second}
        assert not {data[:16] for data in badge.bluez.kernel.values()} & ids_of(second)
        await badge.off()
        seen = badge.own_ids()
        await badge.on()
        assert not (badge.own_ids() - seen) & ids_of(second)
        assert not (badge.own_ids() - exported) & ids_of(first)

    with_badge(tmp_path, scenario, SlowBluez)


def test_while_the_badge_is_paused(tmp_path: Path) -> None:
    """A silent badge ends its key at once, and is silent still; when it speaks again it has another."""

    async def scenario(badge: Badge) -> None:
        await badge.on()
        assert (await badge.bzd("pause", "--state", badge.state))[0] == 0
        await until(lambda: not badge.bluez.kernel)
        keys = await badge.export("one.zip")
        assert badge.own_ids() <= ids_of(keys)
        before = badge.own_ids()
        assert not badge.bluez.kernel
        assert (await badge.bzd("resume", "--state", badge.state))[0] == 0
        await until(lambda: badge.own_ids() > before)
        assert not (badge.own_ids() - before) & ids_of(keys)

    with_badge(tmp_path, scenario)


def test_a_radio_that_does_not_answer(tmp_path: Path) -> None:
    """While bluetoothd hangs nobody knows what is on the air, so nothing is exported, and the file is not made."""

    async def scenario(badge: Badge) -> None:
        await badge.on()
        badge.bluez.hang()
        words = ["export", "keys", "--state", badge.state, "--include-today", "--yes", "-o", tmp_path / "case.zip"]
        code, said = await badge.bzd(*words)
        assert (code, "did not end today's key" in said) == (1, True)
        assert not (tmp_path / "case.zip").exists()
        badge.bluez.kernel.clear()

    with_badge(tmp_path, scenario)


def test_a_copy_knows_nothing_of_the_badge(tmp_path: Path) -> None:
    """An exported file and a copied directory are refused while the badge is on the air, and afterwards."""

    async def scenario(badge: Badge) -> None:
        await badge.on()
        file, folder = tmp_path / "copy.bzd", tmp_path / "copy"
        assert (await badge.bzd("export", "store", "--state", badge.state, "-o", file))[0] == 0
        await badge.off()
        shutil.copytree(badge.state, folder)
        await badge.on()
        for copy in (file, folder):
            words = ["export", "keys", "--state", copy, "--identity", badge.state / "identity.key"]
            code, said = await badge.bzd(*words, "--include-today", "--yes", "-o", tmp_path / "case.zip")
            assert (code, "copy" in said) == (6, True), said
        assert not (tmp_path / "case.zip").exists()

    with_badge(tmp_path, scenario)


def test_a_case_file_ends_the_key_too(tmp_path: Path) -> None:
    """`export case --include-today` holds by the same: its key is off the air, and in the store with its end."""

    async def scenario(badge: Badge) -> None:
        await badge.on()
        (tmp_path / "ha").mkdir()
        assert (await badge.bzd("keygen", "-o", tmp_path / "ha" / "ha.key"))[0] == 0
        before = badge.own_ids()
        words = ["export", "case", "--state", badge.state, "--recipient", tmp_path / "ha" / "ha.pub", "--include-today"]
        code, said = await badge.bzd(*words, "--yes", "-o", tmp_path / "x.case")
        assert (code, "wrote 1 daily key and 0 contacts" in said) == (0, True), said
        assert not {data[:16] for data in badge.bluez.kernel.values()} & before
        with open_reader(badge.state, load_identities(badge.state)) as reader:
            ended, current = reader.keys()
        assert ended.end < current.end == ended.start // 86400 * 86400 + 86400

    with_badge(tmp_path, scenario)
