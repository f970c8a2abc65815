# SPDX-License-Identifier: Apache-2.0
"""What is known of an adapter stays true, also after a connection that broke off while it was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bzd.errors import BusError
from bzd.radio.bus import Bus
from bzd.radio.watch import Loss, Watch

from .conftest import SystemBus, run, until
from .fake_bluez import FakeBluez


def test_a_connection_that_was_half_made_is_made_anew(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """One match rule is not taken, or a pause cuts that step short: later losses are noticed all the same."""
    assert system_bus.socket.exists()
    lost: list[Loss] = []
    monkeypatch.setattr(Bus, "watch", _failing_once(Bus.watch))

    async def scenario() -> None:
        bluez = FakeBluez()
        await bluez.start()
        watch = Watch("hci0", Path("/nonexistent"), lost.append, lambda *_: None)
        with pytest.raises(BusError):
            await watch.ready(broadcasting=True)
        await watch.ready(broadcasting=True)
        lost.clear()
        await bluez.stop()
        await until(lambda: Loss.BLUETOOTHD in lost)
        watch.bus.close()

    run(scenario)


def _failing_once(watch: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The same, but for the first call."""
    failed: list[bool] = []

    async def instead(bus: Bus, **match: Any) -> None:
        if not failed:
            failed.append(True)
            raise BusError("org.freedesktop.DBus.Error.NoReply", "AddMatch: no answer within 10 s")
        await watch(bus, **match)

    return instead
