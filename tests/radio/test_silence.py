# SPDX-License-Identifier: Apache-2.0
"""Paused means silent: nothing that happens to a badge and its BlueZ puts a paused one on the air."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bzd.store import requests

from .conftest import run, until
from .daemon_bed import RunningDaemon, a_daemon
from .fake_bluez import FakeBluez

_PATIENCE_S = 3.0
"""Longer than the daemon takes for whatever it does next: a tick, and a radio that tries again."""


@pytest.mark.usefixtures("system_bus")
def test_whatever_happens_a_paused_badge_is_silent(tmp_path: Path) -> None:
    """Another configuration, another bluetoothd, an adapter that goes and comes, an exporter, a kill of the daemon."""
    state = tmp_path / "state"

    async def scenario() -> None:
        async with a_daemon(tmp_path) as (daemon, bluez):
            await asyncio.to_thread(requests.ask, state, "pause")
            await until(lambda: not (bluez.adverts or bluez.monitors or bluez.discovering))
            aired = len(bluez.aired)
            (tmp_path / "bzd.toml").write_text('[advertise]\nprotocol = "bluezone"\n[scan]\nmode = "active"\n')
            daemon.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(_PATIENCE_S)
            assert daemon.status()["radio"]["protocol"] == "bluezone"
            await _trouble(bluez)
            await asyncio.to_thread(requests.ask, state, f"{requests.RETIRE_KEY} 1")
            daemon.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(_PATIENCE_S)
            daemon.process.kill()
            await asyncio.to_thread(daemon.process.wait)
            again = RunningDaemon(tmp_path, begin=False)
            try:
                await until(lambda: again.status().get("pid") == again.process.pid, 20.0)
                await asyncio.sleep(_PATIENCE_S)
                assert again.status()["paused"]
            finally:
                await again.stop()
                again.abandon()
            assert len(bluez.aired) == aired
            await until(lambda: not (bluez.adverts or bluez.monitors or bluez.discovering))

    run(scenario)


async def _trouble(bluez: FakeBluez) -> None:
    """Bluetoothd is started again, the adapter switched off and on, unplugged and plugged in."""
    await bluez.stop()
    await bluez.start()
    await asyncio.sleep(1)
    await bluez.power(on=False)
    await asyncio.sleep(1)
    await bluez.power(on=True)
    bluez.unplug()
    await asyncio.sleep(1)
    bluez.plug()
    await asyncio.sleep(1)
