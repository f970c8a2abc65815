# SPDX-License-Identifier: Apache-2.0
"""Which board this is, and at what power it sends.

The power that a badge states (`advertise.tx_power_dbm`) is what others at 1 m hear of it plus the 60 dB by which GAEN's
phones are heard weaker than they state; see `match.path_loss_1m_db`. So it holds for a radio with its antenna and its
case, and no data sheet of a chip tells it: it has to be measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

MODEL_FILES = ("sys/firmware/devicetree/base/model", "proc/device-tree/model")
"""The board's name (Devicetree Specification 0.4 section 2.3.2); the first is open to the service too, whose sandbox
closes /proc. Absent on PCs."""
FITTED_DBM = 10
"""Heard at 1 m with -50 dBm: fitted to NIST's recordings of two Raspberry Pi 3 (`ranging.rssi_1m_dbm`)."""

_LONGEST = 256


class TxPower(NamedTuple):
    """A power in dBm, and how it is known."""

    dbm: int
    source: str


_MEASURED = TxPower(FITTED_DBM, "fitted to NIST's recordings of two Raspberry Pi 3, heard at 1 m with -50 dBm")
_ANOTHER_RADIO = TxPower(FITTED_DBM, "that of the Raspberry Pi 3, since this model and its radio were not measured")

_TX_POWER = {
    "Raspberry Pi 3 Model B Rev": _MEASURED,  # BCM43438
    "Raspberry Pi 3 Model B Plus": _ANOTHER_RADIO,  # CYW43455, as those below but the Zero
    "Raspberry Pi 3 Model A Plus": _ANOTHER_RADIO,
    "Raspberry Pi 4 Model B": _ANOTHER_RADIO,
    "Raspberry Pi 400": _ANOTHER_RADIO,
    "Raspberry Pi Compute Module 4": _ANOTHER_RADIO,
    "Raspberry Pi 5": _ANOTHER_RADIO,
    "Raspberry Pi Zero 2": _ANOTHER_RADIO,  # BCM43436, or a chip like it
}
"""Beginning of the model's name to its power. A better number comes of standing two badges 1 m apart in the open."""


def model(root: Path = Path("/")) -> str:
    """The board's name, for example `Raspberry Pi 4 Model B Rev 1.4`; empty where none is told.

    Args:
        root: where the machine's files are found.
    """
    for path in MODEL_FILES:
        try:
            with (root / path).open("rb") as file:
                return file.read(_LONGEST).rstrip(b"\0\n").decode("utf-8", "replace")
        except OSError:
            continue
    return ""


def tx_power(name: str) -> TxPower | None:
    """What a board of that name states unless it is told otherwise; None for one that is not known."""
    return next((power for beginning, power in _TX_POWER.items() if name.startswith(beginning)), None)
