# SPDX-License-Identifier: Apache-2.0
"""`bzd export keys`: the own daily keys of a case's badge, for a health authority to publish."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import files, options, output
from bzd.cli.identities import load_identities
from bzd.cli.options import session, state_paths
from bzd.cli.purge import DayType
from bzd.errors import BzdError, InputError, StoreError
from bzd.model import DailyKey

if TYPE_CHECKING:  # protobuf takes 30 ms to load
    from bzd.matching.keys import DiagnosisKey

REPORT_TYPES = ("unknown", "confirmed_test", "confirmed_clinical_diagnosis", "self_report", "recursive")
"""How somebody became a case, in the words of the key files (export.proto, `ReportType`)."""
MOST_KEYS = 30
"""The most keys that servers take of one case (Exposure Notification server, docs/tek_validation.md)."""
MOST_WITH_ONE_START = 3
"""From so many keys with one start on servers may refuse a case (its setting `MAX_SAME_START_INTERVAL_KEYS`)."""

_DAY_S = 86400


@click.command(
    "keys",
    epilog=options.examples(
        "bzd export keys -o case.zip --days 14 --report-type confirmed_test --onset 2020-06-09",
        "bzd export keys ward3-07.bzd --identity admin.key --yes -o case.zip",
    ),
)
@options.output_option
@click.option("--days", type=click.IntRange(1, 3650), default=14, show_default=True, help="So many days before today.")
@click.option(
    "--report-type",
    type=click.Choice(REPORT_TYPES, case_sensitive=False),
    default=REPORT_TYPES[0],
    help="How the wearer became a case.",
)
@click.option("--onset", type=DayType(), metavar="DAY", help="The day on which symptoms began.")
@click.option("--yes", is_flag=True, help="The wearer consents: do not ask. Scripts need it.")
@options.force_option
@options.stores_argument
@options.states_option
@options.identity_options
@click.pass_context
def export_keys(  # noqa: PLR0913  one argument an option
    ctx: click.Context,
    *,
    path: Path,
    days: int,
    report_type: str,
    onset: date | None,
    yes: bool,
    force: bool,
) -> None:
    """Write the badge's own daily keys, for `bzd publish`.

    Whoever has a day's key recognises every ID that the badge sent on that day: give the file to the health authority
    and to nobody else. Only whole past UTC days are written; today's key is still on the air. The file is not signed.
    A Bluezone badge writes Bluezone's case message instead.
    """
    state, now = _one_store(ctx), session(ctx).clock.now()
    if onset is not None and onset > datetime.fromtimestamp(now, UTC).date():
        raise click.UsageError(f"--onset {onset} is in the future", ctx)
    files.require_outside(path, (state,))
    label, stored = _read(ctx, state)
    keys = _chosen(stored, days, now, state)
    _warn(keys)
    if not (yes or _consent(keys, label, path)):
        output.note("nothing was written")
        ctx.exit(BzdError.exit_code)
    data = _written(keys, report_type, onset, state)
    with files.output_file(path, force=force) as file:
        file.write(data)
    output.note(f"wrote {_counted(keys)} of {label}: {_span(keys)}")
    if any(key.end > _midnight(now) for key in stored):
        output.note("today's key is left out, because it is still on the air; export it tomorrow")


def _one_store(ctx: click.Context) -> Path:
    paths = state_paths(ctx)
    if len(paths) > 1:
        raise click.UsageError("the keys of one badge at a time: name one store", ctx)
    return paths[0]


def _read(ctx: click.Context, state: Path) -> tuple[str, list[DailyKey]]:
    """The badge's label and all its own keys; what is damaged is said."""
    from bzd.store import open_reader  # noqa: PLC0415  sqlite3 and cryptography take 60 ms to load

    with open_reader(state, load_identities(ctx, (state,))) as reader:
        keys = list(reader.keys())
        for problem in dict.fromkeys(reader.problems):
            output.warning(f"{reader.label}: {problem}")
        return reader.label, keys


def _chosen(stored: Sequence[DailyKey], days: int, now: float, state: Path) -> list[DailyKey]:
    """The keys of whole days, each cut where the next one took its place on the air."""
    today = _midnight(now)
    found = [key for key in _cut(stored) if today - days * _DAY_S <= key.start and key.end <= today]
    names = sorted({key.protocol for key in found})
    if not found:
        raise InputError(
            f"{state} holds no own key of a whole day among the last {days} days",
            "keys are made by a badge that is on the air; today's can be exported tomorrow",
        )
    if len(names) > 1:
        raise InputError(
            f"the last {days} days have keys of {' and '.join(names)}, and no file holds both",
            "name fewer --days, so that they are of one protocol",
        )
    return found


def _cut(stored: Sequence[DailyKey]) -> list[DailyKey]:
    """Keys that do not overlap: after a restart a new key takes over at its start, whatever the old one's end says."""
    starts = sorted({key.start for key in stored})
    following = dict(pairwise(starts))
    return [replace(key, end=min(key.end, following.get(key.start, key.end))) for key in stored]


def _midnight(now: float) -> float:
    return now - now % _DAY_S


def _warn(keys: Sequence[DailyKey]) -> None:
    if len(keys) > MOST_KEYS:
        output.warning(f"{len(keys)} keys: servers refuse more than {MOST_KEYS} of one case")
    if max(Counter(key.start for key in keys).values()) >= MOST_WITH_ONE_START:
        output.warning(f"{MOST_WITH_ONE_START} or more keys begin at the same time: servers may refuse them")


def _consent(keys: Sequence[DailyKey], label: str, path: Path) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("there is no terminal to ask for consent on; add --yes if the wearer consents")
    output.note(f"whoever has these keys recognises {label} wherever its IDs were heard: {_span(keys)}")
    return click.confirm(f"does the wearer consent to {_counted(keys)} in {output.printable(str(path))}?", err=True)


def _written(keys: Sequence[DailyKey], report_type: str, onset: date | None, state: Path) -> bytes:
    from bzd.matching.case_message import write_case_message  # noqa: PLC0415  protobuf takes 30 ms to load
    from bzd.matching.keyfile import KeyFile, write_key_file  # noqa: PLC0415  see above
    from bzd.matching.keys import ReportType, diagnosis_key  # noqa: PLC0415  see above

    kind = ReportType[report_type.upper()]
    try:
        said: tuple[DiagnosisKey, ...] = tuple(diagnosis_key(key, report_type=kind, onset=onset) for key in keys)
        if keys[0].protocol == "bluezone":
            return write_case_message(said)
        return write_key_file(KeyFile(said, start=min(key.start for key in keys), end=max(key.end for key in keys)))
    except (ValueError, KeyError) as error:
        raise StoreError(f"{state} holds an own key that cannot be exported: {error}") from error


def _counted(keys: Sequence[DailyKey]) -> str:
    return f"{len(keys)} daily {'key' if len(keys) == 1 else 'keys'}"


def _span(keys: Sequence[DailyKey]) -> str:
    days = sorted({datetime.fromtimestamp(key.start, UTC).date() for key in keys})
    return f"{days[0]}" if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"
