# SPDX-License-Identifier: Apache-2.0
"""A badge that matches by itself: from a file in the folder to the file in /run/bzd, with a real matching process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bzd.config import Config
from bzd.daemon import errand, runtime, warnings
from bzd.daemon.timekeeping import TimeKeeper
from bzd.daemon.warnings import Warnings
from bzd.matching.keyfile import KeyFile, SignatureInfo, write_key_file
from bzd.store import purge
from bzd.store.identity import Identity
from tests.daemon.matching_badge import AUTHORITY, MET, NOW, MatchingBadge
from tests.daemon.stand_ins import HandClock
from tests.matching.conftest import Cases

WARNED = "there is a warning: a case was near; `sudo bzd status` says more"
WITHDRAWN = "a warning is withdrawn: the key of a case was revoked; `sudo bzd status` says more"


class Watch:
    """The part of a daemon that matches, on clocks moved by hand."""

    def __init__(self, badge: MatchingBadge, config: Config | None = None, *, right: bool = True) -> None:
        self.badge = badge
        self.clock = HandClock(NOW, right=right)
        self.time = TimeKeeper(self.clock, synchronised=right)
        self.warnings = Warnings(badge.state, badge.run, self.time, config or badge.config)

    @property
    def file(self) -> Path:
        """What says that there is a warning."""
        return self.badge.run / "warning"

    async def later(self, seconds: float = warnings.LOOK_S) -> None:
        """Time passes, and whatever is then due is done."""
        self.clock.pass_by(seconds)
        self.warnings.tick()
        await self.warnings.settled()

    @property
    def words(self) -> str:
        """What the status says."""
        return str(self.warnings.status()["words"])


Told = Callable[[], list[str]]


@pytest.fixture
def badge(tmp_path: Path, identity: Identity) -> MatchingBadge:
    """A badge that met a case."""
    return MatchingBadge(tmp_path, identity)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """What the journal says since it was last asked."""
    caplog.set_level(logging.INFO)

    def tell() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name.startswith("bzd")]
        caplog.clear()
        return found

    return tell


def go(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene in an event loop."""
    asyncio.run(scene())


def test_from_a_key_to_a_warning_and_back(badge: MatchingBadge, told: Told) -> None:
    """A case's key makes the file, which names nobody; the revocation takes it away; each is told once."""

    async def scene() -> None:
        watch = Watch(badge)
        await watch.later()
        assert not watch.file.exists()
        badge.publish(MET[0])
        await watch.later()
        assert watch.file.read_text() == runtime.WARNING_TEXT
        assert watch.file.stat().st_mode & 0o777 == 0o640
        assert told() == [
            "matched key file today.zip",
            WARNED,
        ]
        written = watch.file.stat().st_ino
        await watch.later(warnings.EVALUATE_S)
        assert (told(), watch.file.stat().st_ino) == ([], written)
        badge.revoke(MET[0])
        await watch.later()
        assert not watch.file.exists()
        assert told()[1:] == [WITHDRAWN]
        await watch.later(warnings.EVALUATE_S)
        assert told() == []
        assert watch.words == "by itself: 2 key files matched"

    go(scene)


def test_a_warning_stands_after_a_reboot_until_its_day_is_purged(badge: MatchingBadge, told: Told) -> None:
    """The store knows, not the folder nor the process that found it; retention ends it."""

    async def scene() -> None:
        first = Watch(badge)
        badge.publish(MET[0]).touch()
        await first.later()
        told()
        restarted = Watch(badge)
        await restarted.later()
        assert (restarted.file.exists(), told()) == (True, [])
        (badge.feed / "today.zip").unlink()
        first.file.unlink()
        rebooted = Watch(badge)
        await rebooted.later()
        assert rebooted.file.exists()
        assert told() == [WARNED]
        purge(badge.state, before=Cases.midnight + 86400, now=NOW)
        await rebooted.later(warnings.EVALUATE_S)
        assert not rebooted.file.exists()
        assert told() == ["the warning is over: what it was about is no longer kept"]

    go(scene)


def test_without_an_identity(tmp_path: Path, identity: Identity, told: Told) -> None:
    """Nothing is looked at, the status says who matches, and a file from when there was one goes."""
    badge = MatchingBadge(tmp_path, identity, by_itself=False)
    (badge.run / "warning").touch()
    badge.publish(MET[0])

    async def scene() -> None:
        watch = Watch(badge)
        await watch.later()
        assert not watch.file.exists()
        assert watch.warnings.status()["by_itself"] is False
        assert watch.words == warnings.BY_OTHERS
        assert told() == []
        assert badge.findings().files == ()

    go(scene)


def test_what_keeps_it_from_matching_is_said(badge: MatchingBadge) -> None:
    """No key to trust files by, no folder, or none configured: nothing is matched, and the status says why."""
    badge.publish(MET[0])
    of = badge.config.match

    async def scene() -> None:
        for match, words in (
            (replace(of, verify_keys=()), "no public key"),
            (replace(of, feed_folder=""), "no folder of key files"),
            (replace(of, feed_folder=str(badge.feed / "none")), "cannot be read"),
        ):
            watch = Watch(badge, replace(badge.config, match=match))
            await watch.later()
            assert words in watch.words
        assert badge.findings().files == ()

    go(scene)


