# SPDX-License-Identifier: Apache-2.0
"""`bzd export keys`: the own daily keys of a case's badge, for a health authority to publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import files, options, output, own_keys, todays_key
from bzd.cli.options import session
from bzd.cli.purge import DayType
from bzd.errors import BzdError, StoreError
from bzd.model import DailyKey

if TYPE_CHECKING:  # protobuf takes 30 ms to load
    from bzd.matching.keys import DiagnosisKey

REPORT_TYPES = ("unknown", "confirmed_test", "confirmed_clinical_diagnosis", "self_report", "recursive")
"""How somebody became a case, in the words of the key files (export.proto, `ReportType`)."""
MOST_KEYS = 30
"""The most keys that servers take of one case (Exposure Notification server, docs/tek_validation.md)."""
MOST_WITH_ONE_START = 3
"""From so many keys with one start on servers may refuse a case (its setting `MAX_SAME_START_INTERVAL_KEYS`)."""


@click.command(
    "keys",
    epilog=options.examples(
        "bzd export keys -o case.zip --days 14 --report-type confirmed_test --onset 2020-06-09",
        "bzd export keys ward3-07.bzd --identity admin.key --yes -o case.zip",
    ),
)
@options.output_option
@own_keys.export_options
@click.option(
    "--report-type",
    type=click.Choice(REPORT_TYPES, case_sensitive=False),
    default=REPORT_TYPES[0],
    help="How the wearer became a case.",
)
@click.option("--onset", type=DayType(), metavar="DAY", help="The day on which symptoms began.")
@options.force_option
@options.stores_argument
@options.states_option
@options.identity_options
@click.pass_context
def export_keys(  # noqa: PLR0913  one argument an option
    ctx: click.Context,
    *,
    path: Path,
    days: int | None,
    since: date | None,
    include_today: bool,
    report_type: str,
    onset: date | None,
    yes: bool,
    force: bool,
) -> None:
    """Write the badge's own daily keys, for `bzd publish`.

    Whoever has a day's key recognises every ID that the badge sent on that day: give the file to the health authority
    and to nobody else. Only whole past UTC days are written, since today's key is still on the air; --include-today
    ends it first, which only the badge itself can. The file is not signed. A Bluezone badge writes Bluezone's case
    message instead.
    """
    when, now = own_keys.wanted(ctx, days, since, include_today=include_today), session(ctx).clock.now()
    if onset is not None and onset > datetime.fromtimestamp(now, UTC).date():
        raise click.UsageError(f"--onset {onset} is in the future", ctx)
    store = own_keys.OwnStore(ctx)
    files.require_outside(path, (store.path,))
    label, stored = store.keys()
    keys = own_keys.chosen(stored, when, store.path)
    _warn(keys)
    if not (yes or _consent(keys, label, path)):
        output.note("nothing was written")
        ctx.exit(BzdError.exit_code)
    if include_today:
        keys = todays_key.ended(store, keys, now)
    data = _written(keys, report_type, onset, store.path)
    with files.output_file(path, force=force) as file:
        file.write(data)
    output.note(f"wrote {own_keys.counted(keys)} of {label}: {own_keys.span(keys)}")
    if not include_today and any(key.end > when.today for key in stored):
        output.note("today's key is left out, because it is still on the air; export it tomorrow")


def _consent(keys: Sequence[DailyKey], label: str, path: Path) -> bool:
    return own_keys.consented(
        f"does the wearer consent to {own_keys.counted(keys)} in {output.printable(str(path))}?",
        f"whoever has these keys recognises {label} wherever its IDs were heard: {own_keys.span(keys)}",
    )


def _warn(keys: Sequence[DailyKey]) -> None:
    if len(keys) > MOST_KEYS:
        output.warning(f"{len(keys)} keys: servers refuse more than {MOST_KEYS} of one case")
    if max(Counter(key.start for key in keys).values()) >= MOST_WITH_ONE_START:
        output.warning(f"{MOST_WITH_ONE_START} or more keys begin at the same time: servers may refuse them")


def _written(keys: Sequence[DailyKey], report_type: str, onset: date | None, state: Path) -> bytes:
    from bzd.matching.case_message import write_case_message  # noqa: PLC0415  protobuf takes 30 ms to load
    from bzd.matching.keyfile import KeyFile, write_key_file  # noqa: PLC0415  see above
    from bzd.matching.keys import ReportType, diagnosis_key  # noqa: PLC0415  see above

    kind = ReportType[report_type.upper()]
    try:
        in_order = sorted(keys, key=attrgetter("start"))
        said: tuple[DiagnosisKey, ...] = tuple(diagnosis_key(key, report_type=kind, onset=onset) for key in in_order)
        if keys[0].protocol == "bluezone":
            return write_case_message(said)
        return write_key_file(KeyFile(said, start=min(key.start for key in keys), end=max(key.end for key in keys)))
    except (ValueError, KeyError) as error:
        raise StoreError(f"{state} holds an own key that cannot be exported: {error}") from error
