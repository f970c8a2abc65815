# SPDX-License-Identifier: Apache-2.0
"""Payloads: derived from a kept key, never the same, recognised as the badge's own."""

from __future__ import annotations

import pytest

from bzd.clock import FixedClock
from bzd.errors import DiskFullError
from bzd.model import DailyKey
from bzd.protocols import protocols, recognise
from bzd.radio.broadcast import Broadcast

_NOW = 1_728_043_200.0


@pytest.mark.parametrize("protocol", ["gaen", "bluezone"])
def test_payloads_derive_from_the_key_that_was_kept(protocol: str) -> None:
    """Each is decoded as an ID of its interval under the key that was kept before it, once per key."""
    kept: list[DailyKey] = []
    broadcast = Broadcast(protocol, -7, clock=FixedClock(_NOW), boottime=lambda: 5.0, keep=kept.append)
    seen = set()
    for _ in range(5):
        payload = broadcast.draw()
        assert kept[-1] == payload.turn.key
        (identifier,) = recognise(payload.data)
        known = protocols()[protocol]
        assert [identifier.rolling_id] == known.rolling_ids(kept[-1].key, payload.turn.interval, 1)
        stated = known.open_tx_power(kept[-1].key, identifier.rolling_id, identifier.metadata)
        assert stated == (-7 if protocol == "gaen" else None)
        assert identifier.rolling_id in broadcast.own_ids
        seen.add(identifier.rolling_id)
    assert len(seen) == 5
    assert len(kept) == 1
    assert bytes(16) not in broadcast.own_ids


def test_retiring_the_key_makes_another() -> None:
    """It is due at once, and the new key is kept too."""
    kept: list[DailyKey] = []
    broadcast = Broadcast("gaen", 0, clock=FixedClock(_NOW), boottime=lambda: 5.0, keep=kept.append)
    broadcast.draw()
    assert broadcast.wait_s() > 0
    broadcast.retire_key()
    assert broadcast.wait_s() == 0
    broadcast.draw()
    assert len({key.key for key in kept}) == 2


def test_a_key_that_cannot_be_kept_is_not_advertised() -> None:
    """Nothing is drawn while the disk is full; afterwards the same key is kept and used."""
    full, kept = [True], []

    def keep(key: DailyKey) -> None:
        if full[0]:
            raise DiskFullError("the disk is full")
        kept.append(key)

    broadcast = Broadcast("gaen", 0, clock=FixedClock(_NOW), boottime=lambda: 5.0, keep=keep)
    with pytest.raises(DiskFullError):
        broadcast.draw()
    full[0] = False
    payload = broadcast.draw()
    assert kept == [payload.turn.key]


def test_own_ids_are_bounded() -> None:
    """The oldest are forgotten."""
    broadcast = Broadcast("gaen", 0, clock=FixedClock(_NOW), boottime=lambda: 5.0, keep=lambda _: None)
    (first,) = recognise(broadcast.draw().data)
    for _ in range(1100):
        broadcast.draw()
    assert first.rolling_id not in broadcast.own_ids
    assert len(broadcast._ids) == 1024
