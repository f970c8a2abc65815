# SPDX-License-Identifier: Apache-2.0
"""A sign of life on a terminal while a long replay runs; nothing in a pipe or a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from bzd.cli import output
from bzd.model import Advertisement

_EVERY = 4096
"""Reports between two updates: a few dozen updates a second."""


Progress = Callable[[], float | None]
"""The part that is done, 0 to 1; None where nobody knows."""


def shown(advertisements: Iterable[Advertisement], progress: Progress, *, lines: bool) -> Iterable[Advertisement]:
    """The same advertisements; while they are taken, stderr shows how far they are, if it is a terminal.

    Args:
        advertisements: in order of time.
        progress: how much of them was taken.
        lines: whether contacts are written to stdout meanwhile; on the same terminal they would run into each other.
    """
    if not sys.stderr.isatty() or (lines and output.on_terminal()):
        return advertisements
    return _with_bar(advertisements, progress)


def _with_bar(advertisements: Iterable[Advertisement], progress: Progress) -> Iterator[Advertisement]:
    from rich.console import Console  # noqa: PLC0415  they take 60 ms to load, and a pipe needs none of them
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  likewise
    from rich.progress import Progress as Bar  # noqa: PLC0415  likewise

    columns = BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    # What is written to stdout meanwhile is data: rich must not take it for messages beside the bar.
    console = Console(file=sys.stderr)
    with Bar(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("reading", total=None if progress() is None else 1.0)
        for number, advertisement in enumerate(advertisements):
            if not number % _EVERY:
                text = f"{number:,} reports, {output.local(advertisement.time)}"
                bar.update(task, description=text, completed=progress() or 0.0)
            yield advertisement
