# SPDX-License-Identifier: Apache-2.0
"""`bzd trace`: look into recorded traces and convert them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from bzd.cli import files, options, output
from bzd.cli.time_offset import time_offset_option
from bzd.errors import OutputError
from bzd.model import Sighting, plausible_rssi
from bzd.traces import Trace, open_trace

SIGHTING_SCHEMA, SIGHTINGS_SCHEMA = "bzd.sighting/1", "bzd.sightings/1"
"""`schema` of one sighting in JSON Lines, and of the object that `--json` prints."""
SIGHTING_FIELDS = ("time", "protocol", "rolling_id", "metadata", "rssi", "address", "address_type")
"""Columns of CSV, which are the fields of JSON."""
SUFFIXES = {".jsonl": "jsonl", ".btsnoop": "btsnoop", ".snoop": "btsnoop", ".log": "btsnoop"}
"""What the name of a converted trace says about its format (Android and BlueZ name theirs .log)."""

_trace_argument = click.argument("source", metavar="TRACE", type=click.Path(allow_dash=True))


@click.group()
def trace() -> None:
    """Look into recorded traces and convert them.

    TRACE is btsnoop, pcap, pcapng, PacketLogger or bzd's own JSON Lines, also gzipped; its content says which. - is
    standard input.
    """


@trace.command(epilog=options.examples("bzd trace info btsnoop_hci.log", "bzd trace info - < capture.pcapng"))
@_trace_argument
@time_offset_option
@options.form_options(json="One JSON object.")
def info(source: str, time_offset: float, form: str | None) -> None:
    """Sum a trace up.

    Shows its format, counts, time span, proximity IDs and signal strengths.
    """
    from bzd.cli import trace_report  # noqa: PLC0415  what only this command needs
    from bzd.traces.statistics import gather  # noqa: PLC0415  likewise

    with open_trace(source, time_offset=time_offset) as opened:
        statistics = gather(opened)
    if form:
        output.line(output.json_text({"schema": trace_report.SCHEMA, **trace_report.as_json(opened, statistics)}))
    else:
        for line in trace_report.lines(opened, statistics):
            output.line(line)
    warn(opened)


@trace.command(
    epilog=options.examples(
        "bzd trace sightings capture.pcapng --jsonl", "bzd trace sightings log.pklg --csv > log.csv"
    )
)
@_trace_argument
@time_offset_option
@options.form_options(jsonl="JSON Lines, one sighting a line.", json="One JSON object.", csv="CSV.")
def sightings(source: str, time_offset: float, form: str | None) -> None:
    """List every proximity ID heard.

    With time and signal strength, in the order of the trace.
    """
    with open_trace(source, time_offset=time_offset) as opened:
        found = _Sightings(opened)
        _FORMS[form](found)
    if not found.count:
        output.note(f"no proximity ID; advertising reports: {opened.counts.reports:,}")
    if found.implausible:
        output.note(f"sightings left out because their RSSI cannot be true: {found.implausible:,}")
    warn(opened)


class _Sightings:
    """The sightings of a trace, counted as they are iterated."""

    def __init__(self, opened: Trace) -> None:
        self._trace = opened
        self.count = self.implausible = 0

    def __iter__(self) -> Iterator[Sighting]:
        from bzd.protocols import recognise, sightings  # noqa: PLC0415  not for `bzd trace convert`

        for advertisement in self._trace:
            if plausible_rssi(advertisement.rssi):
                for sighting in sightings(advertisement):
                    self.count += 1
                    yield sighting
            else:
                self.implausible += len(recognise(advertisement.data))


def sighting_json(sighting: Sighting) -> dict[str, Any]:
    """A sighting with the field names of the JSON contract; time in unix seconds, RSSI in dBm."""
    return {
        "time": round(sighting.time, 6),
        "protocol": sighting.protocol,
        "rolling_id": sighting.rolling_id.hex(),
        "metadata": sighting.metadata.hex(),
        "rssi": sighting.rssi,
        "address": sighting.address,
        "address_type": sighting.address_type,
    }


def _jsonl(found: Iterable[Sighting]) -> None:
    for sighting in found:
        output.jsonl(SIGHTING_SCHEMA, sighting_json(sighting))


def _json(found: Iterable[Sighting]) -> None:
    output.json_list(SIGHTINGS_SCHEMA, "sightings", map(sighting_json, found))


def _csv(found: Iterable[Sighting]) -> None:
    writer = csv.DictWriter(sys.stdout, SIGHTING_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(sighting_json, found))


def _columns(found: Iterable[Sighting]) -> None:
    """Columns of fixed width, so that a trace of any length is shown as it is read."""
    form = "{:<24} {:<10} {:<32} {:<8} {:>5}  {}"
    for number, sighting in enumerate(found):
        if number == 0:
            output.line(form.format("local time", "protocol", "rolling ID", "metadata", "dBm", "address"))
        fields = (
            sighting.protocol,
            sighting.rolling_id.hex(),
            sighting.metadata.hex(),
            sighting.rssi,
            sighting.address,
        )
        output.line(form.format(output.local(sighting.time), *fields).rstrip())


_FORMS: dict[str | None, Callable[[Iterable[Sighting]], None]] = {
    "jsonl": _jsonl, "json": _json, "csv": _csv, None: _columns
}  # fmt: skip


@trace.command(
    epilog=options.examples(
        "bzd trace convert capture.pcapng capture.jsonl", "bzd trace convert capture.jsonl capture.btsnoop"
    )
)
@click.argument("source", metavar="IN", type=click.Path(allow_dash=True))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "btsnoop"]), help="What to write; else OUT's suffix says."
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@time_offset_option
@click.pass_context
def convert(  # noqa: PLR0913  one argument an option
    ctx: click.Context, *, source: str, target: Path, form: str | None, force: bool, time_offset: float
) -> None:
    """Write a trace in another format.

    JSON Lines, or btsnoop that btmon and Wireshark open.

    OUT appears when it is complete, readable by you alone. - is standard output.
    """
    form = form or SUFFIXES.get(target.suffix.lower())
    if form is None:
        raise click.UsageError(f"what format should {target} have? say --format jsonl or --format btsnoop", ctx)
    if form == "btsnoop" and str(target) == files.STDIO and output.on_terminal():
        raise OutputError("btsnoop is binary and stdout is a terminal", "name a file, or pipe it into btmon -r -")
    if _same(source, target):
        raise OutputError(f"{target} is the trace that is read", "name another file")
    with open_trace(source, time_offset=time_offset) as opened, files.output_file(target, force=force) as file:
        _write(opened, form, file)
    output.note(f"advertisements written: {opened.counts.reports:,}")
    warn(opened)


def _write(opened: Trace, form: str, file: BinaryIO) -> None:
    from bzd.traces.writer import BtsnoopWriter, JsonlWriter  # noqa: PLC0415  not for the other commands

    writer = JsonlWriter(file) if form == "jsonl" else BtsnoopWriter(file)
    for advertisement in opened:
        writer.write(advertisement)


def _same(source: str, target: Path) -> bool:
    """Whether two names are one regular file, by whatever links."""
    try:
        return target.is_file() and target.samefile(source)
    except (OSError, ValueError):
        return False


def warn(opened: Trace) -> None:
    """Say on stderr that a trace ended too early, if it did."""
    if opened.problem:
        output.warning(f"{opened.name}: {opened.problem}; what it holds was used")
