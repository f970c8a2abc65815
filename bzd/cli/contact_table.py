# SPDX-License-Identifier: Apache-2.0
"""Contacts as a table for people: local times, minutes, closeness in words."""

from __future__ import annotations

from collections.abc import Iterable

from bzd.cli import output, table
from bzd.cli.table import Column
from bzd.model import Contact

UNSYNCED = "?"
"""Marks a time that was logged before the clock was known to be right."""

FAR_M = 10
"""From here on metres are not worth telling apart: the recordings that the constants of ranging were tried on hardly
reach so far (`tests/bench/bench_ranging.py`), and RSSI is flat there. JSON and CSV keep the estimate."""


def show(contacts: Iterable[tuple[str, Contact]], *, labels: bool = False, ids: bool = False) -> None:
    """Write contacts to stdout as a table, and say on stderr what its marks mean.

    Args:
        contacts: each with the label of the store that it is from.
        labels: show the labels.
        ids: show protocol and rolling ID. Not by default: IDs are data, and shoulders are looked over.
    """
    columns = [Column("start"), Column("minutes", right=True), Column("closeness"), Column("rssi", right=True)]
    columns += [Column("store")] * labels + [Column("protocol"), Column("rolling id")] * ids
    rows = []
    uncertain = False
    for label, contact in contacts:
        uncertain |= not contact.synced
        identity = [contact.protocol, contact.rolling_id.hex()] if ids else []
        rows.append([*_cells(contact), *([label] if labels else []), *identity])
    table.show(columns, rows)
    if uncertain:
        output.note(f"{UNSYNCED} marks times from before the badge's clock was known to be right")


def _cells(contact: Contact) -> list[str]:
    start = output.local(contact.start) + ("" if contact.synced else f" {UNSYNCED}")
    return [start, minutes(contact.duration_s), closeness(contact), f"{contact.rssi_max} dBm"]


def minutes(seconds: float) -> str:
    """Seconds as minutes with one decimal; what is too short for that is under 0.1, not nothing."""
    return f"{seconds / 60:.1f}" if seconds >= 6 else "<0.1"


def closeness(contact: Contact) -> str:
    """How near in words, and the estimated distance: near for at least half of the time, for some of it, or not."""
    if contact.near_s > 0:
        word = "near" if contact.near_s >= contact.duration_s / 2 else "partly near"
    else:
        word = "further off"
    if contact.distance_m is None:
        return word
    return f"{word}, about {contact.distance_m:.1f} m" if contact.distance_m < FAR_M else f"{word}, over {FAR_M} m"
