# SPDX-License-Identifier: Apache-2.0
"""Stores, identities and contacts for the store's tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from bzd.model import Contact, ScanInstance
from bzd.store import Appender, Handle, create, open_appender, open_reader
from bzd.store.identity import Identity

NOW = 1_606_000_000.0
"""2020-11-21T23:06:40Z."""
DAY = 18_587
"""2020-11-21, days since 1970-01-01."""

MakeContact = Callable[..., Contact]
ReadAll = Callable[[Path], list[Contact]]


@pytest.fixture(scope="session")
def identity() -> Identity:
    """One identity for all tests of a run; making one is slow enough to matter."""
    return Identity.generate()


@pytest.fixture
def state(tmp_path: Path, identity: Identity) -> Path:
    """A state directory whose store is sealed to `identity`, which is not in it."""
    create(tmp_path / "state", recipients=[identity.public], label="badge seven", now=NOW)
    return tmp_path / "state"


@pytest.fixture(scope="session")
def make_contact() -> MakeContact:
    """Makes the contact number `n` of a day, with so many scan instances of a minute each."""
    return _contact


def _contact(n: int, scans: int = 2, *, day: int = DAY, synced: bool = True) -> Contact:
    start = day * 86400 + n
    return Contact(
        protocol="gaen",
        rolling_id=b"rolling " + n.to_bytes(8, "big"),
        metadata=b"meta",
        start=float(start),
        end=float(start + scans * 60),
        near_s=12.345,
        distance_m=1.25 if n % 2 else None,
        synced=synced,
        scans=tuple(ScanInstance(60.0 * at, 59.75, 20, -60.125, -50) for at in range(scans)),
    )


@pytest.fixture
def read_all(identity: Identity) -> ReadAll:
    """Reads all contacts of a store or exported file, after checking that nothing was wrong with them."""

    def read(path: Path) -> list[Contact]:
        with open_reader(path, [identity]) as reader:
            contacts = list(reader.contacts())
            assert reader.problems == []
            return contacts

    return read


class Live:
    """An appender whose contacts are in progress."""

    def __init__(self, state: Path, make_contact: MakeContact, number: int = 3) -> None:
        self._make, self._stack = make_contact, ExitStack()
        self.state, self.scans = state, 2
        self.appender: Appender = self._stack.enter_context(open_appender(state, live=True))
        self.contacts = [make_contact(n) for n in range(number)]
        self.handles: list[Handle] = self.appender.commit(self.contacts)

    def grow(self) -> list[Contact]:
        """All of them grow by a minute; what they are then."""
        self.scans += 1
        self.contacts = [self._make(n, self.scans) for n in range(len(self.contacts))]
        self.appender.commit(replace=dict(zip(self.handles, self.contacts, strict=True)))
        return self.contacts

    def image(self, name: str) -> Path:
        """The state directory as a power cut would leave it now."""
        return Path(shutil.copytree(self.state, self.state.with_name(name)))

    def close(self) -> None:
        """End it."""
        self._stack.close()


@pytest.fixture
def live(state: Path, make_contact: MakeContact) -> Iterator[Live]:
    """Three contacts, which the store has as they began."""
    made = Live(state, make_contact)
    yield made
    with suppress(Exception):
        made.close()
