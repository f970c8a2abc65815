# SPDX-License-Identifier: Apache-2.0
"""The live radio on an adapter that would give the badge away: silent, and back when that is mended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .conftest import SystemBus, run, until
from .radio_bed import a_bed


@pytest.mark.parametrize("setting", ["Privacy = device", "  Privacy = network/on"])
def test_bluetoothd_with_privacy_is_refused_until_it_is_another(
    system_bus: SystemBus, tmp_path: Path, setting: str
) -> None:
    """What stands in its configuration counts, from its next start on, as for itself."""
    assert system_bus.socket.exists()
    main_conf = tmp_path / "main.conf"
    main_conf.write_text(f"[General]\nName = x\n{setting}\n", encoding="utf-8")

    async def scenario() -> None:
        async with a_bed(main_conf=main_conf) as bed:
            await until(lambda: "Privacy" in bed.radio.state.troubles.get("radio", ""))
            await asyncio.sleep(0.2)
            assert bed.off_air()
            assert not bed.bluez.aired
            main_conf.write_text("[General]\nPrivacy = off\n", encoding="utf-8")
            await bed.bluez.stop()
            await bed.bluez.start()
            await bed.up()
            assert not bed.radio.state.troubles

    run(scenario)


def test_a_configuration_that_may_not_be_read_silences_too(system_bus: SystemBus, tmp_path: Path) -> None:
    """It is asked for again with each try, so that mending the file is enough."""
    assert system_bus.socket.exists()
    main_conf = tmp_path / "main.conf"
    main_conf.mkdir()  # as a file nobody may read it, not even root

    async def scenario() -> None:
        async with a_bed(main_conf=main_conf) as bed:
            await until(lambda: "chmod" in bed.radio.state.troubles.get("radio", ""))
            assert bed.off_air()
            main_conf.rmdir()
            await bed.up()

    run(scenario)
