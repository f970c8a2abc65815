# SPDX-License-Identifier: Apache-2.0
"""Messages, times and contacts as commands print them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.cli import output
from bzd.clock import rfc3339
from bzd.model import Contact, ScanInstance

CONTACT = Contact(
    protocol="gaen",
    rolling_id=bytes(range(16)),
    metadata=b"\x01\x02\x03\x04",
    start=1_591_864_200.0004,
    end=1_591_864_260.25,
    near_s=30.0,
    distance_m=1.239,
    synced=True,
    scans=(ScanInstance(0.0, 4.0, 2, -60.125, -58), ScanInstance(56.25, 4.0, 1, -70.0, -70)),
)


def test_contact_has_the_fields_of_the_contract() -> None:
    """Names, order and values are those that scripts are promised."""
    assert output.contact_json(CONTACT) == {
        "protocol": "gaen",
        "rolling_id": "000102030405060708090a0b0c0d0e0f",
        "metadata": "01020304",
        "start": "2020-06-11T08:30:00.000Z",
        "end": "2020-06-11T08:31:00.250Z",
        "duration_s": 8.0,
        "near_s": 30.0,
        "sightings": 3,
        "rssi_max": -58,
        "rssi_mean": -63.417,
        "distance_m": 1.24,
        "synced": True,
        "scans": [[0.0, 4.0, 2, -60.125, -58], [56.25, 4.0, 1, -70.0, -70]],
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1.9996, "1970-01-01T00:00:02.000Z"),
        (-0.001, "1969-12-31T23:59:59.999Z"),
        (1_591_864_200.1234, "2020-06-11T08:30:00.123Z"),
    ],
)
def test_times_are_rounded_to_milliseconds(seconds: float, text: str) -> None:
    """The nearest millisecond, carried into the seconds where it must be."""
    assert rfc3339(seconds) == text


def test_json_list_is_one_object_also_when_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """What streams out parses as one object with its schema."""
    output.json_list("bzd.contacts/1", "contacts", [])
    assert json.loads(capsys.readouterr().out) == {"schema": "bzd.contacts/1", "contacts": []}
    output.json_list("bzd.contacts/1", "contacts", [{"a": 1}, {"a": 2}])
    assert json.loads(capsys.readouterr().out)["contacts"] == [{"a": 1}, {"a": 2}]


@given(st.text(st.characters(blacklist_categories=())))
@settings(deadline=None)
def test_no_text_moves_the_cursor_or_begins_a_line(text: str) -> None:
    """A label or file name from outside cannot forge a message or talk to the terminal."""
    shown = output.printable(text)
    assert shown.isprintable()
    shown.encode()


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout stays data."""
    output.error("no\nsuch")
    output.hint("try")
    output.warning("odd")
    output.note("well")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "bzd: error: no\\nsuch\nbzd: hint: try\nbzd: warning: odd\nbzd: well\n"


@given(st.text())
@settings(deadline=None)
def test_no_json_moves_the_cursor(text: str) -> None:
    """Nor does JSON, which leaves 8-bit control codes and marks of direction as they are; it says the same."""
    shown = output.json_text({"region": text, "label": "\x9b2J\u202e"})
    assert shown.isprintable()
    assert json.loads(shown)["region"] == text
    assert output.json_text("Z\u00fcrich") == '"Z\u00fcrich"'
