# SPDX-License-Identifier: Apache-2.0
"""Verdicts on radios: kept, found again for the same setup only, and what they forbid."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import OutputError
from bzd.radio.setup import Setup, bluez_before, recognise
from bzd.radio.verdict import ADVERTISING, VERDICTS_FILE, Outcome, Verdict, find, keep

SETUP = Setup("6.12.75+rpt", "5.82", "maker 305, legacy advertising")
CLEAN = dict.fromkeys((ADVERTISING, "full", "active", "passive"), Outcome.CLEAN)


def test_a_verdict_is_found_again(tmp_path: Path) -> None:
    """By another user too, and for that very setup alone; a later one takes its place."""
    keep(tmp_path, Verdict(SETUP, 1000.0, {**CLEAN, "full": Outcome.LEAKY}))
    keep(tmp_path, Verdict(Setup("6.1", "5.66", "x"), 1500.0, CLEAN))
    keep(tmp_path, Verdict(SETUP, 2000.0, CLEAN))
    assert find(tmp_path, SETUP) == Verdict(SETUP, 2000.0, CLEAN)
    for other in (Setup("6.12.76", "5.82", SETUP.controller), Setup(SETUP.kernel, "5.83", SETUP.controller)):
        assert find(tmp_path, other) is None
    assert (tmp_path / VERDICTS_FILE).stat().st_mode & 0o777 == 0o644
    assert len(json.loads((tmp_path / VERDICTS_FILE).read_text())["verdicts"]) == 2


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    """The latest; a badge that is upgraded for years keeps a small file."""
    for number in range(20):
        keep(tmp_path, Verdict(Setup(str(number), "", ""), 0.0, CLEAN))
    assert [number for number in range(20) if find(tmp_path, Setup(str(number), "", ""))] == [*range(12, 20)]


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["verdicts", "schema", "setup"]), inner)
        ),
    ).map(lambda value: json.dumps({"schema": "bzd.radio/1", "verdicts": value}).encode())
)
def test_a_damaged_file_is_no_verdict(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever it holds: then nobody has looked."""
    folder = tmp_path_factory.mktemp("state")
    (folder / VERDICTS_FILE).write_bytes(content)
    assert find(folder, SETUP) is None
    keep(folder, Verdict(SETUP, 1.0, CLEAN))
    assert find(folder, SETUP) is not None


def test_where_nothing_can_be_kept(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(OutputError, match=VERDICTS_FILE):
        keep(tmp_path / "none", Verdict(SETUP, 1.0, CLEAN))


def test_what_a_verdict_forbids() -> None:
    """What leaks or cannot rotate, in words; not what is clean or was never tried."""
    verdict = Verdict(SETUP, 1.0, {ADVERTISING: Outcome.CLEAN, "full": Outcome.LEAKY, "active": Outcome.LINKED})
    assert "scan mode full shows an address" in verdict.refusal("full")
    assert "cannot change address" in verdict.refusal("active")
    assert (verdict.refusal("passive"), verdict.refusal(ADVERTISING)) == ("", "")


def test_a_setup_is_told_without_an_address(tmp_path: Path) -> None:
    """Kernel, the bluetoothd that runs, maker and version where BlueZ tells them, bus, kind of advertising."""
    bus = tmp_path / "sys/class/bluetooth/hci0/device/modalias"
    bus.parent.mkdir(parents=True)
    bus.write_text("of:NbluetoothT(null)Cbrcm,bcm43438-bt\n")
    adapter = {"Address": "B8:27:EB:11:22:33", "Modalias": "usb:v1D6Bp0246d0552", "Manufacturer": 305, "Version": 8}
    setup = recognise("hci0", adapter, extended=False, root=tmp_path)
    assert setup.kernel == os.uname().release
    assert setup.bluez == "5.82"
    assert setup.controller == "maker 305, version 8, legacy advertising, of:NbluetoothT(null)Cbrcm,bcm43438-bt"
    assert "B8:27" not in str(setup)


@pytest.mark.parametrize("modalias", ["", "usb:v1D6Bp0246", "bluetooth:v004Cp0001d0100", "usb:v1D6Bp0246d0x42"])
def test_a_bluetoothd_that_hides_its_version(tmp_path: Path, modalias: str) -> None:
    """main.conf may set another DeviceID; then the version is unknown, and nothing fails."""
    setup = recognise("hci1", {"Modalias": modalias}, extended=True, root=tmp_path)
    assert (setup.bluez, setup.controller) == ("", "extended advertising")


@pytest.mark.parametrize(
    ("modalias", "before"), [("d0542", True), ("d0548", True), ("d0549", False), ("d0600", False), ("", True)]
)
def test_versions_are_compared_as_numbers(modalias: str, before: bool) -> None:  # noqa: FBT001  parametrized
    """5.66 and 5.72 are before 5.73, 5.73 and 6.0 are not, and one that hides its version may be."""
    assert bluez_before({"Modalias": f"usb:v1D6Bp0246{modalias}"}, "5.73") == before
