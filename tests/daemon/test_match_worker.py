# SPDX-License-Identifier: Apache-2.0
"""The matching process: what it says, what strangers' files can do to it, and that it may be killed at any instant."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon import errand
from bzd.matching import archive, messages
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.signing import SigningKey
from bzd.store import open_reader, purge
from bzd.store.findings import exclusively
from bzd.store.identity import Identity
from tests.daemon.matching_badge import AUTHORITY, MET, NOW, MatchingBadge
from tests.matching.conftest import Cases

Make = Callable[..., MatchingBadge]
KILLS = 25


@pytest.fixture
def make(tmp_path: Path, identity: Identity) -> Make:
    """Makes a badge."""
    return lambda **how: MatchingBadge(tmp_path, identity, **how)


def run(request: dict[str, Any], program: list[str] | None = None) -> tuple[list[Any], str]:
    """All that the process says, and how it ended."""
    said: list[Any] = []
    ended = asyncio.run(errand.run(request, said.append, program or errand.PROGRAM))
    return said, ended


def test_from_file_to_warning(make: Make) -> None:
    """It says what became of each file and on which days the risk is high, and nothing of anybody."""
    badge = make()
    badge.publish(MET[0], Cases.key(99))
    said, ended = run(badge.request("today.zip"))
    assert said == [
        {"high": [], "withdrawn": []},
        {"at": "today.zip"},
        {"read": "today.zip", "again_s": None, "new": True, "said": []},
        {"high": ["2020-07-02"], "withdrawn": []},
        {"done": True},
    ]
    assert ended == ""
    badge.revoke(MET[0])
    said, ended = run(badge.request("news.zip", "today.zip"))
    assert said[0] == {"high": ["2020-07-02"], "withdrawn": []}
    assert said[3] == {"high": [], "withdrawn": ["2020-07-02"]}
    assert said[5] == {"read": "today.zip", "again_s": None, "new": False, "said": []}


def test_fourteen_keys_that_all_hit(make: Make) -> None:
    """Each is kept, in as many rows as it takes, and the next process finds the same from the store alone."""
    badge = make(met=14)
    badge.publish(*MET)
    run(badge.request("today.zip"))
    (of,) = (of for of in badge.findings().keys.values() if of)
    assert sorted(found.key for found in of) == sorted(key.key for key in MET)
    assert run(badge.request())[0] == [{"high": ["2020-07-02"], "withdrawn": []}, {"done": True}]


def test_bad_files_are_refused_one_by_one(make: Make) -> None:
    """Damage, bombs, forgery, too much, nonsense: each with a reason; the good one among them is matched."""
    badge = make()
    good = badge.publish(MET[0]).read_bytes()
    badge.put(good[: len(good) // 2], "cut.zip")
    badge.put(b"", "empty.zip")
    badge.put(os.urandom(4096), "noise.zip")
    badge.publish(MET[0], name="forged.zip", signer=SigningKey.generate())
    badge.publish(MET[0], name="unsigned.zip", signer=None)
    badge.put(_bomb(), "bomb.zip")
    badge.put(_many_members(), "many.zip")
    with (badge.feed / "huge.zip").open("wb") as file:
        file.truncate(archive.MAX_FILE + 1)
    (badge.feed / "folder.zip").mkdir()
    os.mkfifo(badge.feed / "pipe.zip")
    (badge.feed / "link.zip").symlink_to(badge.state / "identity.key")
    names = sorted(path.name for path in badge.feed.iterdir())
    said, ended = run(badge.request(*names))
    refused = {each["refused"]: each["why"] for each in said if "refused" in each}
    assert set(refused) == set(names) - {"today.zip"}
    assert ended == ""
    assert all(why and "Traceback" not in why and str(badge.feed) not in why for why in refused.values())
    assert {"high": ["2020-07-02"], "withdrawn": []} in said
    assert [file.segment for file in badge.findings().files] == [3]


def _bomb() -> bytes:
    """A zip of a few kB that unpacks to more than any key file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(archive.EXPORT_NAME, archive.HEADER + bytes(archive.MAX_EXPORT))
    return buffer.getvalue()


