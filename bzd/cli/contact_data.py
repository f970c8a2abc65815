# SPDX-License-Identifier: Apache-2.0
"""Contacts as data: JSON, JSON Lines and CSV with the field names of the contract.

Where several stores are read, each contact also has `store`, the label of the one that it is from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from bzd.cli import output
from bzd.cli.output import CONTACT_SCHEMA, CONTACTS_SCHEMA
from bzd.model import Contact

CSV_FIELDS = (
    "protocol", "rolling_id", "metadata", "start", "end", "duration_s", "near_s", "sightings", "rssi_max", "rssi_mean",
    "distance_m", "synced",
)  # fmt: skip
"""Columns of CSV: the fields of JSON but `scans`, which has no place in a cell."""


def write(form: str, contacts: Iterable[tuple[str, Contact]], stream: TextIO, *, labels: bool = False) -> int:
    """Write contacts as they come.

    Args:
        form: `json`, `jsonl` or `csv`.
        contacts: each with the label of its store.
        stream: where to.
        labels: write the labels as `store`.

    Returns:
        how many there were.
    """
    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for label, contact in contacts:
            count += 1
            yield output.contact_json(contact) | ({"store": label} if labels else {})

    {"json": _json, "jsonl": _jsonl, "csv": _csv}[form](rows(), stream, labels)
    return count


def _json(rows: Iterable[dict[str, Any]], stream: TextIO, labels: bool) -> None:  # noqa: FBT001  one shape for all three
    del labels
    output.json_list(CONTACTS_SCHEMA, "contacts", rows, stream)


def _jsonl(rows: Iterable[dict[str, Any]], stream: TextIO, labels: bool) -> None:  # noqa: FBT001  see above
    del labels
    for row in rows:
        output.jsonl(CONTACT_SCHEMA, row, stream)


def _csv(rows: Iterable[dict[str, Any]], stream: TextIO, labels: bool) -> None:  # noqa: FBT001  see above
    fields = [*CSV_FIELDS, *(["store"] if labels else [])]
    writer = csv.DictWriter(stream, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # As JSON has it, not as Python prints it.
        writer.writerow(row | {"synced": output.json_text(row["synced"])})
