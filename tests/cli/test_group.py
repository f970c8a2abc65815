# SPDX-License-Identifier: Apache-2.0
"""The table of commands, help and completion."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import pytest

import bzd as package
from bzd import errors
from bzd.cli import failure, group
from bzd.cli.group import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd

SCREEN_LINES = 50
"""What a terminal of usual size shows at once."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand, by the words that call it."""
    context = click.Context(group.bzd, info_name="bzd")
    for name in COMMANDS:
        command = group.bzd.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", found) for sub, found in command.commands.items())


def test_every_command_of_the_table_exists() -> None:
    """Only commands that exist are listed, under their own names."""
    assert {name.split()[0]: command.name for name, command in commands() if " " not in name} == {
        name: name for name in COMMANDS
    }


@pytest.mark.parametrize("name", ["", *[name for name, _ in commands()]])
def test_help_fits_a_screen_and_shows_an_example(bzd: Bzd, name: str) -> None:
    """Whoever asks for help gets it at once, and sees how the command is called."""
    result = bzd(*name.split(), "--help")
    assert result.code == 0
    assert result.err == ""
    assert len(result.out.splitlines()) <= SCREEN_LINES
    if " Commands:" not in result.out and "\nCommands:" not in result.out:
        assert re.search(rf"Examples?:\n\s+(.*[|&] )?(bzd|ssh \S+ sudo bzd) {name}", result.out)


def test_help_lists_the_exit_codes_of_the_error_classes(bzd: Bzd) -> None:
    """The codes in help are those that errors carry, no more and no fewer."""
    listed = bzd("--help").out.split("Exit codes:")[1].split("Completion")[0]
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.BzdError)]
    codes = {cls.exit_code for cls in classes} | {0, failure.USAGE, failure.INTERRUPTED, failure.PIPE_CLOSED}
    assert {int(code) for code in re.findall(r"(?:^|  )(\d+) ", listed, re.MULTILINE)} == codes


def test_help_imports_no_command() -> None:
    """Asking for help costs no more than click itself."""
    code = (
        "import sys; from bzd.cli.entry import run; run(['--help']); "
        "heavy = {'sqlite3', 'cryptography', 'rich', 'asyncio', 'bzd.store', 'bzd.protocols', 'platformdirs'}; "
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr.strip() == b"[]"


def test_version(bzd: Bzd) -> None:
    """`--version` is one line for scripts."""
    assert bzd("--version").out == f"bzd {package.__version__}\n"


def test_no_command_is_wrong_usage_that_shows_help(bzd: Bzd) -> None:
    """`bzd` alone says what there is, on stderr, with exit code 2."""
    result = bzd()
    assert (result.code, result.out) == (2, "")
    assert "Exit codes" in result.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [("co", {"config", "contacts"}), ("--st", {"--state"}), ("contacts --js", {"--json", "--jsonl"})],
)
def test_shells_complete_commands_and_options(words: str, expected: set[str]) -> None:
    """What `_BZD_COMPLETE=bash_source bzd` installs asks bzd and gets names."""
    count = len(words.split())
    environment = os.environ | {
        "_BZD_COMPLETE": "bash_complete", "COMP_WORDS": f"bzd {words}", "COMP_CWORD": str(count)
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "bzd"], env=environment, capture_output=True, check=True)
    assert {line.partition(",")[2] for line in done.stdout.decode().splitlines()} == expected


def test_a_shell_can_install_completion() -> None:
    """The line in help works where there is a bash."""
    script = f'eval "$(_BZD_COMPLETE=bash_source {sys.executable} -m bzd)" && complete -p bzd'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    if done.returncode == 127:
        pytest.skip("no bash")
    assert b"bzd" in done.stdout
