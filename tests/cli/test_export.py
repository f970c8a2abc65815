# SPDX-License-Identifier: Apache-2.0
"""`bzd export contacts` and `bzd export store`."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.model import Contact

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill, Keys

Make = Callable[..., Contact]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_contacts_as_the_suffix_or_a_flag_says(bzd: Bzd, fill: Fill, contact: Make, tmp_path: Path, form: str) -> None:
    """The file holds what `bzd contacts` prints in that form, for its owner alone; `-` is stdout."""
    state = fill(contact(7200), contact(3600, number=2))
    printed = bzd("contacts", "--state", state, f"--{form}").out
    by_suffix, by_flag = tmp_path / f"out.{form}", tmp_path / "out.txt"
    assert bzd("export", "contacts", "--state", state, "-o", by_suffix).err == "bzd: wrote 2 contacts\n"
    assert bzd("export", "contacts", "--state", state, "-o", by_flag, f"--{form}").code == 0
    assert by_suffix.read_text() == by_flag.read_text() == printed
    assert stat.S_IMODE(by_flag.stat().st_mode) == 0o600
    assert bzd("export", "contacts", "--state", state, "-o", "-", f"--{form}").out == printed


def test_the_form_must_be_known(bzd: Bzd, fill: Fill) -> None:
    """Neither suffix nor flag is a question, not a guess."""
    result = bzd("export", "contacts", "--state", fill(), "-o", "-")
    assert result.code == 2
    assert "--csv or --jsonl" in result.err


def test_selection_applies(bzd: Bzd, fill: Fill, contact: Make, tmp_path: Path) -> None:
    """Export selects as `bzd contacts` does."""
    state, out = fill(contact(7200), contact(1800, number=2)), tmp_path / "out.jsonl"
    bzd("export", "contacts", "--state", state, "-o", out, "--since", "1h")
    assert out.read_text().count("\n") == 1


@pytest.mark.parametrize("what", ["contacts", "store"])
def test_overwriting_needs_force(bzd: Bzd, fill: Fill, contact: Make, tmp_path: Path, what: str) -> None:
    """What is there stays, unless --force says otherwise."""
    state, out = fill(contact()), tmp_path / "out.csv"
    out.write_text("precious")
    refused = bzd("export", what, "--state", state, "-o", out)
    assert refused.code == 5
    assert "--force" in refused.err
    assert out.read_text() == "precious"
    assert bzd("export", what, "--state", state, "-o", out, "--force").code == 0
    assert out.read_bytes() != b"precious"


@pytest.mark.parametrize("name", ["store.sqlite", "identity.key", "new.bzd"])
@pytest.mark.parametrize("what", ["contacts", "store"])
def test_a_store_is_never_written_over(bzd: Bzd, fill: Fill, contact: Make, what: str, name: str) -> None:
    """Even with --force nothing is exported into the state directory that is read."""
    state = fill(contact())
    before = (state / "store.sqlite").read_bytes()
    result = bzd("export", what, "--state", state, "-o", state / name, "--force", *(["--csv"] * (what == "contacts")))
    assert result.code == 5
    assert (state / "store.sqlite").read_bytes() == before
    assert not (state / "new.bzd").exists()


def test_an_exported_store_needs_no_identity_and_reads_the_same(
    bzd: Bzd, fill: Fill, contact: Make, keys: Keys, tmp_path: Path
) -> None:
    """The copy is made on a badge that cannot read it, and opens elsewhere with the identity."""
    state = fill(contact(7200), contact(3600, number=2), recipients=[keys()])
    result = bzd("export", "store", "--state", state, "-o", tmp_path / "badge.bzd")
    assert result.code == 0
    assert stat.S_IMODE((tmp_path / "badge.bzd").stat().st_mode) == 0o600
    identity = ["--identity", tmp_path / "admin.key", "--jsonl"]
    copy = bzd("contacts", "--state", tmp_path / "badge.bzd", *identity)
    assert len(copy.jsonl) == 2
    assert copy.out == bzd("contacts", "--state", state, *identity).out


def test_a_store_through_a_pipe(bzd: Bzd, fill: Fill, contact: Make, tmp_path: Path) -> None:
    """`-o -` gives the bytes of a store and nothing else on stdout."""
    state = fill(contact(7200))
    result = bzd("export", "store", "--state", state, "-o", "-")
    (tmp_path / "badge.bzd").write_bytes(result.raw)
    assert (
        len(bzd("contacts", "--state", tmp_path / "badge.bzd", "--identity", state / "identity.key", "--jsonl").jsonl)
        == 1
    )


def test_salvage(bzd: Bzd, fill: Fill, contact: Make, tmp_path: Path) -> None:
    """What SQLite refuses to read is still saved, and counted."""
    state = fill(*(contact(7200 + 60 * number, number=number) for number in range(40)))
    file = state / "store.sqlite"
    data = bytearray(file.read_bytes())
    data[16:20] = b"\xff\xff\xff\xff"  # page size and file format version in the header
    file.write_bytes(data)
    assert bzd("contacts", "--state", state).code == 8
    result = bzd("export", "store", "--state", state, "-o", tmp_path / "saved.bzd", "--salvage")
    assert result.code == 0
    assert "pages were damaged" in result.err
    words = ["contacts", "--state", tmp_path / "saved.bzd", "--identity", state / "identity.key", "--jsonl"]
    assert len(bzd(*words).jsonl) > 30


def test_nothing_is_left_of_a_failed_export(bzd: Bzd, fill: Fill, contact: Make, keys: Keys, tmp_path: Path) -> None:
    """No file appears when the store cannot be opened."""
    state = fill(contact(), recipients=[keys()])
    keys("other")
    before = set(tmp_path.iterdir())
    words = ["--identity", tmp_path / "other.key", "-o", tmp_path / "out.csv"]
    assert bzd("export", "contacts", "--state", state, *words).code == 7
    assert set(tmp_path.iterdir()) == before
