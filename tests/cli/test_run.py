# SPDX-License-Identifier: Apache-2.0
"""`bzd run` as the service calls it, on a machine without Bluetooth."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon import runtime

Bzd = Callable[..., Any]


def _started(state: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "bzd", "run", "--state", str(state), *words]
    # A socket that is not there, so that this machine's own bluetoothd is left alone.
    nowhere = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | nowhere | environment
    )


def _lines_until(process: subprocess.Popen[str], words: str) -> list[str]:
    assert process.stderr is not None
    found: list[str] = []
    for line in process.stderr:
        found.append(line)
        if words in line:
            return found
    pytest.fail(f"it ended without saying {words!r}: {found}")


def test_without_a_bus_it_waits_and_can_be_asked(
    bzd: Bzd, fill: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A badge without its radio is up, says what is wrong, takes a pause, and ends in order with code 0."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    state = fill()
    process = _started(state)
    try:
        _lines_until(process, "started")
        assert bzd("pause", "--for", "2m", "--state", state).err == "bzd: paused for 120 s\n"
        assert bzd("resume", "--state", state).err == "bzd: resumed\n"
        refused = bzd("pause", "--for", "53w", "--state", state)  # whoever trusts the exit code is on air
        assert (refused.code, "cannot pause for" in refused.err) == (4, True)
        end = time.monotonic() + 10
        while "bus" not in bzd("status").out and time.monotonic() < end:
            time.sleep(0.1)
        result = bzd("status")
        assert result.code == 1
        assert "the system bus cannot be reached" in result.out
        assert bzd("run", "--state", state).code == 9
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "")
        assert "stopped; everything is stored" in err
    finally:
        process.kill()
        process.communicate()


def test_a_badge_that_no_status_shows_says_so(fill: Any) -> None:
    """As root by sudo, which keeps no $XDG_RUNTIME_DIR, and without the service, which brings /run/bzd."""
    if runtime.SYSTEM_RUNTIME.exists():
        pytest.skip("there is a badge on this machine")
    process = _started(fill(), RUNTIME_DIRECTORY="", XDG_RUNTIME_DIR="")
    try:
        said = "".join(_lines_until(process, "started"))
        assert "neither /run/bzd nor $XDG_RUNTIME_DIR; `bzd status` will know nothing" in said
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("words", "code"), [(("--set", "radio.adaptr=hci1"), 3), (("--set", "scan.mode=loud"), 3), (("--adapter",), 2)]
)
def test_what_is_wrong_at_the_start_is_said(bzd: Bzd, fill: Any, words: tuple[str, ...], code: int) -> None:
    """Configuration faults end it before anything is on air, with their own codes."""
    assert bzd("run", "--state", fill(), *words).code == code


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 6, "there is no store at"),
        (("--set", "radio.adaptr=hci1"), 3, "unknown key radio.adaptr; the nearest is adapter"),
    ],
)
def test_under_the_journal_the_last_words_have_a_priority(
    fill: Any, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """Why it ends is said once, as an error, with the hint, and an address in it is blotted out as in every line."""
    with (tmp_path / "journal").open("w+b") as stream:
        status = os.fstat(stream.fileno())
        state = fill(name="AA:BB:CC:DD:EE:FF") if words else tmp_path / "AA:BB:CC:DD:EE:FF"
        command = [sys.executable, "-m", "bzd", "run", "--state", str(state), *words]
        environment = os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert subprocess.run(command, stderr=stream, env=environment, check=False).returncode == code
        stream.seek(0)
        (line,) = stream.read().decode().splitlines()
    assert line.startswith("<3>")
    assert said in line
    assert "; " in line
    assert "AA:BB" not in line


def test_no_store(bzd: Bzd, tmp_path: Path) -> None:
    """A badge without a store says how to make one."""
    result = bzd("run", "--state", tmp_path / "none")
    assert result.code == 6
    assert "bzd init" in result.err
