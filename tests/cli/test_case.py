# SPDX-License-Identifier: Apache-2.0
"""`bzd export case`, `bzd import case` and `bzd match --graph` on what they leave."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.cases.opening import read_case
from bzd.matching.keyfile import read_key_file
from bzd.model import Contact, DailyKey
from bzd.radio.crowd import Crowd, office_hour
from bzd.store import inspect, open_appender
from bzd.store.state import load_identity

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill, Keys, Result

NOW = 1_800_000_000.0
"""The clock of the tests: 2027-01-15T08:00:00Z."""
TODAY = NOW - NOW % 86400
YESTERDAY = DailyKey("gaen", b"that of the past", TODAY - 86400, TODAY)

Export = Callable[..., "Result"]


@pytest.fixture
def authority(keys: Keys) -> Path:
    """The public key of the health authority; the identity lies beside it."""
    return keys("ha-store")


@pytest.fixture
def export(bzd: Bzd, authority: Path, tmp_path: Path) -> Export:
    """Write the case file of a store to `NAME.case`."""

    def run(state: Path, *words: object, name: str = "x", now: float = NOW) -> Result:
        given = ["--state", state, "--recipient", authority, "--yes", "-o", tmp_path / f"{name}.case"]
        return bzd("export", "case", *given, *words, now=now)

    return run


@pytest.fixture
def store(fill: Fill) -> Callable[..., Path]:
    """Make the store of a badge with contacts and own keys."""

    def make(*contacts: Contact, own: tuple[DailyKey, ...] = (YESTERDAY,), **how: object) -> Path:
        state = fill(*contacts, **how)
        with open_appender(state) as appender:
            appender.add_keys(own)
        return state

    return make


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """What `bzd demo` simulates at this clock."""
    return office_hour(TODAY - 86400 + 11.5 * 3600, 1)


@pytest.fixture
def sent(bzd: Bzd, export: Export, tmp_path: Path) -> list[Path]:
    """The case files of three badges of the demo."""
    assert bzd("demo", "--keep", tmp_path / "crowd").code == 0
    names = ("anna", "ben", "chloe")
    for name in names:
        assert export(tmp_path / "crowd" / name, name=name).code == 0
    return [tmp_path / f"{name}.case" for name in names]


@pytest.fixture
def opened(tmp_path: Path) -> list[object]:
    """The words that name the imported cases and the authority's identity."""
    return ["--state", tmp_path / "cases", "--identity", tmp_path / "ha-store.key"]


def test_the_loop(bzd: Bzd, sent: list[Path], opened: list[object], crowd: Crowd) -> None:
    """From the demo's badges to the graph: each pair of cases that met, both ways, with the minutes that are true."""
    done = bzd("import", "case", *sent, *opened)
    assert (done.code, done.out) == (0, "")
    shown = bzd("match", "--graph", *opened)
    assert "tried 3 keys of these badges on" in shown.err
    rows = list(csv.DictReader(shown.out.splitlines()))
    near = {(row["case"], row["badge"]): float(row["near_minutes"]) * 60 for row in rows}
    for one in ("anna", "ben", "chloe"):
        for other in {"anna", "ben", "chloe"} - {one}:
            truth = crowd.truth(crowd.member(one), crowd.member(other), 2.0).near_s
            assert abs(near.get((one, other), 0.0) - truth) < 150, (one, other, near, truth)
    assert near


def test_nobody_who_is_no_case_is_in_what_is_kept(
    bzd: Bzd, sent: list[Path], opened: list[object], crowd: Crowd
) -> None:
    """All IDs in the stores are of cases; with --keep-all there are others', also from the same files again."""
    cases = {one.hex() for name in ("anna", "ben", "chloe") for one in crowd.member(name).rolling_ids}
    assert bzd("import", "case", *sent, *opened).code == 0
    kept = bzd("contacts", *opened, "--jsonl").jsonl
    assert {contact["store"] for contact in kept} == {"anna", "ben", "chloe"}
    assert {contact["rolling_id"] for contact in kept} <= cases
    assert bzd("import", "case", *sent, *opened, "--keep-all").code == 0
    everything = {contact["rolling_id"] for contact in bzd("contacts", *opened, "--jsonl").jsonl}
    assert everything - cases
    assert len(everything & cases) >= len({contact["rolling_id"] for contact in kept})


