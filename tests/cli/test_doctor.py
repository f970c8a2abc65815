# SPDX-License-Identifier: Apache-2.0
"""`bzd doctor` on a machine that is no badge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.doctor.checks import CHECKS

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill


@pytest.fixture(autouse=True)
def _no_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no system bus here, whatever the machine has."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")


def test_every_check_is_a_line_and_problems_are_the_exit_code(bzd: Bzd, tmp_path: Path) -> None:
    """No bus and no store are problems, each with what to do."""
    result = bzd("doctor", "--state", tmp_path / "none")
    assert result.code == 13
    assert all(f"  {name} " in result.out for name in CHECKS)
    assert "system bus cannot be reached" in " ".join(result.out.split())
    assert "-> `systemctl status bluetooth dbus`" in result.out
    assert result.err == ""
    marked = [line for line in result.out.splitlines() if line[0] != " "]
    longest = max(map(len, CHECKS))
    assert [line[9:].rstrip()[:longest].rstrip() for line in marked] == list(CHECKS)
    assert {line[9 + longest : 11 + longest] for line in marked} == {"  "}, "texts stand below each other"


def test_a_narrow_terminal_gets_words(bzd: Bzd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one of 20 columns no text is a column of letters, and what is copied from it, such as a path, stays whole."""
    monkeypatch.setenv("COLUMNS", "20")
    state = tmp_path / "a-state-directory-with-a-name-that-is-longer-than-a-line"
    lines = bzd("doctor", "--state", state).out.splitlines()
    assert f"{state / 'store.sqlite'}" in " ".join(lines)
    assert not [line for line in lines if len(line.strip()) == 1]
    assert all(len(line) <= 60 or len(line.split()) == 1 for line in lines)


def test_json_is_one_object(bzd: Bzd, fill: Fill) -> None:
    """For forty badges by ssh: host, version, verdict, and all checks in order."""
    result = bzd("doctor", "--json", "--state", fill(label="ward3"))
    found = result.json
    assert (result.code, found["schema"], found["healthy"]) == (13, "bzd.doctor/1", False)
    assert [check["check"] for check in found["checks"]] == list(CHECKS)
    by_name = {check["check"]: check for check in found["checks"]}
    assert by_name["store"]["verdict"] == "ok"
    assert by_name["bluetoothd"]["verdict"] == "problem"
    assert all(set(check) == {"check", "verdict", "text", "remedy"} for check in found["checks"])
