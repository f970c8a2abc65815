# SPDX-License-Identifier: Apache-2.0
"""Which board this is, and the power that it states."""

from __future__ import annotations

from pathlib import Path

import pytest

from bzd import board
from bzd.config import Config, load

NAME = "advertise.tx_power_dbm"
MODELS = (
    *("Raspberry Pi 3 Model B Rev 1.2", "Raspberry Pi 3 Model B Plus Rev 1.3", "Raspberry Pi 4 Model B Rev 1.4"),
    *("Raspberry Pi 5 Model B Rev 1.0", "Raspberry Pi Zero 2 W Rev 1.0"),
)


@pytest.mark.parametrize("path", board.MODEL_FILES)
def test_the_name_is_read_wherever_it_is(tmp_path: Path, path: str) -> None:
    """The device tree's strings end with a zero byte; a PC has none of them."""
    assert board.model(tmp_path) == ""
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert board.model(tmp_path) == "Raspberry Pi 4 Model B Rev 1.4"
    (tmp_path / path).write_bytes(b"\xff" * 10_000)
    assert len(board.model(tmp_path)) <= 256


@pytest.mark.parametrize("model", ["", *MODELS, "Radxa ROCK 5B"])
def test_whoever_stands_at_1_m_is_at_1_m(model: str) -> None:
    """What a badge states less what is heard of it is the attenuation of matching at 1 m, on every board."""
    found = load(model=model).config
    assert found.advertise.tx_power_dbm - found.ranging.rssi_1m_dbm == found.match.path_loss_1m_db


def test_where_it_came_from_is_told() -> None:
    """By its board, with how it is known; a file or --set wins and is named; other machines have the plain default."""
    measured, other = (load(model=model).origins[NAME] for model in (MODELS[0], MODELS[2]))
    assert measured.startswith(f"default on a {MODELS[0]}: fitted")
    assert "not measured" in other
    given = load(None, (f"{NAME}=4",), model=MODELS[0])
    assert (given.config.advertise.tx_power_dbm, given.origins[NAME]) == (4, "--set")
    assert NAME not in load().origins
    assert load().config == Config()


def test_every_board_in_the_table_is_met() -> None:
    """No entry hides another that begins alike."""
    assert all(board.tx_power(f"{name} Rev 1.0") == power for name, power in board._TX_POWER.items())
