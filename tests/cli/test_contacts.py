# SPDX-License-Identifier: Apache-2.0
"""`bzd contacts`."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.cli.output import contact_json
from bzd.model import Contact
from bzd.store import open_appender, open_reader
from bzd.store.identity import Identity

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill, Keys

Make = Callable[..., Contact]


pytestmark = pytest.mark.usefixtures("east")


def stored(state: Path) -> list[Contact]:
    """What the store itself gives."""
    with open_reader(state, [Identity.loads((state / "identity.key").read_bytes())]) as reader:
        return list(reader.contacts())


def test_table_in_local_time(bzd: Bzd, fill: Fill, contact: Make) -> None:
    """Oldest first, in the zone of the reader, with the count and span on stderr and no rolling ID."""
    state = fill(contact(3600, seconds=754.0, number=2), contact(7200))
    result = bzd("contacts", "--state", state)
    assert result.code == 0
    assert result.out.splitlines() == [
        "start                     minutes  near minutes  about m  rssi dBm",
        "2027-01-15 08:00:00 EAST      5.0           2.0        2       -55",
        "2027-01-15 09:00:00 EAST     12.6           2.0        2       -55",
    ]
    assert result.err == "bzd: 2 contacts, 2027-01-15 08:00:00 EAST to 2027-01-15 09:12:34 EAST\n"
    assert ("01" * 16) in bzd("contacts", "--state", state, "--ids").out


def test_json_jsonl_and_csv_say_the_same(bzd: Bzd, fill: Fill, contact: Make) -> None:
    """All three hold what the store holds, with the names of the contract and their schema."""
    state = fill(contact(7200), contact(3600, number=2, distance_m=None), contact(1800, number=3, synced=False))
    expected = [contact_json(item) for item in stored(state)]
    assert len(expected) == 3
    whole = bzd("contacts", "--state", state, "--json").json
    assert whole == {"schema": "bzd.contacts/1", "contacts": expected}
    assert bzd("contacts", "--state", state, "--jsonl").jsonl == [{"schema": "bzd.contact/1"} | c for c in expected]
    table = list(csv.DictReader(io.StringIO(bzd("contacts", "--state", state, "--csv").out)))
    for row, item in zip(table, expected, strict=True):
        del item["scans"]
        none = {None: "", True: "true", False: "false"}
        assert row == {key: none[v] if isinstance(v, bool | None) else str(v) for key, v in item.items()}


def test_forms_exclude_each_other(bzd: Bzd) -> None:
    """Two of them are a mistake, not a silent choice."""
    result = bzd("contacts", "--json", "--csv")
    assert result.code == 2
    assert "--json and --csv exclude each other" in result.err


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--since", "90m"], [2, 3]),
        (["--until", "2027-01-15T08:30"], [1]),
        (["--since", "2027-01-15T06:00:00Z", "--until", "2027-01-15T09:15"], [1, 2]),
        (["--since", "2027-01-15", "--until", "2027-01-15"], [1, 2, 3]),
        (["--min-duration", "10m"], [2]),
    ],
)
def test_selection(bzd: Bzd, fill: Fill, contact: Make, words: list[str], kept: list[int]) -> None:
    """Times choose what overlaps them, --min-duration what lasted; local without a zone."""
    state = fill(contact(7200, number=1), contact(3600, number=2, seconds=600.0), contact(1800, number=3))
    found = bzd("contacts", "--state", state, "--jsonl", *words).jsonl
    assert [int(item["rolling_id"][:2], 16) for item in found] == kept


def test_empty_is_a_sentence_that_says_why(bzd: Bzd, fill: Fill, contact: Make) -> None:
    """Nothing at all, and nothing in the range, are told apart; data stays well-formed."""
    empty, full = fill(name="empty"), fill(contact(7200), name="full")
    nothing = bzd("contacts", "--state", empty)
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == "bzd: there are no contacts in this store yet\n"
    missed = bzd("contacts", "--state", full, "--since", "1h", "--json")
    assert missed.json["contacts"] == []
    assert "no contacts match" in missed.err
    assert "1 contact, 2027-01-15 08:00:00 EAST to" in missed.err


def test_what_cannot_be_read_is_not_called_absent(bzd: Bzd, contact: Make, keys: Keys, tmp_path: Path) -> None:
    """The holder of the key recipient's identity reads no contacts, and is told that there are some."""
    state = tmp_path / "state"
    bzd("init", "--state", state, "--recipient", keys("admin"), "--key-recipient", keys("keeper"))
    with open_appender(state) as appender:
        appender.commit(add=[contact()])
    result = bzd("contacts", "--state", state, "--identity", tmp_path / "keeper.key")
    assert (result.code, result.out) == (0, "")
    assert "bzd: no contacts could be read\n" in result.err
    assert "sealed to others" in result.err


