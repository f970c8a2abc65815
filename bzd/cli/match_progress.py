# SPDX-License-Identifier: Apache-2.0
"""A sign of life on a terminal while many keys are tried; nothing in a pipe or a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bzd.cli import output

Told = Callable[[int], None]
"""Told the number of keys done since it was last told."""
Start = Callable[[str, int], Told]
"""Begins with a file: what it is called, and how many keys it has."""


@contextmanager
def shown() -> Iterator[Start]:
    """While the block runs, stderr shows which file is at work and how far, if it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _name, _keys: lambda _done: None
        return
    # Here, because they take 60 ms to load and a pipe needs none of them.
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("keys, {task.description}")
    # What is written to stdout is data: rich must not take it for messages beside the bar.
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:

        def start(name: str, keys: int) -> Told:
            for task in bar.task_ids:
                bar.remove_task(task)
            task = bar.add_task(escape(output.printable(Path(name).name)), total=keys)
            return lambda done: bar.update(task, advance=done)

        yield start
