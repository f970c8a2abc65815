# SPDX-License-Identifier: Apache-2.0
"""A running badge beside a trial of its radio: off the air meanwhile, and back as it was."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bzd.daemon.service import STATUS_S, TICK_S
from bzd.doctor.quiet import BACK_S, badge_paused
from bzd.doctor.trial import FREE_S
from bzd.errors import StateError
from bzd.radio.adapter import ADAPTER
from bzd.radio.bus import Bus
from bzd.radio.setup import Setup, recognise
from bzd.radio.verdict import Outcome, Verdict, keep
from bzd.store import requests
from tests.radio.conftest import run, until
from tests.radio.daemon_bed import a_daemon
from tests.radio.fake_devices import PATH


def test_without_a_badge_there_is_nobody_to_pause(tmp_path: Path) -> None:
    """A state directory without a daemon is looked at and left; one that is not there is named."""
    with badge_paused(tmp_path):
        pass
    with pytest.raises(StateError), badge_paused(tmp_path / "none"):
        pass


@pytest.mark.usefixtures("system_bus")
def test_a_badge_is_paused_and_comes_back_obeying_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is on air in between; afterwards it takes the mode that the verdict allows, and shows it."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    state = tmp_path / "state"

    async def scenario() -> None:
        async with a_daemon(tmp_path) as (daemon, bluez):

            def try_out(setup: Setup) -> None:
                with badge_paused(state):
                    end = time.monotonic() + FREE_S
                    while bluez.discovering or bluez.adverts:
                        assert time.monotonic() < end
                        time.sleep(0.05)
                    leaky = {"advertising": Outcome.CLEAN, "full": Outcome.LEAKY, "active": Outcome.LEAKY}
                    keep(state, Verdict(setup, 1000.0, leaky | {"passive": Outcome.CLEAN}))

            assert daemon.status()["radio"]["verdict"] is None
            assert "not yet tried" in daemon.status()["words"]
            bus = Bus(lambda _: None)
            await bus.connect(lambda: None)
            setup = recognise("hci0", await bus.properties(PATH, ADAPTER), extended=False)
            bus.close()
            await asyncio.to_thread(try_out, setup)
            await until(lambda: daemon.status()["radio"]["verdict"] == "clean" and daemon.on_air(), 10)
            assert daemon.status()["radio"]["mode"] == "passive"
            assert not bluez.discovering

    run(scenario)


@pytest.mark.usefixtures("system_bus")
def test_an_advertisement_is_tried_while_the_badge_is_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A legacy controller takes none while the badge scans, which would be a false alarm; afterwards it is back."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    outcome, told_on_air, took_s = [], [], []

    async def scenario() -> None:
        async with a_daemon(tmp_path) as (daemon, bluez):

            def look() -> None:
                words = ["doctor", "--advertise", "--json", "--state", str(tmp_path / "state")]
                began = time.monotonic()
                done = subprocess.run([sys.executable, "-m", "bzd", *words], capture_output=True, check=False)
                took_s.append(time.monotonic() - began)
                told_on_air.append(daemon.status()["radio"]["advertising"])
                outcome.extend(json.loads(done.stdout)["checks"])

            before = len(bluez.aired)
            await asyncio.to_thread(look)
            assert bluez.aired[before][:16] == bytes(16)
            await until(lambda: daemon.on_air() and bluez.aired[-1] != bluez.aired[before], 10)

    run(scenario)
    texts = {check["check"]: check["text"] for check in outcome}
    assert texts["advertising"] == "an advertisement was taken"
    assert told_on_air == [True] or took_s[0] > BACK_S  # it does not wait for ever
    assert texts["other advertisers"] == "no other program advertises"


@pytest.mark.usefixtures("system_bus")
def test_what_its_wearer_wants_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A badge that was paused before, or is meanwhile, is not put back on air."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    state = tmp_path / "state"

    async def scenario() -> None:
        async with a_daemon(tmp_path) as (daemon, bluez):

            def pause_meanwhile() -> None:
                with badge_paused(state):
                    requests.ask(state, "pause 7200")
                with badge_paused(state):
                    pass

            await asyncio.to_thread(pause_meanwhile)
            await asyncio.sleep(3)
            assert daemon.status()["paused"]
            assert not bluez.adverts

    run(scenario)


@pytest.mark.usefixtures("system_bus")
def test_what_its_wearer_wants_stays_also_if_nobody_reads_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is seconds old, or another user's: a pause is neither shortened nor ended by a trial."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "of-another-user"))
    state = tmp_path / "state"

    async def scenario() -> None:
        async with a_daemon(tmp_path) as (daemon, bluez):

            def try_beside_pauses() -> None:
                requests.ask(state, "pause")
                with badge_paused(state):
                    pass
                time.sleep(STATUS_S + 2 * TICK_S)
                assert (daemon.status()["paused"], daemon.status()["paused_until"]) == (True, None)
                assert requests.ask(state, "resume") == "resumed"
                with badge_paused(state):
                    requests.ask(state, "pause")

            await asyncio.to_thread(try_beside_pauses)
            await until(lambda: daemon.status()["paused"] and daemon.status()["paused_until"] is None)
            assert not bluez.adverts

    run(scenario)
