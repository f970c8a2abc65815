# SPDX-License-Identifier: Apache-2.0
"""The group of all commands: a table from name to module, so that help and completion import no command."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import click

import bzd as package
from bzd.cli import options


class Entry(NamedTuple):
    """A command: where it is (`module:attribute`) and what it does, in a few words."""

    target: str
    summary: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Start here": {
        "demo": Entry("bzd.cli.demo:demo", "Simulate a crowd around this badge and show its contacts."),
        "init": Entry("bzd.cli.init:init", "Make the sealed store."),
        "keygen": Entry("bzd.cli.keygen:keygen", "Make an identity, which opens stores, and its public key."),
        "config": Entry("bzd.cli.config:config", "Show every option, its value and where it came from."),
    },
    "The badge": {
        "run": Entry("bzd.cli.run:run", "Be a badge, until stopped."),
        "status": Entry("bzd.cli.status:status", "Show how the running badge is, and who is near."),
        "pause": Entry("bzd.cli.pause:pause", "Take the running badge off the air."),
        "resume": Entry("bzd.cli.pause:resume", "Put it back on air."),
        "doctor": Entry("bzd.cli.doctor:doctor", "Check what is wrong with this machine, and say what helps."),
        "install-service": Entry("bzd.cli.install_service:install_service", "Have the badge run as a service."),
    },
    "Recordings": {
        "record": Entry("bzd.cli.record:record", "Record what the radio hears, as a trace."),
        "replay": Entry("bzd.cli.replay:replay", "Turn recorded traces into contacts."),
        "trace": Entry("bzd.cli.trace:trace", "Look into recorded traces and convert them."),
    },
    "Contacts": {
        "contacts": Entry("bzd.cli.contacts:contacts", "Show who was near, when and for how long."),
        "match": Entry("bzd.cli.match:match", "Find out who was near a case, from published keys."),
        "publish": Entry("bzd.cli.publish:publish", "Merge and sign the keys of cases."),
        "export": Entry("bzd.cli.export:export", "Write contacts, own keys, a case or the sealed store to a file."),
        "import": Entry("bzd.cli.import_case:import_", "Take in case files, at the health authority."),
        "purge": Entry("bzd.cli.purge:purge", "Delete days for ever."),
    },
}
"""Commands in the order a user needs them."""
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

EPILOG = """\b
Example:
  bzd init --state S && bzd replay recording.btsnoop --state S && bzd contacts S
Environment:
  BZD_STATE    state directory; else $STATE_DIRECTORY, /var/lib/bzd, your own
  BZD_CONFIG   configuration file; else /etc/bzd/bzd.toml, your own

\b
Exit codes:
  0 done             4 input or trace    8 store damaged or newer     130 interrupted
  1 failed           5 cannot write      9 busy: another bzd has it   141 reader of output left
  2 wrong usage      6 no store, or one  12 no adapter to use        14 no feed
  3 configuration    7 identity or passphrase
Completion:  eval "$(_BZD_COMPLETE=bash_source bzd)"     (or zsh_source, fish_source)
"""


def command_path(arguments: Sequence[str]) -> str:
    """The command that a command line calls, as a user types it: `bzd export store`; as far as its words tell."""
    path, command = "bzd", cast("click.Command | None", bzd)
    for word in arguments:
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if found is not None:
            path, command = f"{path} {word}", found
    return path


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands in the order of help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such name."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  a wrong table is a fault that its test finds
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but the near names are those of the table."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the table."""
        del ctx
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.summary) for name, entry in entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete from the table; click's own would import every command for its short help."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  only a shell that completes needs it

        names = [name for name in COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS[name].summary) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND [ARGS]...",
)
@options.state_option
@options.config_options
@click.version_option(package.__version__, prog_name="bzd", message="%(prog)s %(version)s")
@click.pass_context
def bzd(ctx: click.Context) -> None:
    """Who was near whom, and for how long, on Linux badges."""
    # Here, because not every command reads the configuration, and a mistyped --set should never pass in silence.
    options.check_given(ctx)
