# SPDX-License-Identifier: Apache-2.0
"""A pause outlives restarts and reboots, and ends when it was asked to end and not before."""

from __future__ import annotations

import os
import shutil
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bzd.clock import rfc3339
from bzd.daemon.pausing import Pausing
from bzd.daemon.timekeeping import TimeKeeper
from bzd.errors import BzdError, DiskFullError

HOUR = 3600.0


class Card:
    """A state directory, a /run/bzd that a reboot empties, and the clocks of the machine."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.clock = clock
        self.state, self.run = folder / "card", folder / "runtime"
        self.state.mkdir()
        self.run.mkdir()

    def start(self) -> Pausing:
        """What a daemon that starts now finds."""
        return Pausing(self.state, self.run, TimeKeeper(self.clock, synchronised=self.clock.right))

    def reboot(self, off_s: float, *, right: bool = True, wrong_by_s: float = 0.0) -> None:
        """Power off and on again after a while, with a clock that may be wrong at first."""
        shutil.rmtree(self.run)
        self.run.mkdir()
        self.clock.wall += off_s + wrong_by_s
        self.clock.boot, self.clock.right = 10.0, right


@pytest.fixture
def card(tmp_path: Path, clock: Any) -> Card:
    """A badge that is not paused."""
    return Card(tmp_path, clock)


def _pause(card: Card, seconds: float) -> Pausing:
    pausing = card.start()
    assert not pausing.active
    pausing.begin(seconds)
    pausing.keep()
    return pausing


def test_until_resumed_it_is_silent_for_ever(card: Card) -> None:
    """Restarts, reboots, years, any clock; then a word ends it, for good as well."""
    _pause(card, inf)
    for right, wrong_by_s in ((True, 0.0), (False, -1e9), (True, 1e9)):
        assert card.start().until == inf
        card.reboot(1e8, right=right, wrong_by_s=wrong_by_s)
        pausing = card.start()
        card.clock.pass_by(1e8)
        assert pausing.active
        assert not pausing.over
    pausing.end()
    pausing.keep()
    assert not card.start().active
    card.reboot(5)
    assert not card.start().active
    assert list(card.state.iterdir()) == list(card.run.iterdir()) == []


def test_after_a_reboot_a_right_clock_ends_it_in_time(card: Card) -> None:
    """An hour is an hour, whatever part of it the badge was off."""
    _pause(card, HOUR)
    card.clock.pass_by(600)
    card.reboot(900)
    pausing = card.start()
    card.clock.pass_by(HOUR - 1500 - 1)
    assert not pausing.over
    card.clock.pass_by(1)
    assert pausing.over


def test_a_clock_that_is_wrong_after_the_reboot_decides_once_it_is_right(card: Card) -> None:
    """While it is wrong the badge stays silent; as soon as it is right and the time is over, it speaks."""
    _pause(card, HOUR)
    card.reboot(2 * HOUR, right=False, wrong_by_s=-2 * HOUR)
    time = TimeKeeper(card.clock, synchronised=False)
    pausing = Pausing(card.state, card.run, time)
    card.clock.pass_by(60)
    assert not pausing.over
    card.clock.wall += 2 * HOUR
    time.check(synchronised=True)
    assert pausing.over


def test_without_a_time_server_it_ends_as_well(card: Card) -> None:
    """From the reboot it takes at most as long as was asked, also if the service starts again in between."""
    _pause(card, HOUR)
    card.reboot(0, right=False)
    card.clock.pass_by(HOUR - 20)
    again = card.start()
    assert not again.over
    card.clock.pass_by(20)
    later = card.start()
    card.clock.pass_by(HOUR - 20)
    assert later.over


def test_asked_under_a_wrong_clock(card: Card) -> None:
    """The wall clock of then says nothing afterwards, however right it is by now."""
    card.clock.right = False
    _pause(card, HOUR)
    card.reboot(86400.0)
    pausing = card.start()
    assert not pausing.over
    card.clock.pass_by(HOUR)
    assert pausing.over


@pytest.mark.parametrize("step", [86400.0, -86400.0])
def test_setting_the_clock_does_not_move_its_end(card: Card, step: float) -> None:
    """Within one boot only time that passed counts, restarts of the service included."""
    pausing = _pause(card, HOUR)
    card.clock.wall += step
    for found in (pausing, card.start()):
        assert found.until == card.clock.boot + HOUR


def test_a_full_card_keeps_it_for_this_boot(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause holds, and survives a restart; that it ends with a reboot is an error until it could be written."""

    def full(*_: Any) -> None:
        raise DiskFullError("cannot write the card: no space left")

    pausing = card.start()
    pausing.begin(inf)
    with monkeypatch.context() as patch:
        patch.setattr("bzd.daemon.pausing.write_new", full)
        for _ in range(2):
            with pytest.raises(BzdError):
                pausing.keep()
    assert pausing.active
    assert card.start().until == inf
    pausing.keep()
    card.reboot(1)
    assert card.start().until == inf


def test_a_thief_learns_no_more_than_until_when(card: Card) -> None:
    """The file on the card is the badge's alone and holds two numbers; nothing is left of how it was written."""
    _pause(card, HOUR)
    (path,) = card.state.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="ascii") == f"{card.clock.wall + HOUR!r} {HOUR!r}\n"


numbers = st.tuples(st.floats(), st.floats()).map(lambda pair: f"{pair[0]!r} {pair[1]!r}".encode())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.sampled_from(["state", "run"]), content=st.binary(max_size=120) | numbers)
def test_a_file_of_nonsense_is_a_pause(card: Card, where: str, content: bytes) -> None:
    """Whatever lies there, the badge starts, and says of itself that it is paused; its time may be up."""
    path = getattr(card, where) / "paused"
    path.write_bytes(content)
    pausing = card.start()
    path.unlink()
    (card.run / "paused").unlink(missing_ok=True)
    assert pausing.active
    assert pausing.over == (card.clock.boot >= pausing.until)
    assert pausing.until == inf or rfc3339(card.clock.wall + pausing.until - card.clock.boot)
    if not content.strip():
        assert pausing.until == inf


@pytest.mark.parametrize("where", ["state", "run"])
def test_what_is_no_file_is_a_pause_as_well(card: Card, where: str) -> None:
    """A folder, a link to nowhere, a pipe into which nobody writes: none hangs the badge or puts it on the air."""
    path = getattr(card, where) / "paused"
    for make in (os.mkfifo, os.mkdir, partial(os.symlink, "/nonexistent")):
        make(path)
        assert card.start().until == inf
        (path.rmdir if path.is_dir() else path.unlink)()
        (card.run / "paused").unlink(missing_ok=True)