def test_every_command_that_reads_takes_the_folder(
    bzd: Bzd, sent: list[Path], opened: list[object], tmp_path: Path, crowd: Crowd
) -> None:
    """Also one store of it: its keys are exported again, and published and matched as if the badge had given them."""
    assert bzd("import", "case", *sent, *opened).code == 0
    assert bzd("export", "contacts", *opened, "-o", tmp_path / "all.csv").code == 0
    (anna,) = (tmp_path / "cases").glob("anna-*.bzd")
    again = bzd("export", "case", anna, *opened[2:], "--recipient", tmp_path / "ha-store.pub", "--yes", "-o", "-")
    assert (again.code, "was made of a case file, which holds no signing key" in again.err) == (7, True)
    words = ["export", "keys", anna, "--identity", tmp_path / "ha-store.key", "--yes", "-o", tmp_path / "anna.zip"]
    assert bzd(*words).code == 0
    assert [key.key for key in read_key_file(tmp_path / "anna.zip", allow_unsigned=True).keys] == [
        crowd.member("anna").key.key
    ]
    graph = bzd("match", "--graph", "--allow-unsigned", tmp_path / "anna.zip", *opened).out.splitlines()
    assert {line.split(",")[0] for line in graph[1:]} == {"anna"}


def test_what_it_says(bzd: Bzd, store: Callable[..., Path], export: Export, tmp_path: Path) -> None:
    """Whose signing key, to compare with what init printed, and whose identity opens it; the import says the same."""
    state = store(name="anna")
    mine = inspect(state).signing_fingerprint
    theirs = load_identity(tmp_path / "ha-store.key").fingerprint
    done = export(state, name="anna")
    assert f"wrote 1 daily key and 0 contacts of anna, signed by {mine}" in done.err
    assert f"only {theirs} can open it" in done.err
    assert stat.S_IMODE((tmp_path / "anna.case").stat().st_mode) == 0o600
    words = [
        "import",
        "case",
        tmp_path / "anna.case",
        "--state",
        tmp_path / "c",
        "--identity",
        tmp_path / "ha-store.key",
    ]
    said = bzd(*words).err
    assert f"anna: signed by {mine} (not known before" in said
    # By that, whoever gets an old file once more notices.
    assert "anna: made 2027-01-15T08:00:00.000Z of 2027-01-01 to 2027-01-15" in said
    assert f"anna: signed by {mine} (as before)" in bzd(*words).err
    assert bzd(*words, "--fingerprint", mine.upper()).code == 0
    assert bzd(*words, "--fingerprint", theirs).code == 7
    assert bzd(*words, "--fingerprint", "1234").code == 2


def test_which_days(
    store: Callable[..., Path], export: Export, contact: Callable[..., Contact], tmp_path: Path
) -> None:
    """Whole past days, as many as asked, contacts and keys alike; of today nothing."""
    own = tuple(DailyKey("gaen", bytes([n] * 16), TODAY - 86400 * n, TODAY - 86400 * (n - 1)) for n in range(4))
    heard = [contact(36_000 + 86400 * n, number=n + 1) for n in range(4)] + [contact(3600, number=9)]
    state, authority = store(*heard, own=own), load_identity(tmp_path / "ha-store.key")
    for words, days in ((("--days", 2), 2), (("--since", "2027-01-13"), 2), ((), 3)):
        assert export(state, *words, "--force").code == 0
        case = read_case(tmp_path / "x.case", [authority]).case
        assert sorted(key.key[0] for key in case.keys) == list(range(1, days + 1))
        # The oldest contact is of a day before the oldest key.
        assert sorted(found.rolling_id[0] for found in case.contacts) == list(range(1, 3 if words else 5))
        assert (case.since, case.until) == (TODAY - (14 if not words else 2) * 86400, TODAY)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--days", 2, "--since", "2027-01-13"), 2),
        (("--since", "2027-01-15"), 2),
        (("--since", "yesterday"), 2),
        (("--days", 0), 2),
        (("--recipient", "none.pub"), 4),
    ],
)
def test_what_cannot_be_asked(store: Callable[..., Path], export: Export, words: tuple[object, ...], code: int) -> None:
    """Each is said before anything is written."""
    assert export(store(), *words).code == code


def test_a_recipient_is_needed_and_must_be_a_public_key(bzd: Bzd, store: Callable[..., Path], tmp_path: Path) -> None:
    """An identity in its place is a slip that must not pass."""
    words = ["export", "case", "--state", store(), "--yes", "-o", tmp_path / "x.case"]
    assert bzd(*words).code == 2
    assert bzd("keygen", "-o", tmp_path / "own.key").code == 0
    assert bzd(*words, "--recipient", tmp_path / "own.key").code == 7
    assert not (tmp_path / "x.case").exists()


