# SPDX-License-Identifier: Apache-2.0
"""Facts of the radio, from a bluetoothd on a private bus and from files as Linux writes them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bzd.doctor import bluez_facts
from bzd.doctor.facts import RadioFacts
from bzd.doctor.management import Management
from bzd.radio.setup import Setup
from bzd.radio.verdict import ADVERTISING, Outcome, Verdict, keep
from tests.radio.conftest import run
from tests.radio.fake_bluez import FakeBluez

pytestmark = pytest.mark.usefixtures("system_bus")


def gather(state: Path, bluez: FakeBluez | None, *, advertise: bool = False) -> RadioFacts:
    """The facts of hci0 on a fake bluetoothd, or on none."""
    found: list[RadioFacts] = []

    async def scenario() -> None:
        if bluez is not None:
            await bluez.start()
        found.append(await bluez_facts.radio("hci0", state, advertise=advertise))
        if bluez is not None:
            await bluez.stop()

    run(scenario)
    return found[0]


def test_without_bluetoothd_only_that_is_known(tmp_path: Path) -> None:
    """In words; the machine's own facts are there all the same."""
    facts = gather(tmp_path, None)
    assert facts.trouble == "bluetoothd is not running"
    assert (facts.adapter, facts.setup, facts.active_instances) == (None, None, None)


def test_an_adapter_that_is_not_there_is_none(tmp_path: Path) -> None:
    """Which is no trouble of bluetoothd's."""
    bluez = FakeBluez()
    bluez.present = False
    facts = gather(tmp_path, bluez, advertise=True)
    assert (facts.trouble, facts.adapter, facts.advertises, facts.tried) == ("", None, False, None)


def test_an_adapter_that_is_off_is_not_tried(tmp_path: Path) -> None:
    """It can advertise, but not now."""
    bluez = FakeBluez()
    bluez.adapter["Powered"] = ("b", False)
    facts = gather(tmp_path, bluez, advertise=True)
    assert facts.adapter is not None
    assert (facts.adapter.powered, facts.advertises, facts.tried) == (False, True, None)
    assert not bluez.log


@pytest.mark.parametrize("monitors", [True, False])
def test_monitors_and_other_advertisements_are_noticed(tmp_path: Path, *, monitors: bool) -> None:
    """As bluetoothd offers and counts them; nothing is changed by looking."""
    bluez = FakeBluez(monitors_offered=monitors, legacy=False)
    bluez.others = 2
    facts = gather(tmp_path, bluez)
    assert (facts.monitors, facts.advertises, facts.active_instances, facts.tried) == (monitors, True, 2, None)
    assert facts.setup is not None
    assert "extended advertising" in facts.setup.controller
    assert not bluez.log
    assert not bluez.switched


def test_an_advertisement_is_tried(tmp_path: Path) -> None:
    """One, of an ID that is nobody's, which is gone afterwards."""
    bluez = FakeBluez()
    facts = gather(tmp_path, bluez, advertise=True)
    assert facts.tried == ""
    assert [data[:16] for data in bluez.aired] == [bytes(16)]
    assert bluez.log == ["RegisterAdvertisement", "UnregisterAdvertisement"]


def test_an_advertisement_that_is_refused_is_told(tmp_path: Path) -> None:
    """On a legacy controller that something scans on, or a kernel that refuses all: in BlueZ's own word."""
    bluez = FakeBluez()
    bluez.busy = True
    assert "org.bluez.Error.Failed" in (gather(tmp_path, bluez, advertise=True).tried or "")


def test_an_advertisement_that_is_taken_and_not_counted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer without an error is not believed alone."""
    bluez = FakeBluez()
    monkeypatch.setattr(bluez, "adverts", _Forgetful())
    assert "0 are active" in (gather(tmp_path, bluez, advertise=True).tried or "")


class _Forgetful(dict[Any, Any]):
    """Has everything that it is given, and counts none of it."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("name", ["Discoverable", "Connectable"])
def test_nothing_is_advertised_under_the_public_address(tmp_path: Path, name: str) -> None:
    """Not even zeros: whoever looks at a faulty badge need not show which it is."""
    bluez = FakeBluez()
    bluez.adapter[name] = ("b", True)
    facts = gather(tmp_path, bluez, advertise=True)
    assert facts.adapter is not None
    assert facts.adapter.discoverable or facts.adapter.connectable
    assert (facts.tried, bluez.log) == (None, [])


def test_the_verdict_on_this_very_setup_is_found(tmp_path: Path) -> None:
    """And none that was of another kernel."""
    bluez = FakeBluez()
    setup = gather(tmp_path, bluez).setup
    assert setup is not None
    keep(tmp_path, Verdict(Setup("0.1", setup.bluez, setup.controller), 1.0, {ADVERTISING: Outcome.LEAKY}))
    assert gather(tmp_path, FakeBluez()).verdict is None
    keep(tmp_path, Verdict(setup, 2.0, {ADVERTISING: Outcome.CLEAN}))
    verdict = gather(tmp_path, FakeBluez()).verdict
    assert verdict is not None
    assert verdict.clean


