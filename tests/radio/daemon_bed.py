# SPDX-License-Identifier: Apache-2.0
"""The whole daemon, `bzd run`, as a process of its own on a fake BlueZ; for what is asked of the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon import runtime
from bzd.store import create
from bzd.store.identity import Identity

from .conftest import until
from .fake_bluez import FakeBluez

NOW = 1_728_043_200.0


class RunningDaemon:
    """A daemon that was started.

    Args:
        folder: an empty folder for all it writes; its state directory is `state` in that.
        python: options of the interpreter.
        begin: whether the folder is to be filled; else it goes on with that of another daemon, which has ended.
    """

    def __init__(self, folder: Path, *python: str, begin: bool = True) -> None:
        self._folder = folder
        self._log = (folder / "log").open("w+", encoding="utf-8")
        if begin:
            create(folder / "state", recipients=[Identity.generate().public], label="bed", now=NOW)
            (folder / "run").mkdir()
        # As systemd has it: RuntimeDirectory=, StateDirectory=, ConfigurationDirectory=.
        folders = {"RUNTIME": folder / "run", "STATE": folder / "state", "CONFIGURATION": folder}
        environment = os.environ | {f"{name}_DIRECTORY": str(path) for name, path in folders.items()}
        command = [sys.executable, *python, "-m", "bzd", "run"]
        self.process = subprocess.Popen(command, stderr=self._log, env=environment)

    def status(self) -> dict[str, Any]:
        """What it says of itself; nothing before its first word."""
        return runtime.read_status(self._folder / "run") or {}

    def on_air(self) -> bool:
        """Whether it advertises and scans."""
        radio = self.status().get("radio", {})
        return bool(radio.get("advertising") and radio.get("scanning"))

    def memory_kib(self) -> dict[str, int]:
        """`Rss`, `Pss`, `Anonymous`, … of /proc/PID/smaps_rollup, in KiB (Documentation/filesystems/proc.rst)."""
        text = self._of_process("smaps_rollup")
        return {
            name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in text.splitlines()[1:])
        }

    def mapped(self) -> str:
        """What is mapped into its memory: libraries and other files (proc_pid_maps(5))."""
        return self._of_process("maps")

    def _of_process(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.process.pid}/{name}").read_text(encoding="utf-8")
        except PermissionError:
            pytest.skip("the kernel shows the memory of a process that no crash may dump to root alone")

    async def stop(self) -> str:
        """End it with SIGTERM; gives what it wrote to stderr."""
        self.process.terminate()
        await asyncio.to_thread(self.process.wait, 10)
        self._log.seek(0)
        return self._log.read()

    def abandon(self) -> None:
        """Leave nothing of it."""
        self.process.kill()
        self.process.wait()
        self._log.close()


@asynccontextmanager
async def a_daemon(folder: Path, *python: str) -> AsyncIterator[tuple[RunningDaemon, FakeBluez]]:
    """A daemon that is on air, and its BlueZ; the system bus must be a private one."""
    bluez = FakeBluez()
    await bluez.start()
    daemon = RunningDaemon(folder, *python)
    try:
        await until(daemon.on_air, 20.0)
        yield daemon, bluez
    finally:
        daemon.abandon()
        await until(lambda: not (bluez.adverts or bluez.discovering))
        await bluez.stop()
