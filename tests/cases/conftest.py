# SPDX-License-Identifier: Apache-2.0
"""Cases, recipients and case files for the tests of `bzd.cases`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bzd.cases.case import Case
from bzd.cases.sealing import write_case
from bzd.model import Contact, DailyKey, ScanInstance
from bzd.protocols import gaen
from bzd.store.identity import Identity

DAY = 20_000
"""The day of the cases, 2024-10-04, days since 1970-01-01."""
MIDNIGHT = DAY * 86400.0


class Badge:
    """A badge that has one key, and hears others."""

    def __init__(self, label: str, number: int) -> None:
        self.label, self.number = label, number
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
        self.key = DailyKey("gaen", bytes([number] * 16), MIDNIGHT, MIDNIGHT + 86400)

    def contact(self, seconds: float = 36_000.0, scans: int = 2) -> Contact:
        """What others keep of it: this badge, heard so many seconds after midnight."""
        start = MIDNIGHT + seconds
        (rolling_id,) = gaen.PROTOCOL.rolling_ids(self.key.key, int(start // 600), 1)
        metadata = gaen.PROTOCOL.seal_metadata(self.key.key, rolling_id, 0)
        seen = tuple(ScanInstance(at * 60.0, 59.5, 20, -55.5, -50) for at in range(scans))
        return Contact("gaen", rolling_id, metadata, start, start + scans * 60, 60.0, 1.25, True, seen)

    def case(self, *contacts: Contact, **changes: object) -> Case:
        """What its case file says."""
        public = self.private.public_key().public_bytes_raw()
        case = Case(
            self.label,
            bytes([self.number] * 16),
            public,
            MIDNIGHT + 90_000,
            MIDNIGHT,
            MIDNIGHT + 86400,
            contacts,
            (self.key,),
        )
        return replace(case, **changes)  # type: ignore[arg-type]


Send = Callable[..., Path]


@pytest.fixture(scope="session")
def authority() -> Identity:
    """The health authority's identity."""
    return Identity(bytes(range(96)))


@pytest.fixture
def send(tmp_path: Path, authority: Identity) -> Send:
    """Write a badge's case file, for the authority unless others are named; gives its path."""

    def write(
        badge: Badge, *contacts: Contact, name: str = "", to: tuple[Identity, ...] = (), **changes: object
    ) -> Path:
        path = tmp_path / (name or f"{badge.label}.case")
        with path.open("wb") as file:
            recipients = [identity.public for identity in to or (authority,)]
            write_case(badge.case(*contacts, **changes), badge.private.private_bytes_raw(), recipients, file)
        return path

    return write


@pytest.fixture
def anna() -> Badge:
    """A case."""
    return Badge("anna", 1)


@pytest.fixture
def ben() -> Badge:
    """Another case."""
    return Badge("ben", 2)


@pytest.fixture
def third() -> Badge:
    """Somebody whom both heard, and who is no case."""
    return Badge("third", 3)


@pytest.fixture
def people(anna: Badge, ben: Badge) -> tuple[Badge, Badge]:
    """Both cases."""
    return anna, ben
