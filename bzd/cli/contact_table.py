# SPDX-License-Identifier: Apache-2.0
"""Contacts as a table for people: local times, minutes, minutes near, distance in round metres."""

from __future__ import annotations

from collections.abc import Iterable

from bzd.cli import output, table
from bzd.cli.table import Column
from bzd.model import Contact

UNSYNCED = "?"
"""Marks a time that was logged before the clock was known to be right."""

HEADINGS = ("start", "minutes", "near minutes", "about m", "rssi dBm")
"""What each of `cells` is; distance is the typical one of the whole contact, RSSI the strongest."""

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
    columns = [Column(title, right=title != HEADINGS[0]) for title in HEADINGS]
    columns += [Column("store")] * labels + [Column("protocol"), Column("rolling id")] * ids
    rows = []
    uncertain = False
    for label, contact in contacts:
        uncertain |= not contact.synced
        identity = [contact.protocol, contact.rolling_id.hex()] if ids else []
        rows.append([*cells(contact), *([label] if labels else []), *identity])
    table.show(columns, rows)
    if uncertain:
        output.note(f"{UNSYNCED} marks times from before the badge's clock was known to be right")


def cells(contact: Contact) -> tuple[str, ...]:
    """A contact under each of `HEADINGS`."""
    start = output.local(contact.start) + ("" if contact.synced else f" {UNSYNCED}")
    return start, minutes(contact.duration_s), near(contact.near_s), metres(contact.distance_m), str(contact.rssi_max)


def minutes(seconds: float) -> str:
    """Seconds as minutes with one decimal; what is too short for that is under 0.1, not nothing."""
    return f"{seconds / 60:.1f}" if seconds >= 6 else "<0.1"


def near(seconds: float) -> str:
    """Seconds within the configured distance as minutes; none at all are 0."""
    return minutes(seconds) if seconds > 0 else "0"


def metres(distance: float | None) -> str:
    """An estimated distance with the one digit that it is worth, `-` where there is no estimate."""
    if distance is None:
        return "-"
    if distance >= FAR_M:
        return f">{FAR_M}"
    return f"{distance:.1f}" if distance < 0.95 else f"{distance:.0f}"
