# SPDX-License-Identifier: Apache-2.0
"""Tables in pipes."""

from __future__ import annotations

import dataclasses

import pytest

from bzd.cli import contact_table, table
from bzd.model import Contact, ScanInstance

CONTACT = Contact("gaen", b"\xab" * 16, b"", 0.0, 600.0, 0.0, 4.0, True, (ScanInstance(0.0, 600.0, 60, -70.0, -65),))


def test_columns_are_aligned_without_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    """Text to the left, numbers to the right, and nothing that a diff would stumble over."""
    table.show(
        [table.Column("who"), table.Column("n", right=True), table.Column("x")], [["anna", "7", ""], ["b", "12", "y"]]
    )
    assert capsys.readouterr().out == "who    n  x\nanna   7\nb     12  y\n"


def test_cells_cannot_break_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in a label are shown, not obeyed."""
    table.show([table.Column("label")], [["\x1b[2Jward\n3"]])
    assert capsys.readouterr().out == "label\n\\x1b[2Jward\\n3\n"


@pytest.mark.parametrize(
    ("near_s", "distance_m", "words"),
    [
        (600.0, 1.04, "near, about 1.0 m"),
        (300.0, None, "near"),
        (299.0, 2.5, "partly near, about 2.5 m"),
        (0.0, 4.0, "further off, about 4.0 m"),
        (0.0, 73.9, "further off, over 10 m"),
    ],
)
def test_closeness_in_words(near_s: float, distance_m: float | None, words: str) -> None:
    """Near means near for half of the time or more."""
    assert contact_table.closeness(dataclasses.replace(CONTACT, near_s=near_s, distance_m=distance_m)) == words


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "<0.1"), (5.9, "<0.1"), (6.0, "0.1"), (754.0, "12.6")])
def test_minutes(seconds: float, text: str) -> None:
    """One decimal, and what is shorter is not shown as nothing."""
    assert contact_table.minutes(seconds) == text


def test_rolling_ids_are_shown_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """IDs and labels appear when asked for and not before."""
    contact_table.show([("ward3", CONTACT)])
    plain = capsys.readouterr().out
    contact_table.show([("ward3", CONTACT)], labels=True, ids=True)
    full = capsys.readouterr().out
    assert "abab" not in plain
    assert "ward3" not in plain
    assert "abab" in full
    assert "ward3" in full


def test_uncertain_times_are_marked_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A contact from before the clock was right does not look like the others."""
    contact_table.show([("", dataclasses.replace(CONTACT, synced=False))])
    captured = capsys.readouterr()
    assert " ?  " in captured.out
    assert "before the badge's clock was known to be right" in captured.err
