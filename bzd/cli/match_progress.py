# SPDX-License-Identifier: Apache-2.0
"""A sign of life on a terminal while files are fetched or many keys are tried; nothing in a pipe or a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bzd.cli import output

Told = Callable[[int], None]
"""Told how many keys, or files, are done since it was last told."""
Start = Callable[[str, int | None], Told]
"""Begins with a file, or a feed: what it is called, and how many keys, or files, it has, if that is known."""


@contextmanager
def shown(unit: str = "keys") -> Iterator[Start]:
    """While the block runs, stderr shows what is at work and how far, if it is a terminal.

    Args:
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield lambda _name, _number: lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415  they take 60 ms to load, and a pipe needs none of them
    from rich.markup import escape  # noqa: PLC0415  likewise
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  likewise

    columns = BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn(f"{unit}, {{task.description}}")
    # What is written to stdout is data: rich must not take it for messages beside the bar.
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:

        def start(name: str, number: int | None) -> Told:
            for task in bar.task_ids:
                bar.remove_task(task)
            task = bar.add_task(escape(output.printable(Path(name).name)), total=number)
            return lambda done: bar.update(task, advance=done)

        yield start
