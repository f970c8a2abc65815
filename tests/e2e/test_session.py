# SPDX-License-Identifier: Apache-2.0
"""A machine that failed is told from a check that failed: no wait is for ever, and a scenario is repeated but once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.host import machine, shell
from tests.e2e.host.image import Image
from tests.e2e.host.machine import Disk, Guest, GuestError
from tests.e2e.host.session import Session
from tests.e2e.host.suites import Suite
from tests.e2e.host.verdict import Verdict
from tests.e2e.plan import CUT, Scenario

SUITE = Suite("trixie", "3.13")
SOUND = ("PASS a/legacy: x", "DONE a/legacy: 1 s")
FAILED = ("FAIL a/legacy: x", "DONE a/legacy: 1 s")
TROUBLED = ("FAIL a/legacy: x", "TROUBLE a/legacy: it stood still for 3 s", "DONE a/legacy: 1 s")


class Bench:
    """Guests that print what they are told to, one boot after the other; an exception is one that dies."""

    def __init__(self, tmp_path: Path, *boots: tuple[str, ...] | GuestError) -> None:
        self.image = Image(SUITE, tmp_path)
        self.boots: Iterator[tuple[str, ...] | GuestError] = iter(boots)
        self.commands: list[str] = []
        self.disks: tuple[Disk, ...] = ()

    def run(self, command: str, _: Path, __: float, line: Callable[[str], None], cut: str | None = None) -> int | None:
        """One boot."""
        self.commands.append(command)
        printed = next(self.boots)
        if isinstance(printed, GuestError):
            raise printed
        for text in printed:
            line(text)
        return None if cut in printed else 0


@pytest.fixture
def outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Verdict, Bench]]:
    """What becomes of the scenario `a` with such boots on an idle host."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))

    def run(*boots: tuple[str, ...] | GuestError, cut: bool = False) -> tuple[Verdict, Bench]:
        verdict, bench = Verdict(), Bench(tmp_path, *boots)
        guest: Any = bench
        scenario = Scenario("a", "legacy", "It holds.", quick=True, limit_s=9, cut=cut)
        Session(guest, tmp_path, verdict).scenarios([scenario])
        return verdict, bench

    return run


def test_a_failed_check_stands(outcome: Callable[..., tuple[Verdict, Bench]]) -> None:
    """On a sound machine nothing is repeated, whether it passed or failed."""
    verdict, bench = outcome(SOUND)
    assert (verdict.status, len(bench.commands)) == (0, 1)
    verdict, bench = outcome(FAILED)
    assert (verdict.status, len(bench.commands), verdict.repeated) == (1, 1, [])


def test_a_machine_in_trouble_gets_one_more_try(outcome: Callable[..., tuple[Verdict, Bench]]) -> None:
    """A scenario that failed while the guest stood still, or whose guest died, is repeated, and that is told."""
    for first in (TROUBLED, GuestError("not booted after 120 s"), SOUND[:1]):
        verdict, bench = outcome(first, SOUND)
        assert (verdict.status, len(bench.commands)) == (0, 2)
        assert len(verdict.repeated) == 1
        assert verdict.summary().endswith("1 passed, 0 failed, 0 skipped")


def test_there_is_no_third_try(outcome: Callable[..., tuple[Verdict, Bench]]) -> None:
    """What fails again has failed, whatever the reason."""
    for again in (TROUBLED, GuestError("not booted after 120 s"), FAILED, ()):
        verdict, bench = outcome(TROUBLED, again)
        assert (verdict.status, len(bench.commands)) == (1, 2)


def test_a_busy_host_is_no_verdict(
    outcome: Callable[..., tuple[Verdict, Bench]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that failed while others wanted the processors is repeated."""
    monkeypatch.setattr(os, "getloadavg", lambda: (64.0 * (os.cpu_count() or 1), 0.0, 0.0))
    verdict, _ = outcome(FAILED, SOUND)
    assert "processes per processor" in verdict.repeated[0]


def test_a_power_cut_takes_place(
    outcome: Callable[..., tuple[Verdict, Bench]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there after a cut proves nothing if the guest had ended in peace; a scenario that saw none has failed."""
    monkeypatch.setattr("tests.e2e.host.session.run", lambda *_: "")
    monkeypatch.setattr("tests.e2e.host.session.replace", lambda bench, **_: bench)
    verdict, bench = outcome((CUT,), SOUND, cut=True)
    assert (verdict.status, ["--after-cut" in command for command in bench.commands]) == (0, [False, True])
    verdict, bench = outcome(SOUND, SOUND, cut=True)
    assert (verdict.failures, len(bench.commands)) == (
        ["trixie: FAIL a/legacy: it ended, and its power had not failed"],
        1,
    )


QEMU = """#!/bin/bash
for word; do [[ $word == file,id=out,path=* ]] && exec 9> "${word#file,id=out,path=}"; done
"""


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Guest]:
    """A guest whose qemu is a script: it gets the pipe for the guest's output as descriptor 9."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(machine, "_START_S", 2.0)

    def make(script: str) -> Guest:
        qemu = tmp_path / "qemu-system-x86_64"
        qemu.write_text(QEMU + script)
        qemu.chmod(0o755)
        return Guest(Image(SUITE, tmp_path), ())

    return make


def test_no_guest_is_waited_for_for_ever(guest: Callable[[str], Guest], tmp_path: Path) -> None:
    """One that does not boot, one that does not end, and one that dies: each is an error that says which."""
    scripts = {
        "exec sleep 60": "not booted after 2 s",
        "echo booted >&9; exec sleep 60": "not finished after 1 s",
        "echo booted >&9": "ended by itself",
    }
    for script, why in scripts.items():
        started = time.monotonic()
        with pytest.raises(GuestError, match=why):
            guest(script).run("true", tmp_path, 1.0, lambda _: None)
        assert time.monotonic() - started < 10


def test_a_guest_gives_its_lines_and_status(guest: Callable[[str], Guest], tmp_path: Path) -> None:
    """What it prints arrives as it comes, and its status is that of the command; a cut ends it at once."""
    lines: list[str] = []
    script = f"echo booted >&9; echo hello >&9; echo 3 > {tmp_path}/status"
    assert guest(script).run("true", tmp_path, 9.0, lines.append) == 3
    assert lines == ["booted", "hello"]
    started = time.monotonic()
    assert guest("echo booted >&9; echo CUT >&9; exec sleep 60").run("", tmp_path, 50.0, lines.append, "CUT") is None
    assert time.monotonic() - started < 10


def test_a_network_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, with the unfinished folder removed in between; other errors are told at once."""
    monkeypatch.setattr(shell, "_PAUSE_S", 0.0)
    tries, folder = tmp_path / "tries", tmp_path / "root"
    script = f"mkdir {folder} || exit 7; echo x >> {tries}; echo 'E: Failed to fetch http://deb/x'; exit 1"
    with pytest.raises(shell.UnavailableError, match=r"the network fails: .*Failed to fetch"):
        shell.fetch("sh", "-c", script, into=folder)
    assert tries.read_text() == "x\nx\n"
    with pytest.raises(shell.BuildError, match="exit status 7") as caught:
        shell.fetch("sh", "-c", "exit 7")
    assert not isinstance(caught.value, shell.UnavailableError)
