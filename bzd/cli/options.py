# SPDX-License-Identifier: Apache-2.0
"""Options that commands share, and what they resolve to.

The decorators pass nothing to the command: what was given is kept in the `Session`, and the functions below ask for
it. So `--state`, `--config` and `--set` work before the command's name and after it alike; after it wins.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bzd.clock import Clock, SystemClock

if TYPE_CHECKING:  # 10 ms of start-up, and `bzd --help` and `bzd contacts` need none of it
    from bzd.config import LoadedConfig

F = TypeVar("F", bound=Callable[..., Any])

SYSTEM_STATE = Path("/var/lib/bzd")
"""Where a badge keeps its store (file-hierarchy(7): /var/lib, and what systemd makes of StateDirectory=bzd)."""
SYSTEM_CONFIG = Path("/etc/bzd/bzd.toml")
"""Where a badge keeps its configuration."""


@dataclass(slots=True)
class Session:
    """What one command line said, and the clock it runs by.

    Attributes:
        clock: tells the wall clock.
        states: as given with `--state`, the last place where it stands.
        stores: as given without an option, to commands that read several.
        config: as given with `--config`.
        overrides: all `--set section.key=value` in order.
        identities: as given with `--identity`.
        passphrase_file: as given with `--passphrase-file`.
        passphrase: what that file held when it was first read; standard input can be read but once.
    """

    clock: Clock = field(default_factory=SystemClock)
    states: tuple[Path, ...] = ()
    stores: tuple[Path, ...] = ()
    config: Path | None = None
    overrides: tuple[str, ...] = ()
    identities: tuple[Path, ...] = ()
    passphrase_file: Path | None = None
    passphrase: str | None = None


def session(ctx: click.Context) -> Session:
    """The session that a command runs in; a fresh one where a command is run without the group."""
    return ctx.find_root().ensure_object(Session)


def _remember(attribute: str, *, add: bool = False) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that keeps what was given in the session, added to what stood before the command or instead of it."""

    def callback(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
        del parameter
        if value is not None and value != ():
            current = session(ctx)
            setattr(current, attribute, getattr(current, attribute) + value if add else value)
        return value

    return callback


def _shared(*names: str, attribute: str, add: bool = False, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember(attribute, add=add), **settings)


def examples(*lines: str) -> str:
    """An epilog that shows how a command is called, one example a line."""
    return "\b\n" + "\n".join(["Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


def form_options(**forms: str) -> Callable[[F], F]:
    """Flags of which at most one may be given, passed to the command as `form`: the name of the flag, or None.

    Args:
        forms: name of the flag without dashes, to its help.
    """

    def decorate(command: F) -> F:
        for name, text in reversed(forms.items()):
            command = click.option(f"--{name}", is_flag=True, expose_value=False, callback=_choose, help=text)(command)
        return command

    return decorate


def _choose(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's callback
    chosen = ctx.params.setdefault("form", None)
    if value:
        if chosen:
            raise click.UsageError(f"--{chosen} and --{parameter.name} exclude each other", ctx)
        ctx.params["form"] = parameter.name


class _PathType(click.Path):
    """A path; an empty one is a variable of a script that was never set, and not the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = _PathType(readable=False, path_type=Path)
"""A path that click does not look at: whether it can be read is said by whoever reads it, with the right exit code."""

output_option = click.option(
    "-o", "--output", "path", type=PATH, required=True, metavar="FILE", help="File; - is stdout."
)
"""`-o FILE`, passed to the command as `path`."""
force_option = click.option("--force", is_flag=True, help="Replace FILE if it exists.")
"""`--force`, for commands that write a file with `bzd.cli.files`."""


def recipient_options(command: F) -> F:
    """`--recipient FILE` and `--key-recipient FILE`, passed to the command as `recipients` and `key_recipients`."""
    for name, text in (
        ("key-recipient", "Public key whose identity may read the badge's own daily keys; the recipients if none."),
        ("recipient", "Public key whose identity may read the contacts; the badge itself then keeps none."),
    ):
        settings: dict[str, Any] = {"type": PATH, "multiple": True, "metavar": "FILE", "help": f"{text} Repeatable."}
        command = click.option(f"--{name}", f"{name.replace('-', '_')}s", **settings)(command)
    return command


state_option = _shared(
    "--state",
    attribute="states",
    multiple=True,
    type=PATH,
    metavar="DIR",
    help="State directory, where the store is.",
)
"""`--state DIR`; ask with `state_dir` or `explicit_state`."""

stores_folder_option = _shared(
    "--state", attribute="states", multiple=True, type=PATH, metavar="DIR", help="Folder for the stores that are made."
)
"""`--state DIR` of a command that makes stores in a folder; ask with `explicit_state`."""

states_option = _shared(
    "--state",
    attribute="states",
    multiple=True,
    type=PATH,
    metavar="DIR|FILE",
    help="State directory, exported store, or folder of .bzd files. Repeatable.",
)
"""`--state DIR|FILE`, several times, for commands that read; ask with `state_paths`."""


def stores_argument(command: F) -> F:
    """`[DIR|FILE]...`, stores to read beside those of `--state`: what a shell makes of `*.bzd`; see `state_paths`."""
    return click.argument(
        "stores",
        nargs=-1,
        type=PATH,
        metavar="[DIR|FILE]...",
        expose_value=False,
        callback=_remember("stores"),
    )(command)


passphrase_option = _shared(
    "--passphrase-file",
    attribute="passphrase_file",
    type=PATH,
    metavar="FILE",
    help="File that holds the passphrase, for scripts. - is stdin.",
)
"""`--passphrase-file FILE`; ask with `identities.passphrase`."""


def identity_options(command: F) -> F:
    """`--identity FILE`, several times, and `--passphrase-file FILE`; ask with `identities.load_identities`."""
    command = passphrase_option(command)
    return _shared(
        "--identity",
        attribute="identities",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Identity that opens the store; the state directory's own if it has one. Repeatable.",
    )(command)


def config_options(command: F) -> F:
    """`--config FILE` and `--set section.key=value`; ask with `load_config`."""
    command = _shared(
        "--set",
        attribute="overrides",
        add=True,
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Change one option for this run. Repeatable.",
    )(command)
    return _shared("--config", attribute="config", type=PATH, metavar="FILE", help="Configuration file.")(command)


def load_config(ctx: click.Context) -> LoadedConfig:
    """The configuration of this run: defaults, file, `--set`.

    Raises:
        ConfigError: naming the file, the key and the nearest known key.
    """
    from bzd import board, config  # noqa: PLC0415  see above

    return config.load(config_path(ctx), session(ctx).overrides, model=board.model())


def check_given(ctx: click.Context) -> None:
    """Refuse a wrong `--config` or `--set` of this command line also for a command that takes nothing from them.

    Raises:
        ConfigError: naming the file, the key and the nearest known key.
    """
    given = session(ctx)
    if given.config or given.overrides:
        from bzd import config  # noqa: PLC0415  see above

        config.load(given.config, given.overrides)


def config_path(ctx: click.Context) -> Path | None:
    """The configuration file, or None: `--config`, `$BZD_CONFIG`, that of a service of systemd's, else the user's.

    A service looks in `$CONFIGURATION_DIRECTORY` alone (systemd.exec(5), ConfigurationDirectory=), everybody else takes
    `/etc/bzd/bzd.toml` or the user's own, the first that there is.
    """
    if given := session(ctx).config:
        return given
    if named := os.environ.get("BZD_CONFIG"):
        return Path(named)
    if named := os.environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0]:
        return _if_there(Path(named) / "bzd.toml")
    if found := _if_there(SYSTEM_CONFIG):
        return found
    import platformdirs  # noqa: PLC0415  not needed on a badge: 25 ms of start-up, 1 MB of memory

    return _if_there(platformdirs.user_config_path("bzd") / "bzd.toml")


def _if_there(path: Path) -> Path | None:
    return path if os.path.exists(path) else None  # noqa: PTH110  Path.exists raises where the folder may not be entered


def explicit_state(ctx: click.Context) -> Path | None:
    """The one state directory that stands on the command line; None without one, whatever the environment says.

    Raises:
        click.UsageError: if there are several.
    """
    states = session(ctx).states
    if len(states) > 1:
        raise click.UsageError("this command takes one --state", ctx)
    return states[0] if states else None


def state_dir(ctx: click.Context) -> Path:
    """The state directory: `--state`, `$BZD_STATE`, `$STATE_DIRECTORY`, `/var/lib/bzd` if it exists, the user's own.

    It need not exist.

    Raises:
        click.UsageError: if there are several `--state`.
    """
    return explicit_state(ctx) or _default_state()


def state_paths(ctx: click.Context) -> tuple[Path, ...]:
    """State directories and exported stores to read, in the order given; else the one of `state_dir`.

    A folder of exported stores, which is no state directory, stands for those in it.

    Raises:
        StateError: if a folder cannot be read.
    """
    from bzd.store.state import stores_in  # noqa: PLC0415  cryptography takes 40 ms to load, which reading needs anyway

    given = session(ctx)
    named = [found for path in (*given.states, *given.stores) for found in stores_in(path) or [path]]
    return tuple(named) or (_default_state(),)


def _default_state() -> Path:
    if named := os.environ.get("BZD_STATE"):
        return Path(named)
    # systemd separates several directories by colons (systemd.exec(5), RuntimeDirectory=).
    if named := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(named)
    if os.path.exists(SYSTEM_STATE):  # noqa: PTH110  Path.exists raises where the folder may not be entered
        return SYSTEM_STATE
    import platformdirs  # noqa: PLC0415  not needed on a badge, and 25 ms of start-up

    return platformdirs.user_state_path("bzd")
