# SPDX-License-Identifier: Apache-2.0
"""The command line of the test bed names what it runs, and says in its last line what became of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import plan
from tests.e2e.host import command, image, needs, shell
from tests.e2e.host.suites import SUITES
from tests.e2e.host.verdict import Verdict

RUN = Path(__file__).resolve().with_name("run")


def test_every_scenario_says_what_it_proves() -> None:
    """Each scenario has a sentence, a time limit and a kind of controller that exists."""
    for scenario in plan.scenarios():
        assert scenario.proves.endswith("."), scenario.name
        assert scenario.limit_s > 0
        assert scenario.kind in plan.KINDS


def test_quick_is_a_part_of_all() -> None:
    """A quick run has the smoke test first, legacy controllers only, and nothing that a full run lacks."""
    quick, everything = plan.select([], everything=False), plan.select([], everything=True)
    assert quick[0].title == "smoke/legacy"
    assert {scenario.kind for scenario in quick} == {"legacy"}
    assert set(quick) < set(everything)
    assert not [each.title for each in everything if each.by_name]
    assert plan.select(["recorded/extended"], everything=False)[0].by_name


def test_only() -> None:
    """A scenario is named alone or with a kind of controller, and runs; an unknown name is an error."""
    assert [each.title for each in plan.select(["smoke"], everything=True)] == ["smoke/legacy", "smoke/extended"]
    assert [each.title for each in plan.select(["smoke/extended"], everything=False)] == ["smoke/extended"]
    slow = next(each for each in plan.scenarios() if not each.quick)
    assert [each.title for each in plan.select([slow.name], everything=False)] == [f"{slow.name}/legacy"]
    assert [each.title for each in plan.select(["recorded"], everything=False)] == ["recorded/extended"]
    with pytest.raises(ValueError, match=r"no scenario smok \(there are .*smoke"):
        plan.select(["smok"], everything=False)


def test_the_verdict_counts_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """PASS, FAIL and SKIP lines are counted, others only printed, and the status follows from the failures."""
    verdict = Verdict()
    for line in ("PASS a: b", "SKIP a: c (why)", "some text", "PASSAGE"):
        verdict.line("trixie", line)
    assert (verdict.summary(), verdict.status) == ("1 passed, 0 failed, 1 skipped", 0)
    verdict.line("trixie", "FAIL a: d")
    assert (verdict.summary(), verdict.status) == ("trixie: FAIL a: d\n1 passed, 1 failed, 1 skipped", 1)
    assert "trixie: FAIL a: d" in capsys.readouterr().out


def test_only_what_failed_on_a_failing_machine_is_repeated() -> None:
    """A failure stands, unless the guest says that it was in trouble or never came to the scenario's end."""
    verdict = Verdict()
    for line in (
        *("PASS good: x", "DONE good: 1 s", "FAIL bad: x", "DONE bad: 1 s"),
        *("FAIL slow: x", "TROUBLE slow: it stood still for 2 s", "DONE slow: 1 s"),
        *("PASS calm: x", "TROUBLE calm: it stood still for 2 s", "DONE calm: 1 s", "PASS dead: x"),
    ):
        verdict.line("trixie", line)
    again = verdict.unbelievable("trixie", ["good", "bad", "slow", "calm", "dead", "late"])
    assert again.keys() == {"slow", "dead", "late"}
    assert again["slow"] == "it stood still for 2 s"
    for title, why in again.items():
        verdict.repeat("trixie", title, why)
    assert verdict.failures == ["trixie: FAIL bad: x"]
    assert verdict.summary().count("repeated once: trixie: ") == 3


def test_a_scenario_without_a_check_fails() -> None:
    """Nothing passes in silence."""
    verdict = Verdict()
    verdict.line("trixie", "DONE idle/legacy: 3 s")
    assert verdict.failures == ["trixie: FAIL idle/legacy: it made no check"]


def test_listing_needs_no_guest() -> None:
    """`run --list` names the scenarios without root and qemu."""
    done = subprocess.run([sys.executable, RUN, "--list"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("smoke/legacy: ")


def test_without_its_programs_it_is_skipped() -> None:
    """Without qemu and the rest it names the packages, says that it is skipped, counts that in each suite it is."""
    code = "import runpy, sys; sys.argv[:] = sys.argv[1:]; import shutil; shutil.which = lambda *_: None; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    words = [sys.executable, "-c", code, str(RUN), "--only", "smoke"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].startswith("skipped: not installed here: ")
    assert "qemu-system-x86" in lines[0]
    assert lines[-1] == f"0 passed, 0 failed, {len(SUITES)} skipped"


def test_without_root_it_is_skipped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not build an image is told how, and nothing counts as passed."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("PATH", os.environ["PATH"])
    assert command.main(["--only", "smoke", "--suite", "trixie"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("skipped: only root")
    assert "sudo" in lines[0]
    assert lines[-1] == "0 passed, 0 failed, 1 skipped"


def test_an_archive_that_is_down_is_skipped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A network that fails twice, as apt or pip say it, is no failure of the project's, and passes nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(needs, "obstacle", lambda: None)
    monkeypatch.setattr(shell, "_PAUSE_S", 0.0)
    down = "echo 'E: Failed to fetch http://deb.debian.org/: Could not connect' >&2; exit 100"
    monkeypatch.setattr(image, "build", lambda _: shell.fetch("sh", "-c", down))
    assert command.main(["--only", "smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()
    skipped = [line for line in lines if line.startswith("skipped: ")]
    assert [line.split(":")[1].strip() for line in skipped] == [suite.name for suite in SUITES]
    assert lines[-1] == "0 passed, 0 failed, 2 skipped"
    broken = "echo 'a package is broken' >&2; exit 100"
    monkeypatch.setattr(image, "build", lambda _: shell.fetch("sh", "-c", broken))
    assert command.main(["--only", "smoke"]) == 2, "that is none of the network's"


def test_the_radio_needs_the_standard_library_alone() -> None:
    """The virtual radio imports nothing that must be installed."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import tests.e2e.vhci.__main__; print(*sys.modules)"
    root = str(RUN.parents[2])
    done = subprocess.run([sys.executable, "-I", "-c", code, root], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    allowed = {*sys.stdlib_module_names, "tests", "__main__", "sitecustomize", "usercustomize", "_virtualenv"}
    foreign = {name for name in loaded - allowed if not _from_site(name)}
    assert not foreign


def _from_site(name: str) -> bool:
    """Whether a module was loaded by a .pth file of the environment and not by the program."""
    return name.startswith("_") and importlib.util.find_spec(name) is not None
