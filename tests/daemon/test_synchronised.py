# SPDX-License-Identifier: Apache-2.0
"""Asking whether the clock is right, on a system bus of our own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon import synchronised
from bzd.daemon.synchronised import Synchronised
from bzd.radio.bus import Bus, BusObject

from .stand_ins import NOON, HandClock

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<servicedir>{services}</servicedir>
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
    (tmp_path / "services").mkdir()
    (tmp_path / "bus.conf").write_text(
        _CONFIG.format(socket=tmp_path / "bus", services=tmp_path / "services"), encoding="utf-8"
    )
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    command = ["dbus-daemon", f"--config-file={tmp_path}/bus.conf", "--nofork", "--print-address=1", "--nopidfile"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        yield
        daemon.kill()


class _Clock(HandClock):
    """A clock that tells whether it is right as far as it knows; in a sandbox it does not."""

    def __init__(self, known: bool | None = None) -> None:  # noqa: FBT001  three values
        super().__init__()
        self._known = known

    def synchronised(self) -> bool | None:
        return self._known


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemd-timesyncd left here once, when it had set the clock."""
    path = tmp_path / "synchronized"
    path.touch()
    os.utime(path, (NOON - 600.0, NOON - 600.0))
    monkeypatch.setattr(synchronised, "TIMESYNCD", path)
    return path


@asynccontextmanager
async def _timedated(*, right: bool) -> AsyncIterator[Any]:
    """One on the bus; gives its object."""
    shown = BusObject(_NAME, {"NTPSynchronized": ("b", right)}, lambda _: None, lambda *_: None)
    bus = Bus(lambda _: None)
    await bus.connect(lambda: None)
    bus.export("/org/freedesktop/timedate1", shown)
    dbus = "org.freedesktop.DBus"
    await bus.call("/org/freedesktop/DBus", dbus, "RequestName", "su", _NAME, 0, destination=dbus)
    yield shown
    bus.close()


@pytest.mark.usefixtures("bus_address", "mark")
@pytest.mark.parametrize("right", [True, False])
def test_timedated_is_asked_where_the_clock_cannot_tell(right: bool) -> None:  # noqa: FBT001  a parameter
    """Its property decides, whatever timesyncd said once: its mark outlives a clock that is set by hand."""

    async def scenario() -> None:
        async with _timedated(right=right):
            assert await Synchronised(_Clock())() is right

    asyncio.run(scenario())


@pytest.mark.usefixtures("bus_address")
def test_timedated_is_started_to_be_asked(tmp_path: Path) -> None:
    """It does not run all the time, and a call alone would not start it."""
    service = f"[D-BUS Service]\nName={_NAME}\nUser=root\nExec=/usr/bin/touch {tmp_path}/started\n"
    (tmp_path / "services" / f"{_NAME}.service").write_text(service, encoding="utf-8")
    assert asyncio.run(_ask(_Clock())) is False
    assert (tmp_path / "started").exists()


@pytest.mark.usefixtures("bus_address")
def test_nobody_to_ask_means_not_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without timedated and timesyncd a clock that cannot tell counts as wrong: its contacts are dated later."""
    monkeypatch.setattr(synchronised, "TIMESYNCD", tmp_path / "none")
    assert asyncio.run(_ask(_Clock())) is False


@pytest.mark.usefixtures("bus_address")
def test_timesyncds_mark_counts_only_for_the_clock_that_it_set(mark: Path) -> None:
    """Without timedated: not any more once the clock was set by hand, and again after the next synchronisation."""

    async def scenario() -> list[bool]:
        clock = _Clock()
        asks = Synchronised(clock)
        said = [await asks()]
        clock.wall += 60.0
        said += [await asks(), await asks()]
        os.utime(mark, (clock.wall, clock.wall))
        said.append(await asks())
        clock.pass_by(1000.0)
        return [*said, await asks()]

    assert asyncio.run(scenario()) == [True, False, False, True, True]


@pytest.mark.usefixtures("bus_address", "mark")
@pytest.mark.parametrize(("off_s", "right"), [(0.0, True), (86400.0, False), (-86400.0, False)])
def test_a_mark_of_another_time_is_none(off_s: float, right: bool) -> None:  # noqa: FBT001  a parameter
    """Of a clock that was set by hand before the daemon was started."""
    clock = _Clock()
    clock.wall += off_s
    assert asyncio.run(_ask(clock)) is right


@pytest.mark.parametrize("known", [True, False])
def test_a_clock_that_knows_is_believed(known: bool) -> None:  # noqa: FBT001  a parameter
    """Then nobody else is asked, so that no bus is needed."""
    assert asyncio.run(_ask(_Clock(known))) is known


async def _ask(clock: HandClock) -> bool:
    return await Synchronised(clock)()
