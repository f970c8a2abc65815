# SPDX-License-Identifier: Apache-2.0
"""`bzd match`."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bzd.matching.case_message import write_case_message
from bzd.matching.keyfile import KeyFile, SignatureInfo, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.signing import SigningKey
from bzd.model import Contact, DailyKey, ScanInstance
from bzd.protocols import bluezone, gaen
from bzd.store import open_appender

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

NOW = 1_800_000_000.0
"""The clock of the tests: 2027-01-15T08:00:00Z."""
MIDNIGHT = NOW // 86400 * 86400 - 86400
"""When the day before began."""
FIRST = int(MIDNIGHT) // 600
"""Its first interval."""
ENCOUNTER = (
    "date", "start", "end", "duration_s", "near_s", "contacts", "attenuation_min", "attenuation_typical", "report_type",
    "days_since_onset", "score", "risk", "protocol", "store",
)  # fmt: skip
"""The fields that are promised."""

Publish = Callable[..., Path]


def key(number: int, **other: Any) -> DiagnosisKey:
    """A key of that day."""
    return DiagnosisKey(number.to_bytes(16, "big"), FIRST, 144, **other)


def heard(
    of: DiagnosisKey, hour: float, minutes: int, *, rssi: float = -50.0, tx_power: int = 10, synced: bool = True
) -> list[Contact]:
    """Contacts with the owner of a key from an hour of its day on, one for each interval of ten minutes."""
    found = []
    for at in range(0, minutes, 10):
        start = MIDNIGHT + hour * 3600 + at * 60
        (rolling_id,) = gaen.PROTOCOL.rolling_ids(of.key, int(start // 600), 1)
        seconds = 60.0 * min(10, minutes - at)
        scans = tuple(ScanInstance(60.0 * n, 60.0, 6, rssi, int(rssi)) for n in range(int(seconds // 60)))
        aem = gaen.seal(of.key, rolling_id, gaen.Metadata(tx_power))
        found.append(Contact("gaen", rolling_id, aem, start, start + seconds, 0.0, 1.0, synced, scans))
    return found


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Write a key file signed by `ha.pub`, or unsigned."""
    authority = SigningKey.generate()
    (tmp_path / "ha.pub").write_bytes(authority.public_pem())

    def make(*keys: DiagnosisKey, name: str = "today.zip", signed: bool = True, **other: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(write_key_file(KeyFile(keys, **other), authority if signed else None))
        return path

    return make


@pytest.fixture
def match(bzd: Bzd, tmp_path: Path) -> Bzd:
    """Run `bzd match` with the authority's public key."""
    return lambda *words, **how: bzd("match", "--verify-key", tmp_path / "ha.pub", *words, **how)


def test_in_words_first(match: Bzd, fill: Fill, publish: Publish) -> None:
    """A sentence a day, then a line an encounter; stderr says what was tried."""
    state = fill(*heard(key(1), 9, 23), *heard(key(2), 14, 4, rssi=-70.0), *heard(key(9), 10, 30))
    done = match("--state", state, publish(key(1, days_since_onset=2), key(2), key(3)))
    first, empty, head, *rows = done.out.splitlines()
    assert (done.code, empty, len(rows)) == (0, "", 2)
    assert first == "On 14 January 2027 you were within 2 m of cases for 23 minutes (high risk)."
    assert head.split("  ")[0] == "start"
    assert rows[0].split() == ["2027-01-14", "09:00:00", "UTC", "23.0", "23.0", "1", "3", "+2", "d", "unknown", "high"]
    assert rows[1].split()[3:5] == ["4.0", "0"]
    assert done.err == "bzd: tried 3 keys of 1 file on 7 contacts of 1 store\n"


@pytest.mark.parametrize(
    ("minutes", "rssi", "said"),
    [
        (14, -50.0, "within 2 m of a case for 14 minutes (low risk)"),
        (15, -50.0, "within 2 m of a case for 15 minutes (high risk)"),
        (40, -75.0, "near a case for 40 minutes, but not within 2 m (low risk)"),
        (1, -50.0, "within 2 m of a case for 1 minute (low risk)"),
    ],
)
def test_the_sentence(match: Bzd, fill: Fill, publish: Publish, *, minutes: int, rssi: float, said: str) -> None:
    """It says how long, and whether it was near; 15 minutes within 2 m are high."""
    done = match("--state", fill(*heard(key(1), 9, minutes, rssi=rssi)), publish(key(1)))
    assert done.out.startswith(f"On 14 January 2027 you were {said}.\n")


def test_no_encounter_is_a_sentence(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Also where nothing was heard, and of several badges."""
    file = publish(key(1), key(2))
    one, none = fill(*heard(key(3), 9, 20), name="one"), fill(name="none")
    said = "No encounter: none of the 2 contacts of yours is with a case of these 2 keys.\n"
    assert match("--state", one, file).out == said
    assert match("--state", none, file).out == "No encounter: there are no contacts of yours.\n"
    assert match("--state", one, "--state", none, file).out == said.replace("of yours", "of these 2 badges")


def test_json(match: Bzd, fill: Fill, publish: Publish) -> None:
    """The fields that are promised, as one object and as lines; the days and the counts with it."""
    words = ["--state", fill(*heard(key(1), 9, 23)), publish(key(1, report_type=ReportType.CONFIRMED_TEST))]
    whole, lines = match(*words, "--json").json, match(*words, "--jsonl").jsonl
    (found,) = whole["encounters"]
    assert (whole["schema"], lines) == ("bzd.encounters/1", [{"schema": "bzd.encounter/1", **found}])
    assert set(ENCOUNTER) <= found.keys()
    assert {name: found[name] for name in ("date", "start", "end", "duration_s", "near_s", "contacts", "score")} == {
        "date": "2027-01-14", "start": "2027-01-14T09:00:00.000Z", "end": "2027-01-14T09:23:00.000Z",
        "duration_s": 1380.0, "near_s": 1380.0, "contacts": 3, "score": 23.0,
    }  # fmt: skip
    said = ("report_type", "days_since_onset", "risk", "protocol", "store", "attenuation_min", "attenuation_typical")
    assert [found[name] for name in said] == ["confirmed_test", None, "high", "gaen", "state", 60.0, 60.0]
    assert [(day["date"], day["risk"], day["minutes"]) for day in whole["days"]] == [("2027-01-14", "high", 23.0)]
    assert whole["counts"] == {
        "files": 1, "earlier_files": 0, "keys": 1, "contacts": 3, "undated": 0, "suspicious": 0, "out_of_time": 0
    }  # fmt: skip
    assert match("--state", words[1], publish(key(5), name="b.zip"), "--json").json["encounters"] == []


def test_exit_codes(match: Bzd, fill: Fill, publish: Publish) -> None:
    """10 for high, 11 for low, 0 for none, only where asked for."""
    state = fill(*heard(key(1), 9, 23), *heard(key(2), 14, 4))
    files = {code: publish(key(number), name=f"{code}.zip") for code, number in ((10, 1), (11, 2), (0, 3))}
    for code, file in files.items():
        assert match("--state", state, file, "--exit-code").code == code
        assert match("--state", state, file, "--exit-code", "--json").code == code
        assert match("--state", state, file).code == 0


def test_several_badges_by_their_labels(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Each has its own days; two of one label are told apart, and two copies of one store count once."""
    one, two = (fill(*heard(key(1), 9, minutes), name=name, label="ward3") for name, minutes in (("a", 20), ("b", 10)))
    done = match("--state", one, "--state", two, publish(key(1)))
    assert [line.split()[4:6] for line in done.out.splitlines()[:2]] == [["badge", "ward3"]] * 2
    assert {line.partition("for ")[2] for line in done.out.splitlines()[:2]} == {
        "20 minutes (high risk).",
        "10 minutes (low risk).",
    }
    (found,) = match("--state", one, "--state", one, publish(key(1)), "--jsonl").jsonl
    assert (found["duration_s"], found["store"]) == (1200.0, "ward3")


def test_rules(match: Bzd, fill: Fill, publish: Publish, tmp_path: Path) -> None:
    """A rule by name or file decides, on the command line or in the configuration; an unknown one is named."""
    words = ["--state", fill(*heard(key(1), 9, 12, rssi=-45.0)), publish(key(1, days_since_onset=0))]
    near, wide = match(*words), match(*words, "--rule", "wide")
    assert "(low risk)." in near.out
    assert "(high risk; 24.0 of 15 minutes by wide)." in wide.out
    assert match(*words, "--set", "match.rule=wide").out == wide.out
    (tmp_path / "own.toml").write_text("thresholds = [50, 63, 70]\nweights = [1, 0, 0, 0]\nthreshold = 5\n")
    assert "(low risk; 0.0 of 5 minutes by " in match(*words, "--rule", tmp_path / "own.toml").out
    refused = match(*words, "--rule", "wider")
    assert (refused.code, "no rule named 'wider'" in refused.err) == (3, True)


def test_a_signature_is_required(bzd: Bzd, match: Bzd, fill: Fill, publish: Publish, tmp_path: Path) -> None:
    """No key, no signature or a changed file is refused; --allow-unsigned takes the first two and never the last."""
    state = fill(*heard(key(1), 9, 20))
    signed, unsigned = publish(key(1)), publish(key(1), name="case.zip", signed=False)
    (tmp_path / "other.pub").write_bytes(SigningKey.generate().public_pem())
    other = ["--verify-key", tmp_path / "other.pub"]
    assert [bzd("match", "--state", state, file).code for file in (signed, unsigned)] == [4, 4]
    assert match("--state", state, unsigned).code == 4
    assert [bzd("match", "--state", state, file, "--allow-unsigned").code for file in (signed, unsigned)] == [0, 0]
    for words in ([], ["--allow-unsigned"]):
        refused = bzd("match", "--state", state, signed, *other, *words)
        assert (refused.code, refused.out, "does not verify" in refused.err) == (4, "", True)
    assert bzd("match", "--state", state, signed, "--set", f"match.verify_keys={tmp_path / 'ha.pub'}").code == 0
    assert bzd("match", "--state", state, signed, "--verify-key", tmp_path / "absent.pub").code == 4


def test_keys_for_signers_by_name(bzd: Bzd, fill: Fill, publish: Publish, tmp_path: Path) -> None:
    """`ID:VERSION=FILE` verifies only what names that key."""
    state, file = fill(*heard(key(1), 9, 20)), publish(key(1), signers=(SignatureInfo("228", "v1"),))
    codes = {"228:v1": 0, "228": 0, "228:v2": 4, "310": 4}
    for name, code in codes.items():
        assert bzd("match", "--state", state, file, "--verify-key", f"{name}={tmp_path / 'ha.pub'}").code == code


def test_a_folder_and_what_is_refused_in_it(match: Bzd, fill: Fill, publish: Publish, tmp_path: Path) -> None:
    """All key files in it are tried; one that is refused is named, the rest is shown, and the exit code tells."""
    state = fill(*heard(key(1), 9, 20), *heard(key(2), 14, 10))
    file = publish(key(1), name="keys/1.zip")
    publish(key(2), name="keys/2.zip")
    (tmp_path / "keys/readme.txt").write_text("no key file")
    (tmp_path / "keys/.part.zip").write_text("not finished")
    assert len(match("--state", state, tmp_path / "keys", "--jsonl").jsonl) == 2
    assert match("--state", state, tmp_path / "keys", file, "--json").json["counts"]["keys"] == 2
    (tmp_path / "keys/0.zip").write_bytes(b"PK damaged")
    part = match("--state", state, tmp_path / "keys", "--exit-code")
    assert (part.code, part.out.count("On 14 January")) == (4, 1)
    assert "warning: refused: " in part.err
    assert "1 of 3 files were refused; what is shown is without them" in part.err
    (tmp_path / "empty").mkdir()
    empty = match("--state", state, tmp_path / "empty")
    assert (empty.code, "there are no key files in" in empty.err) == (4, True)


def test_a_withdrawn_key(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Takes its warning back in words, whatever the order of the files."""
    state, file = fill(*heard(key(1), 9, 20)), publish(key(1), name="1.zip")
    news = publish(name="2.zip", revised=(key(1, report_type=ReportType.REVOKED),))
    for files in ((file, news), (news, file)):
        done = match("--state", state, *files, "--exit-code")
        said = "On 14 January 2027 you were near somebody whose key has been withdrawn: if there was a warning, it no "
        assert (done.code, done.out) == (0, f"{said}longer holds.\n")
    other = fill(*heard(key(1), 9, 20), *heard(key(2), 12, 20), name="other")
    still, withdrawn = match("--state", other, news, publish(key(1), key(2))).out.splitlines()[:2]
    assert still.endswith("within 2 m of a case for 20 minutes (high risk).")
    assert withdrawn.endswith("you were also near somebody whose key has been withdrawn, which no longer counts.")
    whole = match("--state", state, file, news, "--json").json
    assert ([of["report_type"] for of in whole["withdrawn"]], whole["encounters"]) == (["revoked"], [])


def test_undated_contacts_apart(match: Bzd, fill: Fill, publish: Publish) -> None:
    """They match whatever time the badge believed in, are marked, and make no day."""
    (once, *_) = heard(key(1), 9, 20, synced=False)
    state = fill(once, *heard(key(2), 9, 20))
    done = match("--state", state, publish(key(1), key(2)))
    dated, _, guessed = done.out.partition("From before a badge's clock was known to be right")
    assert (dated.count("2027-01-14"), guessed.count("2027-01-14"), " ?" in guessed) == (1, 1, True)
    whole = match("--state", state, publish(key(1)), "--json", "--exit-code")
    assert (whole.code, whole.json["days"]) == (11, [])
    assert [found["synced"] for found in whole.json["encounters"]] == [False]


def test_what_is_left_out_is_said(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Metadata that cannot be, and an ID three hours late; one an hour late counts, with a warning."""
    forged = heard(key(1), 9, 10, tx_power=100)
    late = [
        Contact(
            **{**_fields(heard(key(2), 9, 10)[0]), "start": MIDNIGHT + hour * 3600, "end": MIDNIGHT + hour * 3600 + 600}
        )
        for hour in (10.5, 12.5)
    ]
    done = match("--state", fill(*forged, *late), publish(key(1), key(2)))
    assert done.out.count("2027-01-14 10:30:00") == 1
    assert "1 contact left out: what was heard beside the ID" in done.err
    assert "1 contact left out: heard over 2 h from the time of the ID" in done.err
    assert "1 encounter heard up to 80 minutes from the time of the ID" in done.err
    strict = match("--state", fill(*late, name="strict"), publish(key(2)), "--set", "match.tolerance_s=600")
    assert strict.out.startswith("No encounter")


def _fields(contact: Contact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in Contact.__slots__}


def test_bluezone(bzd: Bzd, fill: Fill, tmp_path: Path) -> None:
    """Its case message is matched without a signature, which it never has; a key file is none."""
    of = DiagnosisKey(b"k" * 32, int(MIDNIGHT) // 900, 96, bluezone.NAME)
    (rolling_id,) = bluezone.PROTOCOL.rolling_ids(of.key, of.first + 40, 1)
    start = MIDNIGHT + 40 * 900
    scans = tuple(ScanInstance(60.0 * n, 60.0, 6, -50.0, -50) for n in range(15))
    state = fill(Contact("bluezone", rolling_id, b"", start, start + 900, 0.0, 1.0, True, scans))
    (tmp_path / "case.json").write_bytes(write_case_message([of]))
    done = bzd("match", "--state", state, "--bluezone", tmp_path / "case.json", "--jsonl")
    assert [(found["protocol"], found["duration_s"], found["risk"]) for found in done.jsonl] == [
        ("bluezone", 900.0, "high")
    ]
    assert bzd("match", "--state", state, "--bluezone", state / "identity.key").code == 4


def test_the_day_may_turn_elsewhere(match: Bzd, fill: Fill, publish: Publish) -> None:
    """20 minutes from 16:50 UTC are one day's 20, or 10 of each of two of Vietnam's: in words, as data, as a graph."""
    words = ["--state", fill(*heard(key(1), 16 + 5 / 6, 20)), publish(key(1))]
    vietnam = ["--set", "match.day_offset_s=25200"]
    assert match(*words).out.startswith("On 14 January 2027 you were within 2 m of a case for 20 minutes (high risk).")
    first, second = match(*words, *vietnam).out.splitlines()[:2]
    assert first == "On 14 January 2027 you were within 2 m of a case for 10 minutes (low risk)."
    assert second == first.replace("14", "15")
    days = match(*words, *vietnam, "--json").json["days"]
    assert [(day["date"], day["near_s"]) for day in days] == [("2027-01-14", 600.0), ("2027-01-15", 600.0)]
    rows = list(csv.reader(match(*words, *vietnam, "--graph").out.splitlines()))[1:]
    assert [row[2:4] for row in rows] == [["2027-01-14", "10.0"], ["2027-01-15", "10.0"]]
    late = ["--state", fill(*heard(key(2), 18, 5), name="late"), publish(key(2), name="2.zip"), "--jsonl"]
    assert [match(*late, *how).jsonl[0]["date"] for how in ([], vietnam)] == ["2027-01-14", "2027-01-15"]


def test_how_often_the_badge_listened_and_what_a_metre_costs(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Options that say what the store's numbers stand for: the scan period, and the attenuation at one metre."""
    (rolling_id,) = gaen.PROTOCOL.rolling_ids(key(1).key, FIRST + 60, 1)
    aem, start = gaen.seal(key(1).key, rolling_id, gaen.Metadata(10)), MIDNIGHT + 36_000
    scan = ScanInstance(0.0, 300.0, 6, -55.0, -55)
    state = fill(Contact("gaen", rolling_id, aem, start, start + 4, 0.0, 1.0, True, (scan,)))

    def found(*how: str) -> tuple[float, float]:
        (one,) = match("--state", state, publish(key(1)), "--jsonl", *how).jsonl
        return one["duration_s"], one["near_s"]

    assert found("--set", "scan.period_s=0") == (4.0, 4.0)
    assert found("--set", "scan.period_s=300") == (300.0, 300.0)
    assert found("--set", "scan.period_s=0", "--set", "match.path_loss_1m_db=50") == (4.0, 0.0)


def test_a_calibrated_model(match: Bzd, fill: Fill, publish: Publish, tmp_path: Path) -> None:
    """A correction of 15 dB brings somebody at -65 dBm near, by number or from the table; a model must be in it."""
    words = ["--state", fill(*heard(key(1), 9, 20, rssi=-65.0)), publish(key(1)), "--json"]
    (tmp_path / "models.csv").write_text("Raspberry,pi4,Pi 4,15.0,10,3\n")
    table = ["--set", f"match.calibration={tmp_path / 'models.csv'}"]

    def near(*more: str) -> float:
        found: float = match(*words, *more).json["encounters"][0]["near_s"]
        return found

    assert near() == 0
    assert near("--set", "match.rssi_correction_db=15") == near(*table, "--set", "match.model=Pi 4") == 1200
    refused = match(*words, *table, "--set", "match.model=Pi 9")
    assert (refused.code, "has no model 'Pi 9'" in refused.err) == (3, True)


def test_the_graph(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Edges between labels; a case without a store is unknown; with --rule only whom it names."""
    a = fill(name="a")
    with open_appender(a) as appender:
        appender.add_keys([DailyKey("gaen", key(1).key, MIDNIGHT, MIDNIGHT + 86400)])
    b = fill(*heard(key(1), 9, 20), *heard(key(2), 11, 5), name="b")
    c = fill(*heard(key(1), 9, 10), name="c")
    words = ["--state", a, "--state", b, "--state", c, publish(key(1), key(2)), "--graph"]
    rows = list(csv.reader(match(*words).out.splitlines()))
    assert rows == [
        ["case", "badge", "day", "minutes", "near_minutes", "risk"],
        ["a", "b", "2027-01-14", "20.0", "20.0", "high"],
        ["a", "c", "2027-01-14", "10.0", "10.0", "low"],
        ["unknown", "b", "2027-01-14", "5.0", "5.0", "high"],
    ]
    assert list(csv.reader(match(*words, "--rule", "near").out.splitlines())) == [rows[0], rows[1], rows[3]]
    assert match(*words, "--list").code == 2


def test_the_store_stays_as_it_is(match: Bzd, fill: Fill, publish: Publish, tmp_path: Path) -> None:
    """A match, found, failed or refused, writes nothing; an exported copy is matched as the store is."""
    state, file = fill(*heard(key(1), 9, 20)), publish(key(1))
    copy = tmp_path / "copy.bzd"
    assert match("--state", state, file, "--rule", "wider").code == 3
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in state.rglob("*") if path.is_file()}
    for word in (file, tmp_path / "absent.zip", tmp_path / "ha.pub"):
        match("--state", state, word)
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in before} == before
    from bzd.store import backup  # noqa: PLC0415  beside its only use

    backup(state, copy)
    copy.chmod(0o400)
    found = match("--state", copy, "--identity", state / "identity.key", file, "--jsonl")
    assert found.out == match("--state", state, file, "--jsonl").out


def test_a_folder_with_a_pipe(match: Bzd, fill: Fill, publish: Publish) -> None:
    """What ends like a key file and is no file is not waited for."""
    folder = publish(key(1), name="keys/1.zip").parent
    os.mkfifo(folder / "0.zip")
    (folder / "2.zip").mkdir()
    assert match("--state", fill(*heard(key(1), 9, 20)), folder, "--exit-code").code == 10


def test_wrong_usage(match: Bzd, fill: Fill, publish: Publish) -> None:
    """Nothing to match is a usage error, no store one of its own."""
    state = fill()
    assert match("--state", state).code == 2
    assert match("--state", state, publish(key(1)), "--json", "--jsonl").code == 2
    assert match("--state", state / "absent", publish(key(1))).code == 6
    assert match("--state", state, publish(key(1)), "--set", "match.tolerance_s=-1").code == 3


@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"], ["--graph"]])
def test_no_key_is_shown(match: Bzd, fill: Fill, publish: Publish, form: list[str]) -> None:
    """Neither the key of the case nor an ID of it stands in what is printed, since no form asks for them."""
    contacts = heard(key(1), 9, 20)
    done = match("--state", fill(*contacts), publish(key(1)), *form)
    assert done.code == 0
    assert not [of for of in (key(1).key, *(of.rolling_id for of in contacts)) if of.hex() in done.out + done.err]