def test_bad_files_are_said_once_and_tried_again_when_changed(badge: MatchingBadge, told: Told) -> None:
    """They stop nothing; what was forged is matched once it is replaced by what is signed, or the trusted key is."""
    badge.put(b"no zip", "bad\x1b[2J.zip")
    badge.publish(MET[0], name="unsigned.zip", signer=None)
    badge.publish(Cases.key(50), name="good.zip")

    async def scene() -> None:
        watch = Watch(badge)
        await watch.later()
        refused, matched, unsigned = told()
        assert refused.startswith(r"key file bad\x1b[2J.zip is not used: the file is no key file")
        assert (matched, unsigned) == (
            "matched key file good.zip",
            "key file unsigned.zip is not used: the file is not signed",
        )
        assert watch.words == "by itself: 1 key files matched, 2 cannot be used"
        for _ in range(3):
            await watch.later(warnings.EVALUATE_S)
        assert told() == []
        badge.publish(MET[0], name="unsigned.zip")
        await watch.later()
        assert told() == [
            "matched key file unsigned.zip",
            WARNED,
        ]
        watch.warnings.configure(badge.config)
        await watch.later()
        assert [line.split()[2] for line in told()] == [r"bad\x1b[2J.zip"]

    go(scene)


def test_names_and_words_of_strangers(badge: MatchingBadge, told: Told) -> None:
    """Whatever bytes they are: they are printable in the journal, and the status can be written."""
    signer = SignatureInfo("\x1b]0;key\x07", "\u202e1")
    badge.put(write_key_file(KeyFile((MET[0],), signers=(signer,)), AUTHORITY), os.fsdecode(b"\xff\x1b[2J.zip"))
    trusted = replace(badge.config.match, verify_keys=(f"310={badge.authority}",))

    async def scene() -> None:
        watch = Watch(badge, replace(badge.config, match=trusted))
        await watch.later()
        (said,) = told()
        assert said.isprintable()
        assert r"is signed by key \x1b]0;key\x07 version \x202e1" in said
        json.dumps(watch.warnings.status(), ensure_ascii=False).encode()

    go(scene)


def test_another_configuration_while_it_is_at_work(badge: MatchingBadge, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the old one refused is tried again by the new one."""
    badge.publish(MET[0])
    run = errand.run

    async def scene() -> None:
        other = replace(badge.config.match, verify_keys=(f"1={badge.authority}",))
        watch = Watch(badge, replace(badge.config, match=other))

        async def interrupted(request: dict[str, Any], heard: errand.Heard) -> str:
            watch.warnings.configure(badge.config)
            return await run(request, heard)

        monkeypatch.setattr(errand, "run", interrupted)
        await watch.later()
        monkeypatch.setattr(errand, "run", run)
        await watch.later(1)
        assert watch.words == "by itself: 1 key files matched"
        assert watch.file.exists()

    go(scene)


def test_it_costs_one_file_if_the_process_dies_of_it(
    badge: MatchingBadge, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That file is refused, and another process goes on with the rest at once."""
    badge.publish(Cases.key(50), name="a.zip")
    badge.publish(Cases.key(51), name="killer.zip")
    badge.publish(MET[0], name="z.zip")
    die = (
        "from bzd.daemon import match_worker as w\nimport os\nfile = w._file\n"
        "w._file = lambda kept, path, *how: os.abort() if path.name == 'killer.zip' else file(kept, path, *how)\n"
        "w.main()"
    )
    run = errand.run
    monkeypatch.setattr(errand, "run", lambda request, heard: run(request, heard, [sys.executable, "-c", die]))

    async def scene() -> None:
        watch = Watch(badge)
        await watch.later()
        await watch.later(1)
        said = told()
        assert "key file killer.zip is not used: the matching process died of SIGABRT" in said
        assert said[-1].startswith("there is a warning")
        assert watch.words == "by itself: 2 key files matched, 1 cannot be used"
        await watch.later(warnings.EVALUATE_S)
        assert told() == []

    go(scene)


def test_what_it_cannot_work_with_is_a_trouble(badge: MatchingBadge, identity: Identity, told: Told) -> None:
    """Said once, tried again after a while, and over when it is mended."""
    (badge.state / "identity.key").write_bytes(identity.dumps("a passphrase"))
    badge.publish(MET[0])

    async def scene() -> None:
        watch = Watch(badge)
        await watch.later()
        assert "passphrase" in watch.warnings.status()["trouble"]
        assert [line.partition(":")[0] for line in told()] == ["cannot match"]
        await watch.later(warnings.RETRY_S)
        assert told() == []
        (badge.state / "identity.key").write_bytes(identity.dumps())
        await watch.later(warnings.RETRY_S)
        assert watch.warnings.status()["trouble"] is None
        assert watch.file.exists()

    go(scene)


def test_all_is_judged_anew_when_the_clock_becomes_right(badge: MatchingBadge) -> None:
    """What was matched by a clock that was not known to be right counts as read only afterwards."""
    badge.publish(MET[0])

    async def scene() -> None:
        watch = Watch(badge, right=False)
        await watch.later()
        assert watch.file.exists()
        assert badge.findings().files == ()
        watch.time.check(synchronised=True)
        await watch.later()
        assert len(badge.findings().files) == 1

    go(scene)


def test_it_stops_at_once(badge: MatchingBadge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is at: the process is killed."""
    badge.publish(MET[0])
    run = errand.run
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(errand, "run", lambda request, heard: run(request, heard, sleep))

    async def scene() -> None:
        watch = Watch(badge)
        watch.clock.pass_by(warnings.LOOK_S)
        watch.warnings.tick()
        await asyncio.sleep(0.3)
        assert watch.warnings.busy
        async with asyncio.timeout(1.0):
            await watch.warnings.stop()
        assert not watch.warnings.busy

    go(scene)


def test_the_status_tells_of_no_exposure(badge: MatchingBadge) -> None:
    """With a warning or without, it is the same."""

    async def scene() -> None:
        said = []
        for key in (Cases.key(50), MET[0]):
            badge.publish(key)
            watch = Watch(badge)
            await watch.later()
            said.append(json.dumps(watch.warnings.status()))
        assert watch.file.exists()
        assert said[0] == said[1]

    go(scene)