def _many_members() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number in range(5000):
            packed.writestr(f"{number}", b"")
    return buffer.getvalue()


def test_senseless_keys_are_counted(make: Make) -> None:
    """Wrong length, periods of 0 and over 144, beyond all time, of the future: left out with their numbers."""
    badge = make()
    message = messages.export_message()
    senseless = [(b"short", Cases.day, 144), (bytes(17), Cases.day, 144), (bytes(16), Cases.day, 0)]
    senseless += [(bytes(16), Cases.day, 145), (bytes(16), 2**31 - 1, 1), (bytes(16), Cases.day + 144 * 9, 144)]
    for key, first, period in [*senseless, (MET[0].key, MET[0].first, 144)]:
        entry = message.keys.add()
        entry.key_data, entry.rolling_start_interval_number, entry.rolling_period = key, first, period
    export = archive.HEADER + message.SerializeToString()
    signed = messages.signature_list_message()
    signed.signatures.add().signature = AUTHORITY.sign(export)
    badge.put(archive.pack(export, signed.SerializeToString()), "odd.zip")
    said, _ = run(badge.request("odd.zip"))
    assert said[2]["said"] == [
        "1 left out: interval in the future",
        "1 left out: interval out of range",
        "2 left out: key of wrong length",
        "2 left out: rolling period not 1 to 144",
    ]
    assert said[3]["high"] == ["2020-07-02"]


def test_one_key_with_two_days(make: Make) -> None:
    """Two files that say different times of one key: what each explains counts."""
    badge = make()
    badge.publish(MET[0]._replace(first=Cases.day - 144), name="a.zip")
    badge.publish(MET[0], name="b.zip")
    said, _ = run(badge.request("a.zip", "b.zip"))
    assert [each["high"] for each in said if "high" in each] == [[], [], ["2020-07-02"]]


def test_a_hundred_thousand_keys_that_miss(make: Make) -> None:
    """Nothing is kept of them but that they were read."""
    badge = make()
    rng = random.Random(1)
    for name in ("a.zip", "b.zip"):
        keys = tuple(MET[0]._replace(key=rng.randbytes(16)) for _ in range(50_000))
        badge.put(write_key_file(KeyFile(keys), AUTHORITY), name)
    said, ended = run(badge.request("a.zip", "b.zip"))
    assert ([each["new"] for each in said if "read" in each], ended) == ([True, True], "")
    found = badge.findings()
    assert (len(found.files), [key for of in found.keys.values() for key in of]) == (2, [])


def test_too_much_memory_costs_the_file(make: Make) -> None:
    """What needs more than the process may have is refused, and another process is to go on."""
    badge = make()
    keys = tuple(MET[0]._replace(key=number.to_bytes(16, "big")) for number in range(200_000))
    badge.put(write_key_file(KeyFile(keys), AUTHORITY), "a.zip")
    badge.publish(MET[0], name="b.zip")
    limit = "from bzd.daemon import match_worker as w; w.MEMORY_BYTES = 70 << 20; w.main()"
    said, ended = run(badge.request("a.zip", "b.zip"), [sys.executable, "-c", limit])
    refused = {"refused": "a.zip", "why": "it takes more memory than it may have"}
    assert (said[2:], ended) == ([refused, {"again": True}], "")
    assert badge.findings().files == ()


