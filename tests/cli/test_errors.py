# SPDX-License-Identifier: Apache-2.0
"""Every way to go wrong: one line of error, one of hint, an exit code of its own, and no traceback."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.model import Contact
from bzd.store import open_appender

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

IDENTITY = "--identity admin.key"
LOCKED = "--identity locked.key"

WALK = [
    # wrong usage
    ("contact", 2, "no such command 'contact'", "did you mean contacts"),
    ("contacts --jso", 2, "no such option '--jso'", "--json"),
    ("contacts --since tomorrow", 2, "invalid value for '--since': 'tomorrow' is no time", "contacts --help"),
    ("contacts --min-duration 5", 2, "invalid value for '--min-duration': '5' is no duration", "contacts --help"),
    ("contacts --since 1h --until 2h", 2, "--since is not before --until", "contacts --help"),
    ("contacts extra", 6, "there is no store at extra", "bzd init"),
    ("config extra", 2, "got unexpected extra argument", "config --help"),
    ("contacts --state", 2, "option '--state' requires an argument", "`bzd contacts --help`"),
    ("export store -o", 2, "option '-o' requires an argument", "`bzd export store --help`"),
    ("--set", 2, "option '--set' requires an argument", "`bzd --help`"),
    ("export", 2, None, None),
    ("export contacts --csv", 2, "missing option '-o'", "export contacts --help"),
    ("export store -o a --state own --state own", 2, "this command takes one --state", "export store --help"),
    ("purge --state own --all", 2, "there is no terminal to ask on", "purge --help"),
    # configuration
    ("config --config missing.toml", 3, "cannot read missing.toml: No such file", "path"),
    ("config --config .", 3, "cannot read .: Is a directory", "path"),
    ("config --config garbage", 3, "garbage is not valid TOML", "line"),
    ("config --config misspelt.toml", 3, "misspelt.toml: unknown key proximity.max_gaps; the nearest is", "bzd config"),
    ("config --set nonsense", 3, "--set takes section.key=value, not 'nonsense'", "--set proximity"),
    ("config --set proximity.max_gap_s=soon", 3, "--set: proximity.max_gap_s must be a number", "bzd config"),
    ("config --set proximity.max_gap_s=-1", 3, "--set: proximity.max_gap_s must be from 1 to 86400", "bzd config"),
    ("--set nonsense contacts --state own", 3, "--set takes section.key=value", "--set proximity"),
    ("contacts --state own --set nonsense", 3, "--set takes section.key=value", "--set proximity"),
    ("contacts --state own --config missing.toml", 3, "cannot read missing.toml", "path"),
    # files
    ("contacts --state own --identity missing.key", 4, "cannot read missing.key: No such file", "path"),
    ("contacts --state own --identity own", 4, "cannot read own: Is a directory", "path"),
    ("init --state new --recipient missing.pub", 4, "cannot read missing.pub", "path"),
    ("keygen --passphrase-file missing", 4, "cannot read the passphrase file missing", "path"),
    ("init --state new --label " + "x" * 300, 4, "the label", "label"),
    # output
    ("export contacts --state own -o there.csv", 5, "there.csv exists", "--force"),
    ("export contacts --state own -o .", 2, "what form should . have", "export contacts --help"),
    ("export contacts --state own -o . --csv", 5, ". is a directory", "file"),
    ("export contacts --state own -o no/such.csv", 5, "cannot write no/such.csv: No such file", "path"),
    ("export store --state own -o own/x", 5, "own/x is in the state directory own", "elsewhere"),
    ("export store --state own -o /dev/full", 5, "cannot write /dev/full", "room"),
    ("export contacts --state own -o /dev/full --csv", 5, "cannot write /dev/full", "room"),
    ("keygen -o there.csv", 5, "there.csv exists", "another file"),
    ("init --state there.csv", 5, "cannot write there.csv", "path"),
    # state
    ("contacts --state missing", 6, "there is no store at missing", "bzd init"),
    ("export store --state missing -o a", 6, "there is no store at missing", "bzd init"),
    ("purge --state missing --all --yes", 6, "there is no store at missing", "bzd init"),
    ("purge --state there.csv --all --yes", 6, "there.csv is a file, and purge is for state directories", "delete"),
    ("purge --state missing --before 1d --yes", 6, "there is no store at missing", "bzd init"),
    ("contacts --state empty", 6, None, "bzd init"),
    ("init --state own --recipient admin.pub", 6, "there is a store with other recipients in own", "--state"),
    # identity
    ("contacts --state sealed", 7, "no identity for sealed", "--identity"),
    ("contacts --state sealed --identity other.key", 7, "sealed is sealed to others", "--identity"),
    ("contacts --state sealed --identity admin.pub", 7, "admin.pub is a public key", ".key"),
    ("contacts --state sealed --identity garbage", 7, "garbage is not an identity", "keygen"),
    ("contacts --state sealed --identity locked.key", 7, "locked.key is under a passphrase", "--passphrase-file"),
    (f"contacts --state sealed {LOCKED} --passphrase-file wrong", 7, "wrong passphrase for locked.key", "-file"),
    ("init --state new --recipient admin.key", 7, "admin.key is an identity, not a public key", ".pub"),
    ("init --state new --recipient garbage", 7, "garbage is not a public key", "keygen"),
    ("keygen --passphrase", 7, "there is no terminal to ask for a passphrase", "--passphrase-file"),
    # store
    (f"contacts --state newer {IDENTITY}", 8, None, "version"),
    (f"contacts --state garbage {IDENTITY}", 8, None, "salvage"),
    (f"contacts nothing {IDENTITY}", 8, "nothing is empty", "write it again"),
    ("export store --state garbage -o a", 8, None, "salvage"),
    ("export store --salvage --state garbage -o a", 8, "nothing of a store was found in garbage", ""),
    ("purge --state newer --all --yes", 8, None, "version"),
]  # fmt: skip
"""Command line, exit code, how the error begins, what the hint contains; None where another module's words are free."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that the walk names, made once."""
    base = tmp_path_factory.mktemp("walk")

    def bzd(line: str) -> None:
        command = [sys.executable, "-m", "bzd", *line.split()]
        subprocess.run(command, check=True, cwd=base, capture_output=True)

    (base / "right").write_text("right\n")
    (base / "wrong").write_text("wrong\n")
    (base / "garbage").write_bytes(bytes(range(256)) * 20)
    (base / "misspelt.toml").write_text("[proximity]\nmax_gaps = 3\n")
    (base / "there.csv").write_text("there\n")
    (base / "empty").mkdir()
    (base / "nothing").touch()
    for name in ("admin", "other", "locked"):
        bzd(f"keygen -o {name}.key" + (" --passphrase-file right" if name == "locked" else ""))
    bzd("init --state own")
    bzd("init --state sealed --recipient admin.pub --recipient locked.pub")
    shutil.copytree(base / "sealed", base / "newer")
    connection = sqlite3.connect(base / "newer/store.sqlite")
    connection.execute("PRAGMA user_version=1000")
    connection.close()
    return base


