# SPDX-License-Identifier: Apache-2.0
"""`bzd doctor --radio`: what it prints and keeps; the trial itself is tried with `bzd.doctor.trial`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.doctor.airwaves import Seen
from bzd.doctor.trial import Attempt, Trial
from bzd.errors import RadioError
from bzd.radio.setup import Setup
from bzd.radio.verdict import Outcome, Verdict, find

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

SETUP = Setup("6.12.75", "5.82", "maker 305, legacy advertising")
PUBLIC = "B8:27:EB:11:22:33"


def _seen(addresses: list[str], *, requests: bool = True, staying: bool = False) -> Seen:
    seen = Seen(staying={"scan requests"} if staying else set())
    for number, address in enumerate(addresses):
        seen.carried[address].add(bytes([number]))
        seen.sent_from[bytes([number])].add(address)
        if requests:
            seen.beside[PUBLIC if staying else address].add(bytes([number]))
    return seen


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trial:
    """A trial that found a leak in one mode, in place of a real one, on a machine without a bus."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    leaky = _seen(["a", "b", "c"], staying=True)
    leaky.failed = Counter({(0x2005, 0x0C): 3})
    outcomes = {"advertising": Outcome.CLEAN, "full": Outcome.LEAKY, "passive": Outcome.CLEAN}
    rows = [
        (Attempt("advertising", scan_first=False, began=0, ended=1), _seen(["x", "y", "z"], requests=False)),
        (Attempt("full", scan_first=False, began=1, ended=2), _seen(["u", "v", "w"])),
        (Attempt("full", scan_first=True, began=2, ended=3), leaky),
        (Attempt("passive", scan_first=True, began=3, ended=4, refused="Failed to register"), Seen()),
    ]
    found = Trial(Verdict(SETUP, 1000.0, outcomes), "maker 305, HCI 9", rows, extended=False)

    async def run(adapter: str, now: float) -> Trial:
        assert (adapter, now > 0) == ("hci0", True)
        return found

    monkeypatch.setattr("bzd.doctor.trial.run", run)
    return found


def test_the_trial_is_a_table_before_the_checks(bzd: Bzd, fill: Fill, tried: Trial) -> None:
    """Each attempt with its outcome and what an eavesdropper learns; the verdict is kept for the badge."""
    state = fill()
    result = bzd("doctor", "--radio", "--state", state)
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["way", "advertising", "full", "full", "passive"]
    assert "scan requests: somebody listens here" in lines[2]
    assert "leaky" in lines[3]
    assert "an address that stays, from scan requests" in lines[3]
    assert "refused" in lines[4]
    assert "bluetoothd" in result.out
    assert "about a minute" in result.err
    assert find(state, SETUP) == tried.verdict


def test_json_has_it_beside_the_checks(bzd: Bzd, fill: Fill, tried: Trial) -> None:
    """Setup, firmware, outcomes and attempts, and no address of any kind."""
    result = bzd("doctor", "--radio", "--json", "--state", fill())
    found = result.json["radio"]
    assert (found["setup"], found["firmware"]) == (str(SETUP), tried.firmware)
    assert found["outcomes"] == {"advertising": "clean", "full": "leaky", "passive": "clean"}
    assert found["attempts"][2]["failed"] == {"0x2005 0x0c": 3}
    assert found["attempts"][2]["staying"] == ["scan requests"]
    assert PUBLIC not in result.out


@pytest.mark.usefixtures("tried")
def test_what_it_needs(bzd: Bzd, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store to keep the verdict beside, and root."""
    result = bzd("doctor", "--radio", "--state", tmp_path / "none")
    assert (result.code, "no store" in result.err) == (6, True)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = bzd("doctor", "--radio", "--state", fill())
    assert (result.code, "sudo" in result.err) == (RadioError.exit_code, True)