@pytest.mark.parametrize(
    ("switches", "is_blocked"),
    [
        ([("bluetooth", "hci1", "0", "0"), ("wlan", "phy0", "1", "1")], False),
        ([("bluetooth", "hci0", "1", "0")], False),
        ([("bluetooth", "hci1", "1", "0")], True),
        ([("bluetooth", "hci1", "0", "1")], True),
        ([("bluetooth", "hci1", "0", "0"), ("bluetooth", "tpacpi_bluetooth_sw", "1", "0")], True),
        ([], False),
    ],
)
def test_only_a_switch_of_this_adapter_or_of_the_machine_blocks_it(
    tmp_path: Path, switches: list[tuple[str, str, str, str]], *, is_blocked: bool
) -> None:
    """A dongle works while the board's own radio is blocked."""
    for number, parts in enumerate(switches):
        folder = tmp_path / f"sys/class/rfkill/rfkill{number}"
        folder.mkdir(parents=True)
        for name, text in zip(("type", "name", "soft", "hard"), parts, strict=True):
            (folder / name).write_text(f"{text}\n")
    (tmp_path / "sys/class/rfkill/rfkill9").mkdir(parents=True)  # on its way out: no files
    assert bluez_facts.blocked("hci1", tmp_path) is is_blocked


def test_the_kernels_complaints_are_its_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what it says of Bluetooth; a log that may not be read, or is empty, is unknown."""
    journalctl = tmp_path / "journalctl"
    journalctl.write_text("#!/bin/sh\necho 'Bluetooth: hci0: tx timeout'\necho 'audit: Bluetooth: hci0'\n")
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gather(tmp_path, None).kernel_log == ("Bluetooth: hci0: tx timeout",)
    for told in ("exit 1", "exit 0"):
        journalctl.write_text(f"#!/bin/sh\n{told}\n")
        assert gather(tmp_path, None).kernel_log is None


def test_the_kernel_is_asked_after_an_advertisement_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose refusal it explains: "see kernel above", says the remedy."""
    bluez = FakeBluez()
    monkeypatch.setattr(bluez_facts, "_kernel_log", lambda: tuple(bluez.log))
    assert gather(tmp_path, bluez, advertise=True).kernel_log == ("RegisterAdvertisement", "UnregisterAdvertisement")


@pytest.mark.parametrize(("settings", "connectable"), [(0x0A01, False), (0x0A03, True)])
def test_what_bluetoothd_does_not_tell_the_kernel_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, settings: int, connectable: bool
) -> None:
    """As root, where the adapter has no property Connectable; the answers are those of Linux 6.12."""
    answer = bytes(13) + settings.to_bytes(4, "little") + bytes(263)
    monkeypatch.setattr(Management, "__init__", lambda _, index: _nothing(index))
    monkeypatch.setattr(Management, "__exit__", lambda *_: None)
    monkeypatch.setattr(Management, "ask", lambda *_: (0, answer))
    facts = gather(tmp_path, FakeBluez())
    assert facts.adapter is not None
    assert facts.adapter.connectable is connectable


def _nothing(index: int) -> None:
    assert index == 0


def test_a_kernel_that_does_not_tell_leaves_it_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Bluetooth in the kernel, without root, or where it answers with an error or too little."""

    def refuse(*_: Any) -> None:
        raise PermissionError

    answers: list[Callable[..., Any]] = [lambda *_: (0x11, b""), lambda *_: (0, bytes(5)), refuse]
    monkeypatch.setattr(Management, "__init__", lambda *_: None)
    monkeypatch.setattr(Management, "__exit__", lambda *_: None)
    for ask in answers:
        monkeypatch.setattr(Management, "ask", ask)
        facts = gather(tmp_path, FakeBluez())
        assert facts.adapter is not None
        assert facts.adapter.connectable is None


def test_packets_of_others_are_passed_over() -> None:
    """Events, other adapters' answers and answers to other commands come on the same socket."""
    ours = struct.pack("<HHHHB", 1, 0, 5, 4, 0) + b"ok"
    others = [struct.pack("<HHH", 6, 0, 4), struct.pack("<HHHHB", 1, 1, 3, 4, 0), struct.pack("<HHHHB", 2, 0, 3, 5, 1)]
    management = Management.__new__(Management)
    management._index = 0
    management._socket = _Socket([*others, b"x", ours])  # type: ignore[assignment]  # what is used of it
    assert management.ask(4) == (0, b"ok")
    assert management._socket.sent == [struct.pack("<HHH", 4, 0, 0)]  # type: ignore[attr-defined]  # see above


class _Socket:
    def __init__(self, packets: list[bytes]) -> None:
        self.packets, self.sent = packets, list[bytes]()

    def send(self, packet: bytes) -> None:
        self.sent.append(packet)

    def recv(self, _: int) -> bytes:
        return self.packets.pop(0)
