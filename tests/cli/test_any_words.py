# SPDX-License-Identifier: Apache-2.0
"""Any words at all on the command line end in an exit code and bzd's own messages."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bzd.cli.entry import run
from bzd.cli.group import COMMANDS
from bzd.clock import FixedClock
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import DiagnosisKey

OPTIONS = [
    "--state", "--identity", "--passphrase-file", "--config", "--set", "--since", "--until", "--min-duration", "--ids",
    "--json", "--jsonl", "--csv", "--toml", "--recipient", "--key-recipient", "--label", "-o", "--passphrase",
    "--force", "--salvage", "--before", "--day", "--all", "--yes",
    "--days", "--onset", "--report-type", "--sign-key", "--verify-key", "--revoke", "--no-embargo", "--allow-unsigned",
    "--bluezone", "--list", "--rule", "--graph", "--exit-code", "--signing", "--padding", "--now",
    "--version", "--help", "--", "-", "-h", "-o-",
]  # fmt: skip
VALUES = [
    "own", "sealed", "garbage", "missing", "a.key", "a.pub", ".", "/dev/null", "/dev/full", "", "24h", "9" * 30 + "d",
    "2020-06-11", "0001-01-01", "9999-12-31", "2020-06-11T10:00:00Z", "proximity.max_gap_s=600", "a.b=c", "=",
    "store", "contacts", "info",
    "keys", "case.zip", "ha.pem", "ha.pub", "wide", "confirmed_test", "\udcff", "\x1b[2J",
]  # fmt: skip
LIVE = {"run", "record", "doctor", "install-service"}
"""These go on until they are stopped, or look at and change the machine itself: not with any words."""
QUIET = [name for name in COMMANDS if name not in {"demo", "replay", "trace"} | LIVE]
"""Some others have parsers of their own, fuzzed where they are."""
TEXT = st.text(st.characters(exclude_characters="\0/"), max_size=8)
"""No NUL, which no command line can hold, and no way out of the test's own folder."""
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
"""Without those of `match --exit-code`: nothing here was ever near anybody."""


def call(*words: str) -> tuple[int, str]:
    """Exit code and stderr of a command line in this process, without any terminal."""
    given, out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape") for _ in range(3))
    kept, sys.stdin = sys.stdin, given
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words, FixedClock(1.8e9))
        err.flush()
        return code, err.buffer.getvalue().decode("utf-8", "replace")
    finally:
        sys.stdin = kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with things to name; the state directory by default is in it as well."""
    base, before = tmp_path_factory.mktemp("words"), Path.cwd()
    os.chdir(base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BZD_STATE", str(base / "own"))
        patch.setenv("HOME", str(base))
        (base / "garbage").write_bytes(bytes(range(256)))
        for words in (["init"], ["keygen", "-o", "a.key"], ["init", "--state", "sealed", "--recipient", "a.pub"]):
            assert call(*words)[0] == 0
        assert call("keygen", "--signing", "-o", "ha.pem")[0] == 0
        (base / "case.zip").write_bytes(write_key_file(KeyFile((DiagnosisKey(bytes(16), 2_000_000, 144),))))
        yield base
    os.chdir(before)


@given(
    st.sampled_from([*QUIET, "export store", "export contacts", "export keys"]),
    st.lists(st.one_of(st.sampled_from(OPTIONS), st.sampled_from(VALUES), TEXT), max_size=6),
)
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words(folder: Path, command: str, words: list[str]) -> None:
    """No traceback, no fault, no code that is not in the list, whatever is typed."""
    os.chdir(folder)
    code, err = call(*command.split(), *words)
    assert code in CODES
    assert "unexpected" not in err.replace("got unexpected extra argument", "")
    assert "Traceback" not in err
    assert all(line.startswith("bzd: ") for line in err.splitlines()) or code == 2 or command == "keygen"
