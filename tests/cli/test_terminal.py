# SPDX-License-Identifier: Apache-2.0
"""What is different on a terminal: drawn tables, questions, refusals. A pseudo-terminal stands for it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import DiagnosisKey
from bzd.model import Contact, DailyKey
from bzd.store import open_appender
from bzd.store.identity import Identity
from tests.feed.servers import Site, serving

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

PATIENCE_S = 30
"""No answer of bzd takes longer, however busy the machine is."""

CTRL_C = "\x03"
PRESS_S = 0.3
"""As quick as a human presses a key again."""

pytestmark = pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid (util-linux)")


def on_terminal(*words: object, dialogue: Sequence[tuple[str, str]] = (), columns: int = 100) -> tuple[int, str]:
    """Run bzd on a terminal of its own and answer what it asks.

    Args:
        words: the command line.
        dialogue: what it asks, in order, and what to type. Ctrl-C is pressed until it ends: Python's `input` drops an
            interrupt that comes while it flushes stderr, before it reads, which no human is quick enough for.
        columns: how wide the terminal is.

    Returns:
        exit code, and all that the terminal showed.
    """
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "--wait", sys.executable, "-m", "bzd", *map(str, words)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        shown = ""
        for question, answer in dialogue:
            shown += read_until(ours, question)
            if answer != CTRL_C:
                os.write(ours, f"{answer}\n".encode())
        interrupted = bool(dialogue) and dialogue[-1][1] == CTRL_C
        shown += read_until(ours, None, press=CTRL_C if interrupted else "")
        code = running.wait(PATIENCE_S)
    os.close(ours)
    return code, shown


def read_until(terminal: int, text: str | None, press: str = "") -> str:
    """Read until some text was shown, or with None until the terminal is closed; press a key while it is silent."""
    shown, end = "", time.monotonic() + PATIENCE_S
    while text is None or text not in shown:
        ready, _, _ = select.select([terminal], [], [], PRESS_S if press else max(0.0, end - time.monotonic()))
        if press and not ready and time.monotonic() < end:
            os.write(terminal, press.encode())
            continue
        assert ready, f"no {text!r} in {shown!r}"
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says EIO when the other end was closed
            data = b""
        if not data:
            assert text is None, f"no {text!r} in {shown!r}"
            return shown
        shown += data.decode()
    return shown


def test_tables_are_drawn(fill: Fill, contact: Callable[..., Contact]) -> None:
    """On a terminal there is a rule under the head; labels cannot smuggle in markup."""
    one, two = (fill(contact(), name=name, label=f"[red]{name}") for name in ("one", "two"))
    code, shown = on_terminal("contacts", "--state", one, "--state", two)
    assert code == 0
    assert "───" in shown
    assert "[red]one" in shown
    assert "2 contacts" in shown


def test_a_narrow_terminal_folds_no_cells(fill: Fill, contact: Callable[..., Contact]) -> None:
    """On 40 columns lines run over, as text does, and each contact stays one line."""
    code, shown = on_terminal("contacts", "--state", fill(contact(), contact(7200, number=2)), columns=40)
    assert code == 0
    assert "───" not in shown
    assert len([line for line in shown.splitlines() if line.startswith("2027-01-15") and line.endswith("-55")]) == 2


def test_a_store_is_not_written_to_a_terminal(fill: Fill) -> None:
    """Sealed bytes would only wreck it."""
    code, shown = on_terminal("export", "store", "--state", fill(), "-o", "-")
    assert code == 5
    assert "a store is no text for a terminal" in shown


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 1), ("", 1, 1)])
def test_purge_asks(
    bzd: Bzd, fill: Fill, contact: Callable[..., Contact], *, answer: str, code: int, left: int
) -> None:
    """Only a yes deletes; the question says what and where."""
    state = fill(contact())
    question = f"delete all days from {state} for ever? [y/N]"
    result, shown = on_terminal("purge", "--state", state, "--all", dialogue=[(question, answer)])
    assert result == code
    assert ("nothing was deleted" in shown) == bool(left)
    assert len(bzd("contacts", "--state", state, "--jsonl").jsonl) == left


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_export_of_own_keys_asks_for_consent(fill: Fill, tmp_path: Path, answer: str, code: int) -> None:
    """Only a yes writes the file; the days stand above the question, which says how many keys go where."""
    state, out = fill(), tmp_path / "case.zip"
    yesterday = time.time() // 86400 * 86400 - 86400
    with open_appender(state) as appender:
        appender.add_keys([DailyKey("gaen", bytes(16), yesterday, yesterday + 86400)])
    question = f"does the wearer consent to 1 daily key in {out}?"
    result, shown = on_terminal("export", "keys", "--state", state, "-o", out, dialogue=[(question, answer)])
    assert result == code
    assert "recognises state wherever its IDs were heard" in shown
    assert ("nothing was written" in shown) == (not out.exists()) == bool(code)


def test_a_match_shows_a_bar_and_then_the_result(fill: Fill, tmp_path: Path) -> None:
    """The bar counts the keys and goes away; what is found stands on stdout alone."""
    keys = tuple(DiagnosisKey(number.to_bytes(16, "big"), 2_600_000, 144) for number in range(20_000))
    (tmp_path / "keys.zip").write_bytes(write_key_file(KeyFile(keys)))
    words = ["match", "--state", fill(), tmp_path / "keys.zip", "--allow-unsigned"]
    code, shown = on_terminal(*words)
    assert code == 0
    assert "/20000 keys" in shown.replace("\x1b[0m", "").replace("\x1b[32m", "")
    assert shown.splitlines()[-2].endswith("No encounter: there are no contacts of yours.")


def test_fetching_shows_a_bar(tmp_path: Path) -> None:
    """It counts the files of a feed, and goes away."""
    (tmp_path / "site").mkdir()
    with serving(Site(tmp_path / "site")) as site:
        for number in range(9):
            site.put(f"{number}.zip", b"keys", 1_700_000_000)
        index = site.put("index.txt", b"".join(b"%d.zip\n" % number for number in range(9)), 1_700_000_000)
        code, shown = on_terminal("match", "--download", tmp_path / "keys", "--feed", index)
    assert code == 0
    assert re.search(r"/9.*files", shown)
    assert shown.splitlines()[-1].endswith("bzd: key files of feeds: 9, 9 of them new")


def test_passphrases_are_asked_for_and_not_shown(bzd: Bzd, fill: Fill, tmp_path: Path) -> None:
    """Making an identity asks twice, using it once; what is typed is not echoed."""
    key = tmp_path / "admin.key"
    twice = [("passphrase: ", "correct horse"), ("the same again: ", "correct horse")]
    code, made = on_terminal("keygen", "-o", key, "--passphrase", dialogue=twice)
    assert code == 0
    public = Identity.loads(key.read_bytes(), "correct horse").public
    assert public.dumps() == (tmp_path / "admin.pub").read_bytes()
    state = fill(recipients=[tmp_path / "admin.pub"])
    words = ["contacts", "--state", state, "--identity", key]
    code, used = on_terminal(*words, dialogue=[(f"passphrase for {key}: ", "correct horse")])
    assert code == 0
    assert "there are no contacts" in used
    assert "horse" not in made + used
    code, used = on_terminal(*words, dialogue=[(f"passphrase for {key}: ", "wrong")])
    assert code == 7
    assert "wrong passphrase" in used
    assert bzd(*words).code == 7


def test_two_different_passphrases(tmp_path: Path) -> None:
    """A slip of the finger makes no identity that nobody can open."""
    answers = [("passphrase: ", "one"), ("the same again: ", "two")]
    code, shown = on_terminal("keygen", "-o", tmp_path / "a.key", "--passphrase", dialogue=answers)
    assert code == 7
    assert "the two passphrases differ" in shown
    assert not list(tmp_path.iterdir())


def test_ctrl_c_at_a_question(bzd: Bzd, fill: Fill, contact: Callable[..., Contact]) -> None:
    """Ctrl-C at the prompt is an interrupt, and deletes nothing."""
    state = fill(contact())
    code, shown = on_terminal("purge", "--state", state, "--all", dialogue=[("[y/N]", CTRL_C)])
    assert code == 130
    assert "Traceback" not in shown
    assert len(bzd("contacts", "--state", state, "--jsonl").jsonl) == 1


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_a_case_file_asks_for_consent(bzd: Bzd, fill: Fill, tmp_path: Path, answer: str, code: int) -> None:
    """Only a yes writes it; whom it is for stands in the question, and what they learn above it."""
    state, out = fill(label="ward"), tmp_path / "x.case"
    yesterday = time.time() // 86400 * 86400 - 86400
    with open_appender(state) as appender:
        appender.add_keys([DailyKey("gaen", bytes(16), yesterday, yesterday + 86400)])
    assert bzd("keygen", "-o", tmp_path / "ha.key").code == 0
    words = ["export", "case", "--state", state, "--recipient", tmp_path / "ha.pub", "-o", out]
    fingerprint = Identity.loads((tmp_path / "ha.key").read_bytes()).fingerprint
    result, shown = on_terminal(*words, dialogue=[("learns all this? [y/N]", answer)], columns=300)
    assert (result, out.exists()) == (code, code == 0)
    assert f"the holder of {fingerprint}" in shown
    assert "whom ward was near" in shown


def test_a_case_file_is_not_written_to_a_terminal(bzd: Bzd, fill: Fill, tmp_path: Path) -> None:
    """Sealed bytes would only wreck it."""
    assert bzd("keygen", "-o", tmp_path / "ha.key").code == 0
    words = ["--recipient", tmp_path / "ha.pub", "--yes", "-o", "-"]
    code, shown = on_terminal("export", "case", "--state", fill(), *words)
    assert (code, "no text for a terminal" in shown) == (5, True)
