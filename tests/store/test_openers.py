# SPDX-License-Identifier: Apache-2.0
"""A public key that somebody put beside a store shows, with an identity and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bzd.store import create, inspect, open_appender, open_reader
from bzd.store.identity import Identity, PublicKey

SOME = tuple(Identity.generate() for _ in range(3))


def _made(folder: Path, recipients: int, owners: int | None) -> Path:
    state = folder / "made"
    keys = [identity.public for identity in SOME]
    create(state, recipients=keys[:recipients], key_recipients=keys[-owners:] if owners else None, label="x", now=0.0)
    return state


def _put(state: Path, folder: str, key: PublicKey) -> Path:
    path = state / folder / "new.pub"
    path.write_bytes(key.dumps())
    return path


@pytest.mark.parametrize(("recipients", "owners"), [(1, None), (2, None), (1, 1), (2, 2), (1, 3)])
def test_nothing_is_said_of_what_init_made(tmp_path: Path, recipients: int, owners: int | None) -> None:
    """Whether contacts and own keys have the same recipients, others, or some in common."""
    assert inspect(_made(tmp_path, recipients, owners)).changes == ()


def test_a_stranger_shows_without_an_identity(tmp_path: Path) -> None:
    """In either folder, until it is gone; and so does a recipient that is missing."""
    state, stranger = _made(tmp_path, 2, None), Identity.generate().public
    added = _put(state, "recipients", stranger)
    assert inspect(state).changes == ("it is sealed to 3 public keys, but to 2 when the store was made",)
    also = _put(state, "key-recipients", stranger)
    assert [text.split(" sealed")[0] for text in inspect(state).changes] == ["it is", "own keys are"]
    added.unlink()
    also.unlink()
    assert inspect(state).changes == ()
    for folder in ("recipients", "key-recipients"):
        next((state / folder).iterdir()).unlink()
    assert "own keys are sealed to 1 public key, but to 2 when the store was made" in inspect(state).changes


def test_whoever_reads_is_told_from_when_on(tmp_path: Path, make_contact: Any) -> None:
    """Each increase once, with the day it came; that a stranger is gone again is no news."""
    state = _made(tmp_path, 1, None)
    for stay, seconds in ((False, 1), (True, 2), (True, 3), (False, 4), (True, 86400 * 2)):
        path = _put(state, "recipients", SOME[1].public)
        if not stay:
            path.unlink()
        with open_appender(state) as appender:
            appender.commit([make_contact(seconds)])
    with open_reader(state, [SOME[0]]) as reader:
        assert len(list(reader.contacts())) == 5
        assert [problem.partition(": ")[2] for problem in reader.problems] == [
            "from here on it is sealed to 2 public keys, before to 1: did you add one?"
        ] * 2
        assert [problem.split(":")[0][-2:] for problem in reader.problems] == ["21", "23"]
