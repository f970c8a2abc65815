# SPDX-License-Identifier: Apache-2.0
"""Asking whether the clock is right, on a system bus of our own."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon.synchronised import Synchronised
from bzd.radio.bus import Bus, BusObject

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""
_NAME = "org.freedesktop.timedate1"


@pytest.fixture
def bus_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dbus-daemon that the test takes for the system's."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("no dbus-daemon (Debian package dbus)")
    (tmp_path / "bus.conf").write_text(_CONFIG.format(socket=tmp_path / "bus"), encoding="utf-8")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    command = ["dbus-daemon", f"--config-file={tmp_path}/bus.conf", "--nofork", "--print-address=1", "--nopidfile"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        yield
        daemon.kill()


class _Unsure:
    """A clock in a sandbox, which cannot tell."""

    def __init__(self, known: bool | None = None) -> None:  # noqa: FBT001  three values
        self._known = known

    def synchronised(self) -> bool | None:
        return self._known


@pytest.mark.usefixtures("bus_address")
@pytest.mark.parametrize("right", [True, False])
def test_timedated_is_asked_where_the_clock_cannot_tell(right: bool) -> None:  # noqa: FBT001  a parameter
    """Its property decides."""

    async def scenario() -> None:
        shown = BusObject(_NAME, {"NTPSynchronized": ("b", right)}, lambda _: None, lambda *_: None)
        timedated = Bus(lambda _: None)
        await timedated.connect(lambda: None)
        timedated.export("/org/freedesktop/timedate1", shown)
        dbus = "org.freedesktop.DBus"
        await timedated.call("/org/freedesktop/DBus", dbus, "RequestName", "su", _NAME, 0, destination=dbus)
        clock: Any = _Unsure()
        assert await Synchronised(clock)() is right
        timedated.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("bus_address")
def test_nobody_to_ask_means_not_right() -> None:
    """Without timedated a clock that cannot tell counts as wrong: its contacts are dated later."""
    clock: Any = _Unsure()
    assert asyncio.run(_ask(clock)) is False


@pytest.mark.parametrize("known", [True, False])
def test_a_clock_that_knows_is_believed(known: bool) -> None:  # noqa: FBT001  a parameter
    """Then nobody else is asked, so that no bus is needed."""
    clock: Any = _Unsure(known)
    assert asyncio.run(_ask(clock)) is known


async def _ask(clock: Any) -> bool:
    return await Synchronised(clock)()
