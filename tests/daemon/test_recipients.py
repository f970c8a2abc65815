# SPDX-License-Identifier: Apache-2.0
"""Whom the daemon seals to is told when it is not who it was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from bzd.daemon.recipients import Recipients
from bzd.store import state as layout
from bzd.store.identity import Identity, PublicKey
from bzd.store.sealing import CONTACTS


@pytest.fixture(autouse=True)
def _what_an_admin_sees(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever level an earlier test left."""
    caplog.set_level(logging.INFO)


@pytest.fixture
def stranger() -> PublicKey:
    """A public key that nobody named to `bzd init`."""
    return Identity.generate().public


def _put(state: Path, key: PublicKey) -> None:
    (state / layout.RECIPIENTS / "new.pub").write_bytes(key.dumps())


def test_a_start_as_after_init_is_silent(state: Path, identity: Identity, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged, and the status names them."""
    told = Recipients(state, dict).told()
    assert caplog.messages == []
    fingerprints = [identity.public.fingerprint]
    assert told == {"contacts": fingerprints, "own_keys": fingerprints, "changed": []}


def test_a_stranger_is_named_at_the_start(state: Path, stranger: PublicKey, caplog: pytest.LogCaptureFixture) -> None:
    """The journal has the count and every fingerprint, and the status shows it on."""
    _put(state, stranger)
    told = Recipients(state, dict).told()
    (message,) = caplog.messages
    assert message.startswith("it is sealed to 2 public keys, but to 1 when the store was made")
    assert stranger.fingerprint in message
    assert len(told["contacts"]) == 2
    assert len(told["changed"]) == 1


def test_a_stranger_that_came_without_a_word_is_named_with_the_segment(
    state: Path, identity: Identity, stranger: PublicKey, caplog: pytest.LogCaptureFixture
) -> None:
    """Also at midnight, without SIGHUP; and once, not with every turn of the loop."""
    sealed: dict[int, Sequence[PublicKey]] = {CONTACTS: [identity.public]}
    recipients = Recipients(state, lambda: sealed)
    recipients.follow()
    assert caplog.messages == []
    _put(state, stranger)
    sealed[CONTACTS] = layout.recipients(state)
    for _ in range(3):
        recipients.follow()
    warned, named = caplog.messages
    assert "changed without a word" in warned
    assert stranger.fingerprint in named
    assert stranger.fingerprint in recipients.told()["contacts"]


def test_asked_for_it_begins_at_once(state: Path, stranger: PublicKey, caplog: pytest.LogCaptureFixture) -> None:
    """SIGHUP ends the segments if there are others, and does nothing if there are none."""
    ended: list[None] = []
    sealed: dict[int, Sequence[PublicKey]] = {CONTACTS: layout.recipients(state)}
    recipients = Recipients(state, lambda: sealed)
    recipients.follow()
    recipients.reread(lambda: ended.append(None))
    assert (ended, caplog.messages) == ([], [])
    _put(state, stranger)
    recipients.reread(lambda: ended.append(None))
    assert len(ended) == 1
    assert stranger.fingerprint in caplog.messages[-1]
    recipients.follow()
    sealed[CONTACTS] = layout.recipients(state)
    recipients.follow()
    assert len(caplog.messages) == 1
    for path in (state / layout.RECIPIENTS).iterdir():
        path.write_text("nonsense")
    recipients.reread(lambda: ended.append(None))
    assert len(ended) == 1
    assert "cannot be read" in caplog.messages[-1]
