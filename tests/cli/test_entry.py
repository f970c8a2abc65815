# SPDX-License-Identifier: Apache-2.0
"""Streams, signals and faults: whatever happens ends in a message and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from bzd.cli import group
from bzd.cli.group import COMMANDS, Entry
from bzd.errors import DiskFullError, InputError
from bzd.model import Contact

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

BZD = f"{sys.executable} -W error -m bzd"


def shell(script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script as a user would type it, `bzd` being this checkout's."""
    return subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=60)


@click.command()
@click.argument("how")
def fail(how: str) -> None:
    """Fail as the test wants it."""
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "failing disk":
        raise OSError(5, "Input/output error", "/media/card/x")
    if how == "full":
        raise OSError(28, "No space left on device", "/media/card/x")
    raise RuntimeError(f"because of {how}")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that fails."""
    monkeypatch.setitem(COMMANDS, "fail", Entry(f"{__name__}:fail", "Fail."))
    monkeypatch.setattr(group.importlib, "import_module", lambda _: sys.modules[fail.callback.__module__])  # type: ignore[attr-defined]


@pytest.mark.usefixtures("failing")
def test_a_fault_is_one_line_and_a_hint(bzd: Bzd, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, unless BZD_DEBUG asks for it."""
    result = bzd("fail", "bugs")
    assert result.code == 1
    assert result.err.startswith(
        "bzd: error: unexpected RuntimeError: because of bugs\nbzd: hint: this is a fault of bzd"
    )
    assert "Traceback" not in result.err
    monkeypatch.setenv("BZD_DEBUG", "1")
    assert "Traceback" in bzd("fail", "bugs").err


@pytest.mark.usefixtures("failing")
def test_ctrl_c(bzd: Bzd) -> None:
    """An interrupt is 130, said in one line."""
    result = bzd("fail", "interrupt")
    assert (result.code, result.err) == (130, "bzd: error: interrupted\n")


@pytest.mark.usefixtures("failing")
def test_a_failing_disk_is_no_fault_of_bzd(bzd: Bzd) -> None:
    """EIO that no module translated is exit code 4 with the file's name, and nobody is asked to report it."""
    result = bzd("fail", "failing disk")
    assert result.code == InputError.exit_code
    assert result.err.startswith("bzd: error: cannot use /media/card/x: Input/output error\nbzd: hint: check the path")


@pytest.mark.usefixtures("failing")
def test_a_full_disk_anywhere_is_named(bzd: Bzd) -> None:
    """ENOSPC that no module translated is still exit code 5 with the file's name."""
    result = bzd("fail", "full")
    assert result.code == DiskFullError.exit_code
    assert result.err.startswith("bzd: error: cannot write /media/card/x: No space left on device\nbzd: hint: ")


def test_full_output_is_an_error_not_silence() -> None:
    """A disk that fills while stdout is flushed at the very end still ends in exit code 5."""
    done = shell(f"{BZD} config > /dev/full")
    assert done.returncode == DiskFullError.exit_code
    assert done.stderr.startswith(b"bzd: error: cannot write the output: No space left on device\n")
    assert b"Exception ignored" not in done.stderr


GONE = "{ exec <&-; sleep 1; }"
"""A reader that closes its end at once, before bzd has started."""


@pytest.mark.parametrize(
    ("script", "codes"),
    [
        (f"{BZD} config --json | {GONE}", "141 0"),
        (f"{BZD} --help | {GONE}", "141 0"),
        (f"{BZD} no-such 2>&1 >/dev/null | {GONE}", "2 0"),
        (f"{BZD} config >&-", "0"),
        (f"{BZD} no-such 2>/dev/full", "2"),
        (f"{BZD} no-such 2>&-", "2"),
    ],
)
def test_whoever_stops_reading_is_not_shouted_at(script: str, codes: str) -> None:
    """Closed pipes and streams, and a full stderr, give an exit code and never a complaint of the interpreter."""
    read, write = os.pipe()
    command = ["bash", "-c", f'{script}; echo "${{PIPESTATUS[@]}}" >&{write}']
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as statuses:
        assert statuses.read().strip() == codes
    assert all(line.startswith(b"bzd: ") for line in done.stderr.splitlines())


def test_the_first_contacts_of_many(fill: Fill, contact: Callable[..., Contact]) -> None:
    """`bzd contacts --jsonl | head -1` prints one line and no complaint, though far more was to come."""
    state = fill(*(contact(86400.0 - 60 * number, number=number % 256) for number in range(1000)))
    done = shell(f"set -o pipefail; {BZD} contacts --state {state} --jsonl | head -1")
    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout.count(b"\n") == 1


def test_data_is_utf8_in_any_locale(fill: Fill, contact: Callable[..., Contact]) -> None:
    """What a script reads does not depend on whose shell it runs in; messages never fail to print."""
    one, two = fill(contact(), name="one", label="T\u00fcr"), fill(contact(), name="two")
    states = f"--state {one} --state {two} --state missing\u2603"
    done = shell(f"PYTHONIOENCODING=ascii {BZD} contacts --state {one} --state {two} --jsonl")
    assert {json.loads(line)["store"] for line in done.stdout.splitlines()} == {"T\u00fcr", "two"}
    done = shell(f"PYTHONIOENCODING=ascii {BZD} contacts {states}")
    assert (done.returncode, done.stdout) == (6, b"")
    assert b"there is no store at missing\\u2603" in done.stderr


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, b"bzd: error: interrupted\n"), (signal.SIGTERM, 143, b""), (signal.SIGHUP, 129, b"")],
)
def test_signals(tmp_path: Path, number: int, code: int, said: bytes) -> None:
    """A signal while a command waits for input ends it with its code, without a traceback."""
    fifo = tmp_path / "passphrase"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "bzd", "keygen", "--passphrase-file", str(fifo)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Opening for writing returns when bzd has opened for reading: it is in the command by then.
    with running, fifo.open("wb"):
        running.send_signal(number)
        _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (code, said)


def test_a_killed_export_leaves_nothing(fill: Fill, tmp_path: Path) -> None:
    """SIGTERM in the middle of writing removes the part that was written: it may hold contacts in the clear."""
    script = (
        "import os, signal, sys; from bzd.cli import contact_data, main;"
        "contact_data.write = lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM);"
        "sys.argv = ['bzd', 'export', 'contacts', '--state', 'state', '-o', 'out.csv']; main()"
    )
    fill()
    before = set(tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (143, b"")
    assert set(tmp_path.iterdir()) == before


def test_the_module_is_the_command() -> None:
    """`python -m bzd` and the installed `bzd` are one."""
    assert shell(f"{BZD} --version").stdout == shell(f"{Path(sys.executable).parent}/bzd --version").stdout
