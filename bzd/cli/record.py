# SPDX-License-Identifier: Apache-2.0
"""`bzd record`: what the radio hears, as a trace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import files, options, output
from bzd.cli.options import session
from bzd.cli.times import Duration
from bzd.errors import DiskFullError

if TYPE_CHECKING:
    from bzd.cli.recording import Recording


@click.command(
    epilog=options.examples(
        "bzd record -o walk.jsonl --duration 10m",
        "bzd record -o walk.btsnoop && wireshark walk.btsnoop",
        "bzd record -o - --format jsonl | bzd replay -",
    )
)
@click.option("-o", "--output", "path", type=options.PATH, required=True, metavar="FILE", help="New file. - is stdout.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["jsonl", "btsnoop"]),
    help="bzd's own or btsnoop, which btmon and Wireshark open; by FILE's suffix, else jsonl.",
)
@click.option("--duration", type=Duration(), metavar="TIME", help="End after this time: 90s, 10m. Else at Ctrl-C.")
@click.option("--all", "everything", is_flag=True, help="Keep what all devices send, not only proximity IDs.")
@options.config_options
@click.pass_context
def record(ctx: click.Context, path: Path, kind: str | None, duration: float | None, *, everything: bool) -> None:
    """Record what the radio hears, as a trace that `bzd replay`, Wireshark and btmon open.

    Only advertisements with proximity IDs are kept, unless --all is given. The badge's service may run meanwhile.
    Ctrl-C, or a full disk, ends the recording; what was heard until then is in the file.
    """
    import asyncio  # noqa: PLC0415  takes 60 ms to load
    import logging  # noqa: PLC0415  see above

    from bzd.cli import recording as live  # noqa: PLC0415  needs all of the radio

    if str(path) == files.STDIO and output.on_terminal():
        raise click.UsageError("a recording is not for a terminal: name a file with -o, or pipe it")
    config = options.load_config(ctx).config
    voice = live.Voice()
    logging.getLogger("bzd").addHandler(voice)
    if everything:
        output.warning("--all keeps the addresses and data of everybody's devices here: tell them, or record alone")
    descriptor = live.open_new(path)
    trace = live.Recording(descriptor, kind or _by_suffix(path), everything=everything)
    try:
        state, clock = options.state_dir(ctx), session(ctx).clock
        asyncio.run(live.record(config, state, clock, trace, voice, seconds=duration, everything=everything))
    except BaseException as error:
        if not trace.kept and str(path) != files.STDIO:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError) and live.is_full(error):
            raise _full(error, trace, "standard output" if str(path) == files.STDIO else str(path)) from error
        raise
    finally:
        voice.end_line()
        os.close(descriptor)
    _tell(trace, path)


def _by_suffix(path: Path) -> str:
    from bzd.cli.trace import SUFFIXES  # noqa: PLC0415  only where no format was given

    return SUFFIXES.get(path.suffix.lower(), "jsonl")


def _full(error: OSError, trace: Recording, name: str) -> DiskFullError:
    held = f"{name} holds the {trace.kept:,} advertisements up to there" if trace.kept else "nothing was recorded"
    return DiskFullError(f"cannot write on {name}: {error.strerror}; {held}")


def _tell(trace: Recording, path: Path) -> None:
    output.note(f"recorded {trace.kept:,} advertisements, left out {trace.left_out:,} of other devices")
    if str(path) != files.STDIO and trace.kept:
        output.hint(f"`bzd replay {path}` turns them into contacts")
    if not trace.kept:
        output.hint("`bzd doctor` says whether this radio can hear; `--all` keeps other devices' advertisements too")