def test_a_script_must_say_that_the_wearer_consents(
    bzd: Bzd, store: Callable[..., Path], authority: Path, tmp_path: Path
) -> None:
    """Without a terminal and without --yes nothing is written."""
    refused = bzd("export", "case", "--state", store(), "--recipient", authority, "-o", tmp_path / "x.case")
    assert (refused.code, "--yes" in refused.err, (tmp_path / "x.case").exists()) == (2, True, False)


def test_the_admin_exports_from_a_copy(bzd: Bzd, keys: Keys, export: Export, tmp_path: Path) -> None:
    """Who can open the own keys signs; who can open the contacts alone cannot."""
    contacts, own = keys("contacts"), keys("own")
    state = tmp_path / "state"
    words = ["init", "--state", state, "--label", "ward", "--recipient", contacts, "--key-recipient", own]
    assert bzd(*words).code == 0
    with open_appender(state) as appender:
        appender.add_keys([YESTERDAY])
    assert bzd("export", "store", "--state", state, "-o", tmp_path / "ward.bzd").code == 0
    both = ["--identity", tmp_path / "contacts.key", "--identity", tmp_path / "own.key"]
    assert export(tmp_path / "ward.bzd", *both[:2]).code == 7
    assert export(tmp_path / "ward.bzd", *both).code == 0


def test_a_bluezone_badge(
    bzd: Bzd, store: Callable[..., Path], export: Export, opened: list[object], tmp_path: Path
) -> None:
    """Has case files like any other, and its keys go on as a case message."""
    key = DailyKey("bluezone", bytes(range(32)), TODAY - 86400, TODAY)
    assert export(store(own=(key,), name="vn"), name="vn").code == 0
    assert bzd("import", "case", tmp_path / "vn.case", *opened).code == 0
    words = ["export", "keys", *opened, "--yes", "-o", tmp_path / "case.json"]
    assert bzd(*words).code == 0
    assert key.key.hex() in (tmp_path / "case.json").read_text()


def test_through_pipes(
    bzd: Bzd, store: Callable[..., Path], authority: Path, opened: list[object], tmp_path: Path
) -> None:
    """`-o -` gives the file to another machine."""
    done = bzd("export", "case", "--state", store(), "--recipient", authority, "--yes", "-o", "-")
    (tmp_path / "x.case").write_bytes(done.raw)
    assert bzd("import", "case", tmp_path / "x.case", *opened).code == 0


@pytest.mark.parametrize(
    ("missing", "code"), [("files", 2), ("--state", 2), ("--identity", 7), ("recipient", 7), ("store", 4)]
)
def test_what_an_import_needs(  # noqa: PLR0917  fixtures
    bzd: Bzd, store: Callable[..., Path], export: Export, keys: Keys, tmp_path: Path, missing: str, code: int
) -> None:
    """Each thing that is missing or wrong has its own code, and leaves no folder."""
    assert export(store()).code == 0
    keys("other")
    identity = tmp_path / ("other.key" if missing == "recipient" else "ha-store.key")
    given = tmp_path / ("state/store.sqlite" if missing == "store" else "x.case")
    words: list[object] = [] if missing == "files" else [given]
    words += [] if missing == "--state" else ["--state", tmp_path / "cases"]
    words += [] if missing == "--identity" else ["--identity", identity]
    assert bzd("import", "case", *words).code == code
    assert not (tmp_path / "cases").exists()


def test_a_liar_is_named(
    bzd: Bzd, store: Callable[..., Path], export: Export, opened: list[object], tmp_path: Path
) -> None:
    """Two badges that claim one key: the import says so, and the graph names both for it."""
    for name in ("anna", "ben"):
        assert export(store(name=name), name=name).code == 0
    done = bzd("import", "case", tmp_path / "anna.case", tmp_path / "ben.case", *opened)
    assert "anna and ben claim the same daily key" in done.err
    assert done.code == 0


def test_a_later_case_asks_for_those_before(bzd: Bzd, sent: list[Path], opened: list[object]) -> None:
    """What the first did not keep is said with the second, and comes with both."""
    assert bzd("import", "case", sent[0], *opened).code == 0
    done = bzd("import", "case", sent[1], *opened)
    assert "once the case files of anna are imported again too" in done.err
    assert bzd("match", "--graph", *opened).out.count("\n") == 2
    assert "again" not in bzd("import", "case", *sent[:2], *opened).err
    assert bzd("match", "--graph", *opened).out.count("\n") == 3


def test_an_empty_folder_is_no_store(bzd: Bzd, tmp_path: Path) -> None:
    """As before there were folders of stores."""
    (tmp_path / "empty").mkdir()
    assert bzd("contacts", "--state", tmp_path / "empty").code == 6
