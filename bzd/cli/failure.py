# SPDX-License-Identifier: Apache-2.0
"""Turns whatever a command raised into messages on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable

import click

from bzd.cli import output
from bzd.errors import BzdError, DiskFullError, InputError

USAGE = 2
"""Exit code of wrong usage (click's, and the shell's own)."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""
PIPE_CLOSED = 141
"""Exit code when the reader of stdout went away: 128 + SIGPIPE, what other filters die of."""
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
DEBUG = "BZD_DEBUG"
"""The environment variable that adds the traceback to an error message."""


def report(error: BaseException) -> int:
    """Say on stderr what went wrong.

    Args:
        error: what the command raised.

    Returns:
        the exit code.
    """
    _drop_unwritable()
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    code, lines = explain(error)
    # stderr may be the closed pipe or the full disk; the exit code then is all that can still be said.
    with contextlib.suppress(OSError):
        if debugging():
            traceback.print_exception(error)
        for say, text in lines:
            say(text)
    _drop_unwritable()
    return code


def debugging() -> bool:
    """Whether an error is to be shown with its traceback."""
    return bool(os.environ.get(DEBUG))


def explain(error: BaseException) -> tuple[int, list[tuple[Callable[[str], None], str]]]:
    """What an exception means to a user.

    Args:
        error: what the command raised.

    Returns:
        the exit code, and what to say how, line by line.
    """
    if isinstance(error, KeyboardInterrupt | EOFError | click.Abort):
        return INTERRUPTED, [(output.error, "interrupted")]
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return USAGE, [(output.plain, error.format_message())]
    if isinstance(error, click.ClickException):
        return error.exit_code, _usage(error)
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        error = DiskFullError(f"cannot write {error.filename or 'the output'}: {error.strerror}")
    if isinstance(error, OSError) and error.errno is not None:
        # What no command foresaw, such as a card that fails, is still no fault of bzd.
        error = InputError(f"cannot use {error.filename or 'a file'}: {error.strerror}", "check the path and the disk")
    if isinstance(error, BzdError):
        return error.exit_code, [(output.error, str(error)), (output.hint, error.hint)]
    fault = f"this is a fault of bzd: report it with the command you ran and what {DEBUG}=1 adds"
    return BzdError.exit_code, [(output.error, f"unexpected {type(error).__name__}: {error}"), (output.hint, fault)]


def _usage(error: click.ClickException) -> list[tuple[Callable[[str], None], str]]:
    """Click's message in the style of all others: its first letter small, no full stop, its suggestion as a hint."""
    message = error.message if isinstance(error, click.NoSuchOption | click.NoSuchCommand) else error.format_message()
    message = message.strip().removesuffix(".")
    near = getattr(error, "possibilities", None)
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "bzd"
    advice = f"did you mean {' or '.join(near)}?" if near else f"`{path} --help` shows what it takes"
    return [(output.error, message[:1].lower() + message[1:]), (output.hint, advice)]


def _drop_unwritable() -> None:
    """Send what cannot be written nowhere, so that the interpreter does not stumble over it once more at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
