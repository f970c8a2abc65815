# SPDX-License-Identifier: Apache-2.0
"""The key files of `bzd match`: what is missing or impossible is said, and no more is in memory than needs be."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bzd.matching import keyfile
from bzd.matching.keyfile import KeyFile, SignatureInfo, read_key_file, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.publishing import Publishing, publish
from bzd.matching.signing import SigningKey
from bzd.protocols.schedule import DAY_S

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

NOW = 1_800_000_000.0
"""The clock of the tests: 2027-01-15T08:00:00Z."""
TODAY = int(NOW // DAY_S) * 144


def key(number: int, *, ahead: int = -1) -> DiagnosisKey:
    """The key of a day so many days from today."""
    return DiagnosisKey(number.to_bytes(16, "big"), TODAY + 144 * ahead, 144)


def written(path: Path, *keys: DiagnosisKey, signing_key: SigningKey | None = None, **other: Any) -> Path:
    """A key file, unsigned if there is no key to sign with."""
    path.write_bytes(write_key_file(KeyFile(keys, **other), signing_key))
    return path


def test_listing(bzd: Bzd, tmp_path: Path) -> None:
    """What is in files and whether they verify, without any store; one that does not is shown, and is an error."""
    authority, reported = SigningKey.generate(), key(2)._replace(report_type=ReportType.SELF_REPORT)
    (tmp_path / "ha.pub").write_bytes(authority.public_pem())
    how: dict[str, Any] = {"region": "CH", "signers": (SignatureInfo("228", "v1"),), "signing_key": authority}
    signed = written(tmp_path / "today.zip", key(1), reported, **how)
    unsigned = written(tmp_path / "case.zip", key(1))
    shown = bzd("match", "--list", signed, unsigned, "--verify-key", tmp_path / "ha.pub")
    assert shown.code == 0
    rows = shown.out.splitlines()
    assert f"yes, with {tmp_path / 'ha.pub'}" in rows[1]
    assert "228 version v1" in rows[1]
    assert rows[2].endswith("unsigned")
    data = bzd("match", "--list", signed, "--json").json
    (file,) = data["files"]
    assert (data["schema"], file["keys"], file["region"], file["verified"]) == ("bzd.keyfiles/1", 2, "CH", None)
    assert file["report_types"] == {"self_report": 1, "unknown": 1}
    assert (file["first"], file["last"]) == ("2027-01-14T00:00:00.000Z", "2027-01-15T00:00:00.000Z")
    (tmp_path / "other.pub").write_bytes(SigningKey.generate().public_pem())
    wrong = bzd("match", "--list", signed, "--verify-key", tmp_path / "other.pub", "--jsonl")
    assert (wrong.code, wrong.jsonl[0]["schema"], wrong.jsonl[0]["verified"]) == (4, "bzd.keyfile/1", False)
    assert bzd("match", "--list", tmp_path / "absent.zip").code == 4


def test_the_published_test_vectors(bzd: Bzd, shared: Path) -> None:
    """What others published is listed."""
    folder = shared / "data" / "diagnosis-keys" / "google-server-example"
    files = sorted(folder.rglob("*.zip"))
    assert files
    listed = bzd("match", "--list", *files, "--json")
    assert (listed.code, len(listed.json["files"])) == (0, len(files))
    assert all(file["keys"] + file["revised"] for file in listed.json["files"])


def test_keys_of_the_future_are_told(bzd: Bzd, fill: Fill, tmp_path: Path) -> None:
    """Both in a match and in a listing, and they are not tried; where all are, that is no error."""
    mixed = written(tmp_path / "mixed.zip", key(1), key(2, ahead=1), key(3, ahead=30))
    done = bzd("match", "--state", fill(), mixed, "--allow-unsigned", "--json")
    assert f"{mixed}: 2 left out: interval in the future" in done.err
    assert (done.code, done.json["counts"]["keys"]) == (0, 1)
    (listed,) = bzd("match", "--list", mixed, "--json").json["files"]
    assert (listed["keys"], listed["skipped"]) == (1, {"interval in the future": 2})


def test_a_part_of_a_batch_is_told(bzd: Bzd, fill: Fill, tmp_path: Path) -> None:
    """Who matches one of three files misses the cases of the others; all three, in any order, are whole."""
    done = publish([KeyFile(tuple(map(key, range(5))))], now=NOW, how=Publishing(padded_to=0, max_keys=2))
    paths = [tmp_path / f"{number}.zip" for number in (1, 2, 3)]
    for path, data in zip(paths, done.files, strict=True):
        path.write_bytes(data)
    words = ["match", "--state", fill(), "--allow-unsigned"]
    assert "2.zip is of a batch of 3 files, of which only 2 are here" in bzd(*words, paths[1], paths[2]).err
    assert "batch" not in bzd(*words, *reversed(paths)).err


@pytest.mark.parametrize("listing", [False, True])
def test_one_file_is_in_memory_at_a_time(
    bzd: Bzd, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, listing: bool
) -> None:
    """However many there are, each is gone before the next is read."""
    alive: list[int] = []

    def counting(*words: Any, **how: Any) -> KeyFile:
        alive.append(sum(isinstance(one, KeyFile) for one in gc.get_objects()))
        return read_key_file(*words, **how)

    monkeypatch.setattr(keyfile, "read_key_file", counting)
    paths = [written(tmp_path / f"{number}.zip", key(number)) for number in range(4)]
    words = ["match", "--list"] if listing else ["match", "--state", fill(), "--allow-unsigned"]
    assert bzd(*words, *paths).code == 0
    assert alive == [alive[0]] * 4
