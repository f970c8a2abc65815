# SPDX-License-Identifier: Apache-2.0
"""Tables on stdout: drawn by rich on a terminal, plain aligned columns in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

from bzd.cli import output


class Column(NamedTuple):
    """A column: its title, and whether its cells stand on the right, as numbers do."""

    title: str
    right: bool = False


def show(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout; where a terminal is too narrow to draw it, as in a pipe.

    Args:
        columns: from left to right.
        rows: cells as text, as many as there are columns; control characters in them are shown escaped.
    """
    rows = [[output.printable(cell) for cell in row] for row in rows]
    if output.on_terminal() and _fits(columns, rows):
        _draw(columns, rows)
    else:
        _align(columns, rows)


def _fits(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the table can be drawn on this terminal without folding its cells into columns of crumbs."""
    widths = [max(map(len, cells)) for cells in zip([column.title for column in columns], *rows, strict=True)]
    return sum(widths) + _GAP * len(widths) <= shutil.get_terminal_size().columns


_GAP = 3
"""Columns that rich puts between two cells of this box."""


def _draw(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    # Here, because they take 60 ms to load and a pipe needs none of them.
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        # Text, not str: brackets in a label are no markup.
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout).print(table)


def _align(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.title for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for cells in lines:
        aligned = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for column, cell, width in zip(columns, cells, widths, strict=True)
        )
        output.line("  ".join(aligned).rstrip())
