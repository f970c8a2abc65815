# SPDX-License-Identifier: Apache-2.0
"""Runs one command line from arguments to exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn, TextIO

import click

from bzd.cli import failure, group
from bzd.cli.options import Session
from bzd.clock import Clock, SystemClock

COMPLETION = "_BZD_COMPLETE"
"""The variable that a shell sets to ask for completions (click's convention: `_`, the program, `_COMPLETE`)."""


def main() -> NoReturn:
    """Entry point of `bzd`: run the process's command line and exit."""
    # As exceptions, so that files half written are removed; 128 + the signal's number is what a shell reports.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _: sys.exit(128 + caught))
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Run a command line.

    Args:
        arguments: without the program's name.
        clock: tells the wall clock; the system's by default.

    Returns:
        the exit code; whatever went wrong has been said on stderr.
    """
    _prepare_streams()
    try:
        code = _execute(list(arguments), Session(clock=clock or SystemClock()))
        # Here, not at interpreter exit, because a full disk or a closed pipe must still become an exit code.
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  the one place where everything ends as a message and an exit code
        return failure.report(error)
    return code


def _execute(arguments: list[str], session: Session) -> int:
    try:
        if COMPLETION in os.environ:
            group.bzd.main(arguments, prog_name="bzd", complete_var=COMPLETION)
        with group.bzd.make_context("bzd", arguments, obj=session) as context:
            group.bzd.invoke(context)
    except click.UsageError as error:
        # Click does not say which command an option belongs to that lacks its value; hints name the help of that one.
        error.ctx = error.ctx or click.Context(group.bzd, info_name=group.command_path(arguments))
        raise
    except click.exceptions.Exit as end:
        return end.exit_code
    except SystemExit as end:  # click's completion ends so, and a caught signal
        return end.code if isinstance(end.code, int) else 0
    return 0


def _prepare_streams() -> None:
    """Give the process its three streams if it was started without them, and let no character fail to print."""
    if sys.stdin is None:
        sys.stdin = _null("r")
    if sys.stdout is None:
        sys.stdout = _null("w")
    if sys.stderr is None:
        sys.stderr = _null("w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Data is UTF-8 whatever the locale, as JSON must be (RFC 8259 section 8.1); a terminal is what it is.
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _null(mode: str) -> TextIO:
    # The descriptor lives as long as the process; it is the lowest free one, so mostly the one that was missing.
    return io.TextIOWrapper(io.FileIO(os.open(os.devnull, os.O_RDWR), mode, closefd=False), encoding="utf-8")