def test_several_stores_and_files_as_one(bzd: Bzd, fill: Fill, contact: Make, keys: Keys, tmp_path: Path) -> None:
    """Stores and exported files merge in order of time, each contact under its store's label."""
    admin = keys()
    one = fill(contact(7200, number=1), contact(1800, number=3), name="one", recipients=[admin])
    two = fill(contact(3600, number=2), name="two", recipients=[admin])
    bzd("export", "store", "--state", two, "-o", tmp_path / "two.bzd")
    words = ["contacts", "--state", one, "--state", tmp_path / "two.bzd", "--identity", tmp_path / "admin.key"]
    found = bzd(*words, "--jsonl").jsonl
    assert [(item["store"], item["rolling_id"][:2]) for item in found] == [("one", "01"), ("two", "02"), ("one", "03")]
    assert bzd(*words, "--csv").out.splitlines()[0].endswith(",synced,store")
    assert [line.split()[-1] for line in bzd(*words).out.splitlines()] == ["store", "one", "two", "one"]


def test_stores_without_an_option(bzd: Bzd, fill: Fill, contact: Make, keys: Keys) -> None:
    """`*.bzd` is as good as --state for each, alone and beside --state, and for export as well."""
    admin = keys()
    states = [
        fill(contact(3600 - n, number=n), name=name, recipients=[admin]) for n, name in enumerate(["a", "b", "c"], 1)
    ]
    identity = ["--identity", admin.with_suffix(".key"), "--jsonl"]
    expected = bzd("contacts", *(word for state in states for word in ("--state", state)), *identity).out
    assert len(expected.splitlines()) == 3
    assert bzd("contacts", *states, *identity).out == expected
    assert bzd("contacts", "--state", *states, *identity).out == expected
    assert bzd("export", "contacts", "-o", "-", *states, *identity).out == expected


def test_copies_of_one_store_are_one(bzd: Bzd, fill: Fill, contact: Make, keys: Keys, tmp_path: Path) -> None:
    """What was collected on Monday and again on Tuesday counts once, and a contact that had grown as it was last."""
    admin = keys()
    state = fill(contact(7200, number=1), recipients=[admin])
    with open_appender(state) as appender:
        (growing,) = appender.commit(add=[contact(3600, number=2)])
        assert bzd("export", "store", "--state", state, "-o", tmp_path / "monday.bzd").code == 0
        appender.commit(replace={growing: contact(3600, number=2, seconds=500.0)})
        assert bzd("export", "store", "--state", state, "-o", tmp_path / "tuesday.bzd").code == 0
    files = [tmp_path / "tuesday.bzd", tmp_path / "monday.bzd"]
    for order in (files, files[::-1]):
        result = bzd("contacts", *order, "--identity", admin.with_suffix(".key"), "--jsonl")
        assert [(item["rolling_id"][:2], item["duration_s"]) for item in result.jsonl] == [("01", 300.0), ("02", 500.0)]
        assert "several stores" not in result.err


def test_equal_labels_are_pointed_out(bzd: Bzd, fill: Fill, contact: Make) -> None:
    """Two badges of one name would be taken for one."""
    first, second = (fill(contact(), name=name, label="raspberrypi") for name in ("one", "two"))
    result = bzd("contacts", "--state", first, "--state", second)
    assert result.code == 0
    assert "several stores have the label raspberrypi" in result.err


def test_damaged_records_are_reported_and_the_others_read(bzd: Bzd, fill: Fill, contact: Make) -> None:
    """One flipped byte costs one record; it is said once, on stderr."""
    state = fill(*(contact(3600 - 60 * number, number=number) for number in range(8)))
    file = state / "store.sqlite"
    data = bytearray(file.read_bytes())
    at = data.find(sealed_contact(file))
    assert at > 0
    data[at + 40] ^= 1
    file.write_bytes(data)
    result = bzd("contacts", "--state", state, "--since", "1d", "--jsonl")
    assert (result.code, len(result.jsonl)) == (0, 7)
    assert len([line for line in result.err.splitlines() if line.startswith("bzd: warning: state: ")]) == 1


def sealed_contact(file: Path) -> bytes:
    """The sealed bytes of one contact, as they are in the file."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        (blob,) = connection.execute("SELECT sealed FROM record ORDER BY id DESC LIMIT 1 OFFSET 2").fetchone()
    finally:
        connection.close()
    assert isinstance(blob, bytes)
    return blob
