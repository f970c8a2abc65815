# SPDX-License-Identifier: Apache-2.0
"""Trying a radio out: on the fake BlueZ, with a recording that is made as it goes; and what makes which outcome."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bzd.doctor import airwaves, trial
from bzd.doctor.airwaves import Seen
from bzd.doctor.trial import ROTATIONS, Attempt, judge
from bzd.errors import RadioError
from bzd.protocols import ad
from bzd.radio.verdict import ADVERTISING, Outcome
from bzd.traces.exchanges import Exchange
from tests.radio.conftest import SystemBus, run, until
from tests.radio.fake_bluez import FakeBluez

NONE = Path("/nonexistent")


class RecordedBluez(FakeBluez):
    """A fake BlueZ whose controller is watched; one that leaks scans under the public address."""

    def __init__(self, *, leaky: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.leaky = leaky
        self.asked_for: list[Exchange] = []
        self._addresses = 0

    def _told(self, opcode: int, parameters: bytes, status: int = 0) -> None:
        self.asked_for.append(Exchange(time.time(), opcode, parameters, status))

    def _new_address(self) -> bytes:
        self._addresses += 1
        return bytes([self._addresses, 0, 0, 0, 0, 0x20])

    def switch(self, *, on: bool) -> None:
        """The controller forgets everything."""
        super().switch(on=on)
        self.asked_for.append(Exchange(time.time(), airwaves.RESET))

    async def _register_advertisement(self, sender: str, path: str) -> str:
        if error := await super()._register_advertisement(sender, path):
            self._told(airwaves.SET_RANDOM_ADDRESS, bytes(6), 0x0C)
            return error
        shown = self.adverts[sender, path]["ManufacturerData"]
        data = ad.build(manufacturer_data={company: bytes(raw.value) for company, raw in shown.items()})
        if self.legacy:
            self._told(airwaves.ADVERTISING_DATA, bytes([len(data)]) + data)
            self._told(airwaves.SET_RANDOM_ADDRESS, self._new_address())
            self._told(airwaves.ADVERTISING_PARAMETERS, struct.pack("<HHBB9x", 160, 160, 3, 1))
            self._told(airwaves.ADVERTISING_ENABLE, b"\x01")
        else:
            self._told(airwaves.SET_PARAMETERS, bytes([1, *bytes(9), 1]) + bytes(14))
            self._told(airwaves.SET_ADDRESS, b"\x01" + self._new_address())
            self._told(airwaves.SET_DATA, bytes([1, 3, 1, len(data)]) + data)
            self._told(airwaves.SETS_ENABLE, bytes([1, 1, 1, 0, 0, 0]))
        return ""

    async def _do(self, member: str, sender: str, body: list[Any]) -> str:
        was_silent, before = not self.kernel, bool(self.discovering)
        error = await super()._do(member, sender, body)
        if member == "UnregisterAdvertisement":
            self._told(*((airwaves.ADVERTISING_ENABLE, b"\x00") if self.legacy else (airwaves.SETS_CLEAR, b"")))
        if bool(self.discovering) is not before:
            self._scan(on=bool(self.discovering), fresh=was_silent)
        return error

    def _scan(self, *, on: bool, fresh: bool) -> None:
        if on and fresh:
            self._told(airwaves.SET_RANDOM_ADDRESS, self._new_address(), 0x0C if self.leaky else 0)
        own_type = 0 if self.leaky and fresh else 1
        self._told(airwaves.SCAN_PARAMETERS, struct.pack("<BHHBB", 1, 18, 18, own_type, 0))
        self._told(airwaves.SCAN_ENABLE, bytes([on, 0]))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bzd.doctor.trial.HOLD_S", 0.05)
    monkeypatch.setattr("bzd.doctor.trial.LONG_HOLD_S", 0.05)
    monkeypatch.setattr("bzd.doctor.trial.GAP_S", 0.01)
    monkeypatch.setattr("bzd.doctor.trial.SETTLE_S", 0.01)
    monkeypatch.setattr("bzd.doctor.trial.FREE_S", 0.3)


def _recorded(monkeypatch: pytest.MonkeyPatch, bluez: RecordedBluez) -> None:
    class Recording:
        def exchanges(self) -> Iterator[Exchange]:
            return iter(bluez.asked_for)

    @asynccontextmanager
    async def recording(adapter: str) -> AsyncIterator[Recording]:
        assert adapter == "hci0"
        yield Recording()

    monkeypatch.setattr("bzd.doctor.trial.recording", recording)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_clean_radio(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch, legacy: bool) -> None:  # noqa: FBT001
    """Every way is tried in both orders, and clean in that of the badge; nothing is left registered or connectable."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = RecordedBluez(legacy=legacy)
        bluez.connectable = True  # as somebody left it who made the adapter discoverable
        await bluez.start()
        _recorded(monkeypatch, bluez)
        found = await trial.run("hci0", 1000.0, NONE)
        assert found.verdict.outcomes == dict.fromkeys((ADVERTISING, "full", "active", "passive"), Outcome.CLEAN)
        assert (found.verdict.time, found.extended) == (1000.0, not legacy)
        assert len(found.rows) == 7
        assert bluez.switched == [False, True]
        assert [bluez.adverts, bluez.discovering, bluez.monitors, bluez.shown_publicly] == [{}, set(), {}, []]
        await bluez.stop()

    run(scenario)


