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


def test_near_minutes_are_told_apart_from_distance() -> None:
    """Who talked closely and then left for long was near for those minutes, and far for most of the time."""
    left = dataclasses.replace(CONTACT, near_s=240.0, distance_m=29.4)
    assert dict(zip(contact_table.HEADINGS, contact_table.cells(left), strict=True)) | {"start": ""} == {
        "start": "",
        "minutes": "10.0",
        "near minutes": "4.0",
        "about m": ">10",
        "rssi dBm": "-65",
    }


@pytest.mark.parametrize(
    ("distance_m", "text"),
    [(None, "-"), (0.04, "0.0"), (0.84, "0.8"), (0.96, "1"), (1.8, "2"), (9.4, "9"), (9.99, "10"), (10.0, ">10")],
)
def test_metres(distance_m: float | None, text: str) -> None:
    """One digit is all that RSSI is worth."""
    assert contact_table.metres(distance_m) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "<0.1"), (5.9, "<0.1"), (6.0, "0.1"), (754.0, "12.6")])
def test_minutes(seconds: float, text: str) -> None:
    """One decimal, and what is shorter is not shown as nothing."""
    assert contact_table.minutes(seconds) == text


def test_no_minute_near_is_zero() -> None:
    """Never near is told apart from hardly near."""
    assert [contact_table.near(seconds) for seconds in (0.0, 1.0, 90.0)] == ["0", "<0.1", "1.5"]


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
    assert " ? " in captured.out
    assert "before the badge's clock was known to be right" in captured.err
