# SPDX-License-Identifier: Apache-2.0
"""Bluezone's case message gives the keys of the very slots that the app would match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import InputError
from bzd.matching.case_message import MAX_DAYS, parse_case_message, read_case_message, write_case_message
from bzd.matching.keys import DiagnosisKey
from bzd.matching.matcher import Matcher
from bzd.model import Contact, ScanInstance
from bzd.protocols import bluezone

MIDNIGHT = 1596844800
"""8 August 2020, 00:00 UTC: the day of the published capture."""


def message(**entry: Any) -> bytes:
    """A message with one entry, whole but for what is given."""
    whole = {"daily_key": "ab" * 32, "time_start": MIDNIGHT, "time_end": MIDNIGHT + 86399, "max": 96}
    return json.dumps({"data": [whole | entry]}).encode()


def test_the_captured_case_is_matched(shared: Path) -> None:
    """The app's own base key, as a case message, matches what that phone was captured sending, slot by slot."""
    captured = json.loads((shared / "vectors" / "bluezone.json").read_text())["captured"][0]
    contacts: list[Contact] = []
    for slot, ids in captured["slots"].items():
        start = captured["base_time_s"] + int(slot) * 900.0
        scans = (ScanInstance(0.0, 60.0, 6, -60.0, -58),)
        contacts += [
            Contact("bluezone", bytes.fromhex(rolling_id), b"", start, start + 60, 0.0, None, True, scans)
            for rolling_id in (ids["own_id"], ids["peer_id_unknown_key"])
        ]
    file = parse_case_message(message(daily_key=captured["base_id"], time_start=captured["base_time_s"]))
    hits = Matcher({"badge": contacts}).match(file.keys)
    assert [hit.contact for hit in hits] == contacts[::2]


def test_later_days_follow_by_the_chain() -> None:
    """A message of two and a half days is three keys, each the hash of the last, and ends with the slot of time_end."""
    first, second, third = parse_case_message(message(time_end=MIDNIGHT + 2 * 86400 + 43200)).keys
    assert (second.key, third.key) == (bluezone.PROTOCOL.next_key(first.key), bluezone.PROTOCOL.next_key(second.key))
    assert [key.intervals for key in (first, second, third)] == [96, 96, 49]


@pytest.mark.parametrize(("end", "slots"), [(0, 1), (899, 1), (900, 2), (86399, 96)])
def test_time_end_is_honoured(end: int, slots: int) -> None:
    """A slot is meant if it begins at or before time_end, as the app's loop has it."""
    assert [key.intervals for key in parse_case_message(message(time_end=MIDNIGHT + end)).keys] == [slots]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"daily_key": "ab"}, "daily_key is not 64"),
        ({"daily_key": "x" * 64}, "daily_key is not 64"),
        ({"daily_key": None}, "daily_key is not 64"),
        ({"max": 144}, "not version 3"),
        ({"max": "96"}, "not version 3"),
        ({"time_start": MIDNIGHT + 1}, "not midnight"),
        ({"time_start": "now"}, "whole number"),
        ({"time_end": MIDNIGHT - 1}, "before time_start"),
        ({"time_end": MIDNIGHT + MAX_DAYS * 86400}, "more than a year"),
        ({"time_start": 86400 * 10**9, "time_end": 86400 * 10**9 + 5}, "out of range"),
    ],
)
def test_senseless_entries_are_counted(entry: dict[str, Any], reason: str) -> None:
    """They are left out, with the reason."""
    file = parse_case_message(message(**entry))
    assert file.keys == ()
    ((why, number),) = file.skipped.items()
    assert reason in why
    assert number == 1


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"data":5}', b"\xff", b"[" * 100_000, b"null", b'"data"'])
def test_what_is_no_case_message_is_refused(data: bytes) -> None:
    """One clear error for all of them."""
    with pytest.raises(InputError, match="no Bluezone case message"):
        parse_case_message(data)


def test_too_many_days_are_refused() -> None:
    """A thousand and a half entries of a year each are more than any file may hold."""
    entry = json.loads(message(time_end=MIDNIGHT + 366 * 86400 - 1))["data"][0]
    with pytest.raises(InputError, match="more than 500000 days"):
        parse_case_message(json.dumps({"data": [entry] * 1500}).encode())


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 10000), st.integers(1, 96)), max_size=5))
def test_what_is_written_is_read(entries: list[tuple[bytes, int, int]]) -> None:
    """Keys that begin at midnight come back, in order of time; whole days end 86399 s after they begin."""
    keys = [DiagnosisKey(key, day * 96, slots, "bluezone") for key, day, slots in entries]
    written = write_case_message(keys)
    assert list(parse_case_message(written).keys) == sorted(keys, key=lambda key: (key.first, key.key))
    for key, entry in zip(sorted(keys, key=lambda key: (key.first, key.key)), json.loads(written)["data"], strict=True):
        assert entry["time_end"] - entry["time_start"] == key.intervals * 900 - 1


def test_a_key_from_noon_is_written_from_midnight(tmp_path: Path) -> None:
    """Slots are counted from midnight, so its entry begins there and keeps its end."""
    path = tmp_path / "case.json"
    path.write_bytes(write_case_message([DiagnosisKey(b"k" * 32, 48, 24, "bluezone")]))
    assert read_case_message(path).keys == (DiagnosisKey(b"k" * 32, 0, 72, "bluezone"),)


@pytest.mark.parametrize("key", [DiagnosisKey(b"k" * 32, 48, 96, "bluezone"), DiagnosisKey(b"k" * 16, 0, 96)])
def test_what_it_cannot_say_is_not_written(key: DiagnosisKey) -> None:
    """A key over midnight, and one of another protocol."""
    with pytest.raises(ValueError, match="cannot hold"):
        write_case_message([key])