@pytest.mark.parametrize(("line", "code", "error", "hint"), WALK, ids=[line for line, *_ in WALK])
def test_walk(
    bzd: Bzd,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    line: str,
    code: int,
    error: str | None,
    hint: str | None,
) -> None:
    """Each mistake is named, has its own exit code and a hint, and leaves nothing behind."""
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    result = bzd(*line.split())
    assert (result.code, result.out) == (code, "")
    if hint is not None:
        assert_one_error_one_hint(result.err, error, hint)
    assert [path for path in sorted(folder.rglob("*")) if path not in before and "store." not in path.name] == []


@pytest.mark.parametrize("words", [["contacts", "--state", ""], ["init", "--state", ""], ["contacts", ""]])
def test_a_variable_that_was_never_set(
    bzd: Bzd, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--state "$UNSET"` is a mistake and not the current directory."""
    monkeypatch.chdir(tmp_path)
    result = bzd(*words)
    assert result.code == 2
    assert_one_error_one_hint(result.err, "invalid value for", f"{words[0]} --help")
    assert list(tmp_path.iterdir()) == []


def assert_one_error_one_hint(err: str, error: str | None, hint: str) -> None:
    """The last two lines are the error and its hint; anything before them is a warning."""
    *others, first, second = err.splitlines()
    assert all(line.startswith("bzd: ") for line in others)
    assert first.startswith(f"bzd: error: {error or ''}")
    assert second.startswith("bzd: hint: ")
    assert hint in second
    assert re.match(r"bzd: error: [^A-Z]", first), "messages begin small"
    assert not first.endswith(".")
    assert not second.endswith(".")


def test_a_second_appender_is_told_so(bzd: Bzd, fill: Fill, tmp_path: Path) -> None:
    """While one process appends, another is refused."""
    state = fill()
    (tmp_path / "empty.jsonl").write_text('{"schema":"bzd.trace/1"}\n')
    with open_appender(state):
        result = bzd("replay", tmp_path / "empty.jsonl", "--state", state)
    assert result.code == 9
    assert_one_error_one_hint(result.err, "another bzd is appending to the store", "stop it")


def test_reading_and_exporting_go_on_beside_a_writer(
    bzd: Bzd, fill: Fill, contact: Callable[..., Contact], tmp_path: Path
) -> None:
    """A live daemon is in nobody's way: what it committed is read, exported and purged."""
    state = fill()
    with open_appender(state) as appender:
        appender.commit(add=[contact()])
        assert len(bzd("contacts", "--state", state, "--jsonl").jsonl) == 1
        assert bzd("export", "store", "--state", state, "-o", tmp_path / "copy.bzd").code == 0
        assert bzd("purge", "--state", state, "--all", "--yes").code == 0
    assert bzd("contacts", "--state", state, "--jsonl").jsonl == []


@pytest.fixture
def nobody(fill: Fill, contact: Callable[..., Contact], tmp_path: Path) -> tuple[Path, list[str]]:
    """A state directory that another user may not enter, and how to run bzd as that user."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("needs root and setpriv to become another user")
    state = fill(contact())
    home = tmp_path
    while home != Path("/tmp") and home.stat().st_mode & 0o005 != 0o005:  # noqa: S108  where pytest puts its folders
        home.chmod(home.stat().st_mode | 0o005)
        home = home.parent
    return state, [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "bzd"]


def skip_if_it_cannot_run(done: subprocess.CompletedProcess[bytes]) -> None:
    """Skip where the other user may not read this Python or this checkout; 127: setpriv could not even execute it."""
    if done.returncode == 127 or b"No module named" in done.stderr or b"Permission denied: '/root" in done.stderr:
        pytest.skip("the other user may not read this Python")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["contacts"], {6, 7}),
        (["export", "store", "-o", "-"], {6}),
        (["purge", "--all", "--yes"], {6}),
        (["purge", "--before", "1d", "--yes"], {6}),
        (["init"], {5}),
        (["config"], {0}),
    ],
)
@pytest.mark.parametrize("how", ["option", "variable", "home"])
def test_a_folder_above_may_not_be_entered(
    nobody: tuple[Path, list[str]], *, words: list[str], code: set[int], how: str
) -> None:
    """A state directory or home in another's folder (`su` keeps $HOME) is an error with a hint and no fault of bzd."""
    state, command = nobody
    inner = state / "deeper"
    inner.mkdir()
    option = ["--state", str(inner)] if how == "option" else []
    variables = {"variable": {"BZD_STATE": str(inner)}, "home": {"HOME": str(inner)}}.get(how, {})
    done = subprocess.run([*command, *words, *option], capture_output=True, check=False, env=os.environ | variables)
    skip_if_it_cannot_run(done)
    assert done.returncode in code
    assert b"fault of bzd" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["contacts"], {4, 6}),
        (["export", "store", "-o", "-"], {6}),
        (["purge", "--all", "--yes"], {6}),
        (["init"], {5, 6}),
    ],
)
def test_somebody_else_s_state(nobody: tuple[Path, list[str]], words: list[str], code: set[int]) -> None:
    """A directory that may not be entered is an error with a hint, not a traceback and not an empty store."""
    state, command = nobody
    done = subprocess.run([*command, *words, "--state", state], capture_output=True, check=False)
    skip_if_it_cannot_run(done)
    assert done.returncode in code
    assert done.stdout == b""
    assert_one_error_one_hint(done.stderr.decode(), None, "")
