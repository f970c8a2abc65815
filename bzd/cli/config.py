# SPDX-License-Identifier: Apache-2.0
"""`bzd config`: every option in force."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import click

from bzd.cli import options, output
from bzd.config import Setting

SCHEMA = "bzd.config/1"
"""`schema` of what `--json` prints."""
WIDEST = 100
"""Columns beyond which prose is no longer read with ease."""


@click.command(epilog=options.examples("bzd config", "bzd config --set proximity.max_gap_s=600 --toml > bzd.toml"))
@options.form_options(json="One JSON object.", toml="A complete configuration file, with comments.")
@options.config_options
@options.state_option
@click.pass_context
def config(ctx: click.Context, form: str | None) -> None:
    """Show every option: its value, where that came from, and what it means.

    The configuration file is --config, $BZD_CONFIG, /etc/bzd/bzd.toml or the user's own, the first that there is.
    A --set wins over it.
    """
    settings = options.load_config(ctx).settings()
    if form == "json":
        _json(settings)
    elif form == "toml":
        _toml(settings)
    else:
        _prose(settings)
        path = options.config_path(ctx)
        output.note(f"configuration file: {path or 'none'}; state directory: {options.state_dir(ctx)}")


def _json(settings: Iterable[Setting]) -> None:
    listed = ({"name": s.name, "value": s.value, "origin": s.origin, "meaning": s.doc} for s in settings)
    output.json_list(SCHEMA, "settings", listed)


def _toml(settings: Iterable[Setting]) -> None:
    for section, members in groupby(settings, lambda setting: setting.name.partition(".")[0]):
        output.line(f"[{section}]")
        for setting in members:
            for text in textwrap.wrap(setting.doc, WIDEST - 2):
                output.line(f"# {text}")
            output.line(f"{setting.name.partition('.')[2]} = {toml_value(setting.value)}")
            output.line()


def _prose(settings: Iterable[Setting]) -> None:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    for setting in settings:
        output.line(f"{setting.name} = {toml_value(setting.value)}   ({output.printable(setting.origin)})")
        output.line(textwrap.fill(setting.doc, width, initial_indent="    ", subsequent_indent="    "))


def toml_value(value: Any) -> str:
    """A value as TOML: JSON's numbers, strings, booleans and lists of these are TOML's as well (TOML 1.0.0)."""
    return output.json_text(value)
