# SPDX-License-Identifier: Apache-2.0
"""A badge with its identity, its contacts with cases, and a health authority that publishes keys."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from bzd.config import Config, MatchConfig
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.signing import SigningKey
from bzd.store import create, open_appender, open_reader
from bzd.store.findings import Findings
from bzd.store.identity import Identity
from tests.matching.conftest import Cases

AUTHORITY = SigningKey.generate()
MET = tuple(Cases.key(number) for number in range(1, 15))
"""Fourteen cases that the badge meets."""
NOW = Cases.midnight + 86400 * 2 + 3600
"""The day after the next, at one o'clock."""


class MatchingBadge:
    """A state directory, a folder that keys are fetched into, and a folder like /run/bzd.

    Args:
        folder: where they are made.
        identity: opens the store.
        by_itself: whether the badge has that.
        met: how many of the cases it met, 20 minutes each, near.
    """

    def __init__(self, folder: Path, identity: Identity, *, by_itself: bool = True, met: int = 1) -> None:
        self.state, self.feed, self.run = folder / "state", folder / "feed", folder / "run"
        self.identity = identity
        create(
            self.state,
            recipients=[identity.public],
            label="badge",
            now=0.0,
            identity=identity if by_itself else None,
        )
        self.feed.mkdir()
        self.run.mkdir()
        (folder / "ha.pub").write_bytes(AUTHORITY.public_pem())
        self.authority = folder / "ha.pub"
        with open_appender(self.state) as appender:
            for number, key in enumerate(MET[:met]):
                start = Cases.midnight + 3600 * (number + 1)
                appender.commit(Cases.contacts(Cases.heard(key, start, start + 1200)))

    @property
    def config(self) -> Config:
        """Matches what is in the folder, as the authority signs it."""
        return Config(match=MatchConfig(verify_keys=(str(self.authority),), feed_folder=str(self.feed)))

    def publish(self, *keys: DiagnosisKey, name: str = "today.zip", signer: SigningKey | None = AUTHORITY) -> Path:
        """Put a key file into the folder, as fetching does it."""
        return self.put(write_key_file(KeyFile(keys), signer), name)

    def revoke(self, *keys: DiagnosisKey, name: str = "news.zip") -> Path:
        """Publish that keys are withdrawn."""
        gone = tuple(key._replace(report_type=ReportType.REVOKED) for key in keys)
        return self.put(write_key_file(KeyFile((), gone), AUTHORITY), name)

    def put(self, data: bytes, name: str) -> Path:
        """Put a file into the folder under its name at once."""
        part = self.feed / f".{name}.part"
        part.write_bytes(data)
        return part.replace(self.feed / name)

    def findings(self) -> Findings:
        """What is kept in the store."""
        with open_reader(self.state, [self.identity]) as reader:
            found = reader.findings()
            assert reader.problems == []
        return found

    def request(self, *names: str, now: float = NOW, **other: Any) -> dict[str, Any]:
        """What the daemon asks of the matching process."""
        config = dataclasses.asdict(self.config)
        plain = {"state": str(self.state), "folder": str(self.feed), "names": list(names), "now": now}
        return {**plain, "clock_right": True, "config": config, **other}
