# SPDX-License-Identifier: Apache-2.0
"""A private system bus for tests of the live radio."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from bleak.backends.bluezdbus.manager import _global_instances

from bzd.radio.scanner import forget_sessions

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <servicedir>{folder}</servicedir>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class SystemBus:
    """A dbus-daemon of our own, in place of the system's."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "bus.conf"
        self.socket = folder / "bus"
        self._log = folder / "bus.log"
        self.activated = folder / "activated"
        """Exists once the bus was made to start bluetoothd."""
        service = f"[D-BUS Service]\nName=org.bluez\nExec=/usr/bin/touch {self.activated}\nUser=root\n"
        (folder / "org.bluez.service").write_text(service, encoding="utf-8")
        self._config.write_text(_CONFIG.format(socket=self.socket, folder=folder), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def log(self) -> str:
        """What it has complained of."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--print-address=1", "--nopidfile"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*command, "--nosyslog"], stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self) -> None:
        """Kill it; its clients are disconnected. Harmless again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
            self.socket.unlink(missing_ok=True)


@pytest.fixture
def system_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemBus]:
    """A private bus that everything in this test takes for the system's."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("no dbus-daemon (Debian package dbus)")
    bus = SystemBus(tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={bus.socket}")
    bus.start()
    yield bus
    bus.stop()


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until something is so; fails the test if it is not within so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario in an event loop of its own and leave no connection of bleak behind."""

    async def whole() -> None:
        try:
            async with asyncio.timeout(30):
                await scenario()
        finally:
            await _close_bleak()

    asyncio.run(whole())


async def _close_bleak() -> None:
    """Bleak keeps its connection for the life of the loop; a closed loop would complain about it."""
    manager = _global_instances.get(asyncio.get_running_loop())
    forget_sessions()
    if manager is not None and manager._bus_watcher_task is not None:
        await manager._bus_watcher_task
