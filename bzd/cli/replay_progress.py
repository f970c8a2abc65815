# SPDX-License-Identifier: Apache-2.0
"""A sign of life on a terminal while a long replay runs; nothing in a pipe or a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from bzd.cli import output
from bzd.model import Advertisement

_EVERY = 4096
"""Reports between two updates: a few dozen updates a second."""


def shown(advertisements: Iterable[Advertisement], *, lines: bool) -> Iterable[Advertisement]:
    """The same advertisements; while they are taken, stderr shows how far they are, if it is a terminal.

    Args:
        advertisements: in order of time.
        lines: whether contacts are written to stdout meanwhile; on the same terminal they would run into each other.
    """
    if not sys.stderr.isatty() or (lines and output.on_terminal()):
        return advertisements
    return _with_bar(advertisements)


def _with_bar(advertisements: Iterable[Advertisement]) -> Iterator[Advertisement]:
    # Here, because they take 60 ms to load and a pipe needs none of them.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn()
    # What is written to stdout meanwhile is data: rich must not take it for messages beside the bar.
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("reading", total=None)
        for number, advertisement in enumerate(advertisements):
            if not number % _EVERY:
                progress.update(task, description=f"{number:,} reports, {output.local(advertisement.time)}")
            yield advertisement