@pytest.mark.parametrize("legacy", [True, False])
def test_an_id_outlasts_a_discovery_in_the_order_of_the_badge(
    system_bus: SystemBus,
    monkeypatch: pytest.MonkeyPatch,
    legacy: bool,  # noqa: FBT001
) -> None:
    """The full and the active mode, in that order alone, take longer by the one ID that is held for long."""
    assert system_bus.socket.exists()
    monkeypatch.setattr("bzd.doctor.trial.LONG_HOLD_S", 1.5)

    async def scenario() -> None:
        bluez = RecordedBluez(legacy=legacy)
        await bluez.start()
        _recorded(monkeypatch, bluez)
        found = await trial.run("hci0", 1000.0, NONE)
        long = {(each.way, each.scan_first) for each, _ in found.rows if each.ended - each.began > 1.5}
        assert long == {("full", not legacy), ("active", not legacy)}
        await bluez.stop()

    run(scenario)


def test_a_radio_that_scans_under_its_public_address(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modes that send scan requests leak, the passive one does not."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = RecordedBluez(leaky=True, legacy=False)
        await bluez.start()
        _recorded(monkeypatch, bluez)
        outcomes = (await trial.run("hci0", 1000.0, NONE)).verdict.outcomes
        clean, leaky = dict.fromkeys((ADVERTISING, "passive"), "clean"), dict.fromkeys(("full", "active"), "leaky")
        assert outcomes == clean | leaky
        await bluez.stop()

    run(scenario)


def test_without_monitors_only_the_active_mode_is_tried(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What bluetoothd does not offer has no verdict, and is asked about again once it does."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = RecordedBluez(monitors_offered=False)
        await bluez.start()
        _recorded(monkeypatch, bluez)
        assert set((await trial.run("hci0", 1000.0, NONE)).verdict.outcomes) == {ADVERTISING, "active"}
        await bluez.stop()

    run(scenario)


def test_an_adapter_in_use_is_left_alone(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's advertisement would be in the recording, and would suffer."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = RecordedBluez()
        await bluez.start()
        bluez.other_advertises(1)
        _recorded(monkeypatch, bluez)
        with pytest.raises(RadioError, match="another program advertises"):
            await trial.run("hci0", 1000.0, NONE)
        assert not bluez.switched
        await bluez.stop()

    run(scenario)


def test_who_ends_it_finds_the_adapter_on(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come in the instant in which it is off."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = RecordedBluez()
        await bluez.start()
        _recorded(monkeypatch, bluez)
        trying = asyncio.create_task(trial.run("hci0", 1000.0, NONE))
        switch = bluez.switch

        def and_end(*, on: bool) -> None:
            switch(on=on)
            trying.cancel()

        monkeypatch.setattr(bluez, "switch", and_end)
        with pytest.raises(asyncio.CancelledError):
            await trying
        await until(lambda: bluez.switched == [False, True])
        await bluez.stop()

    run(scenario)


def test_a_recording_without_what_was_sent_is_no_proof(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A btmon that saw nothing must not make a radio clean."""
    assert system_bus.socket.exists()

    async def scenario() -> None:
        bluez = RecordedBluez()
        await bluez.start()
        _recorded(monkeypatch, RecordedBluez())
        with pytest.raises(RadioError, match="the recording shows 0 advertisements of 3"):
            await trial.run("hci0", 1000.0, NONE)
        await bluez.stop()

    run(scenario)


def _seen(*, linked: bool = False, staying: str = "") -> Seen:
    addresses = ["A"] * (ROTATIONS + 1) if linked else [str(number) for number in range(ROTATIONS + 1)]
    seen = Seen(staying={staying} if staying else set())
    for number, address in enumerate(addresses):
        seen.carried[address].add(bytes([number]))
        seen.sent_from[bytes([number])].add(address)
    return seen


def _attempt(way: str = "full", *, scan_first: bool = False, **more: str) -> Attempt:
    return Attempt(way, scan_first, 0.0, 1.0, **more)


@pytest.mark.parametrize(
    ("rows", "extended", "outcome"),
    [
        ([(_attempt(), _seen())], False, Outcome.CLEAN),
        ([(_attempt(), _seen(linked=True))], False, Outcome.LINKED),
        ([(_attempt(refused="Failed"), Seen())], False, Outcome.LINKED),
        ([(_attempt(), _seen()), (_attempt(scan_first=True, refused="Failed"), Seen())], False, Outcome.CLEAN),
        ([(_attempt(), _seen()), (_attempt(scan_first=True), _seen(staying="scan requests"))], False, Outcome.LEAKY),
        ([(_attempt(), _seen(linked=True)), (_attempt(scan_first=True), _seen())], True, Outcome.CLEAN),
        ([(_attempt(), _seen(staying="adverts")), (_attempt(scan_first=True), _seen())], True, Outcome.LEAKY),
        ([(_attempt(scan_first=True), _seen(linked=True))], True, Outcome.LINKED),
        ([(_attempt(impossible="no monitor"), Seen())], False, None),
    ],
)
def test_what_makes_which_outcome(
    rows: list[tuple[Attempt, Seen]],
    extended: bool,  # noqa: FBT001  parametrized
    outcome: Outcome | None,
) -> None:
    """Rotations count in the badge's own order, a leak in any; what cannot be done has no outcome."""
    assert judge(rows, extended=extended).get("full") is outcome
