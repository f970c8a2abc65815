# SPDX-License-Identifier: Apache-2.0
"""Options that commands share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from bzd.cli import options
from bzd.cli.options import Session


@click.command()
@options.state_option
@click.pass_context
def show(ctx: click.Context) -> None:
    """Print what the options resolve to."""
    click.echo(f"{options.explicit_state(ctx)} {options.state_dir(ctx)} {[str(p) for p in options.state_paths(ctx)]}")


@click.group()
@options.state_option
def group() -> None:
    """Options before the command."""


group.add_command(show)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `show` prints."""
    group.main(list(arguments), standalone_mode=False, obj=Session())
    return capsys.readouterr().out.strip()


def test_state_directory(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line wins, then $BZD_STATE, $STATE_DIRECTORY, the system's directory, the user's own."""
    own = tmp_path / "home/.local/state/bzd"
    assert run(capsys, "show") == f"None {own} ['{own}']"
    system = tmp_path / "var"
    system.mkdir()
    monkeypatch.setattr(options, "SYSTEM_STATE", system)
    assert run(capsys, "show") == f"None {system} ['{system}']"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    assert run(capsys, "show") == "None /var/lib/one ['/var/lib/one']"
    monkeypatch.setenv("BZD_STATE", "/env")
    assert run(capsys, "show") == "None /env ['/env']"
    assert run(capsys, "--state", "a", "show") == "a a ['a']"
    assert run(capsys, "--state", "a", "show", "--state", "b") == "b b ['b']"


def test_several_states_only_where_they_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that takes one says so, wherever the two were given."""
    with pytest.raises(click.UsageError, match="takes one --state"):
        run(capsys, "--state", "a", "--state", "b", "show")


def test_a_command_runs_without_the_group(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is called by itself has a session of its own."""
    show.main(["--state", "a"], standalone_mode=False)
    assert capsys.readouterr().out == "a a ['a']\n"