def test_what_it_cannot_work_with(make: Make, identity: Identity) -> None:
    """No identity, a rule that is none, another at work: said, with what to do; the store stays as it is."""
    badge = make()
    badge.publish(MET[0])
    before = (badge.state / "store.sqlite").read_bytes()
    rule = badge.request("today.zip")
    rule["config"]["match"]["rule"] = "fair"
    assert "no rule named 'fair'" in run(rule)[0][0]["error"]
    with exclusively(badge.state):
        assert run(badge.request("today.zip"))[0] == [{"busy": True}]
    (badge.state / "identity.key").write_bytes(identity.dumps("a passphrase"))
    said = run(badge.request("today.zip"))[0][0]
    assert "passphrase" in said["error"]
    assert "`bzd keygen -o badge.key`" in said["hint"], "there is no prompt on a badge"
    (badge.state / "identity.key").unlink()
    assert "no identity" in run(badge.request("today.zip"))[0][0]["error"]
    assert (badge.state / "store.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("program", "ended"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("import sys; sys.exit(3)", "failed with code 3"),
        ("print('no JSON', flush=True); import time; time.sleep(60)", "said what makes no sense"),
        ("print('x' * 3_000_000, flush=True); import time; time.sleep(60)", "said what makes no sense"),
        ("import time; time.sleep(60)", "took more than 1 s"),
        ("import os, time; os.close(1); time.sleep(60)", "did not end"),
    ],
)
def test_however_it_ends(monkeypatch: pytest.MonkeyPatch, program: str, ended: str) -> None:
    """It is told in words, and nothing is left running."""
    monkeypatch.setattr(errand, "SILENCE_S", 1.0)
    monkeypatch.setattr(errand, "_END_S", 0.5)
    assert run({}, [sys.executable, "-c", program]) == ([], ended)


def test_it_dies_with_the_daemon(make: Make, tmp_path: Path) -> None:
    """Whoever started it may be killed: it does not stay behind."""
    badge = make()
    (tmp_path / "request").write_text(json.dumps(badge.request("wait.zip")))
    os.mkfifo(badge.feed / "wait.zip")
    stay = "import bzd.daemon.match_worker as w, time; w.stay_small(); print(1, flush=True); time.sleep(60)"
    parent = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {stay!r}], stdout=subprocess.PIPE)\n"
        "p.stdout.read(1); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    end = time.monotonic() + 5
    while _alive(child) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_killed_at_any_instant(make: Make) -> None:
    """However often it is killed: each file is read to its end once, none is skipped, and the store is whole.

    A file counts as read from the moment that its transaction is on the disk, which may be before it is said.
    """
    badge = make(met=12)
    names = [f"{number:02}.zip" for number in range(12)]
    for name, key in zip(names, MET, strict=False):
        badge.publish(key, *(Cases.key(number) for number in range(100, 400)), name=name)
    rng = random.Random(12)
    read: Counter[str] = Counter()
    kills = 0
    whole = _lasts(badge, names)
    _reset(badge)
    while kills < KILLS:
        before = len(badge.findings().files)
        said = _killed_after(badge.request(*names), rng.uniform(0.05, whole * 1.1))
        kills += 1
        read.update(each["read"] for each in said if each.get("new"))
        found = badge.findings()
        assert len(found.files) >= before
        assert sum(len(of) for of in found.keys.values()) == len(found.files)
        if len(found.files) == len(names):
            assert max(read.values(), default=0) <= 1
            assert sum(read.values()) <= len(names)
            read.clear()
            _reset(badge)
    run(badge.request(*names))
    found = badge.findings()
    assert (len(found.files), len({key.key for of in found.keys.values() for key in of})) == (12, 12)


def _reset(badge: MatchingBadge) -> None:
    """Let nothing have been read: as if all findings had been purged."""
    with closing(sqlite3.connect(badge.state / "store.sqlite")) as connection:
        connection.execute("DELETE FROM record WHERE id >> 32 IN (SELECT id FROM segment WHERE purpose = 6)")
        connection.execute("DELETE FROM sealed_key WHERE id >> 8 IN (SELECT id FROM segment WHERE purpose = 6)")
        connection.execute("DELETE FROM segment WHERE purpose = 6")
        connection.commit()


def _lasts(badge: MatchingBadge, names: list[str]) -> float:
    begun = time.monotonic()
    run(badge.request(*names))
    return time.monotonic() - begun


def _killed_after(request: dict[str, Any], seconds: float) -> list[Any]:
    """What it said until it was killed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(errand.PROGRAM, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        return [json.loads(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]


def test_a_purge_meanwhile(make: Make) -> None:
    """Days that go while files are matched take what was found of them along."""
    badge = make()
    badge.publish(MET[0])
    run(badge.request("today.zip"))
    purge(badge.state, before=Cases.midnight + 86400, now=NOW)
    with open_reader(badge.state, [badge.identity]) as reader:
        assert not any(reader.findings().keys.values())
    assert run(badge.request())[0][0] == {"high": [], "withdrawn": []}
