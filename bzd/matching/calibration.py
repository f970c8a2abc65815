# SPDX-License-Identifier: Apache-2.0
"""RSSI corrections per device model, from a CSV such as readers of Google's table of calibrated phones use.

Columns, in this order, with or without a header: `oem,device,model,rssi_correction,tx,calibration_confidence`; the
correction and the tx power are dB and dBm, the confidence 0 to 3.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bzd.errors import ConfigError

COLUMNS = ("oem", "device", "model", "rssi_correction", "tx", "calibration_confidence")

_MAX_FILE = 8 << 20
"""Bytes; the table of 2021 has some 15,000 rows and 700 kB."""
_MAX_DB = 100
"""Corrections of phones are within 25 dB; beyond this it is another file."""
_HINT = f"the columns are {', '.join(COLUMNS)}"


class Calibration(NamedTuple):
    """A device model.

    Attributes:
        oem: manufacturer.
        device: name of the device in its software.
        model: name of the model.
        rssi_correction: dB to add to the RSSI that it measures.
        tx_power: dBm that it sends with.
        confidence: 0 lowest to 3 high.
    """

    oem: str
    device: str
    model: str
    rssi_correction: float
    tx_power: float
    confidence: int


def read_calibration(path: Path) -> list[Calibration]:
    """The table in a CSV file.

    Raises:
        ConfigError: if it cannot be read, or a row of it is wrong; the line is named.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", _HINT) from error
    if len(data) > _MAX_FILE:
        raise ConfigError(f"{path} is larger than {_MAX_FILE >> 20} MB", _HINT)
    return list(_rows(text, str(path)))


def _rows(text: str, name: str) -> Iterator[Calibration]:
    reader = csv.reader(text.splitlines())
    try:
        for row in reader:
            if row and not (reader.line_num == 1 and [cell.strip().lower() for cell in row[:3]] == list(COLUMNS[:3])):
                yield _row(row)
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{name} line {reader.line_num}: {error}", _HINT) from error


def _row(row: Sequence[str]) -> Calibration:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} columns; there are {len(COLUMNS)}")
    oem, device, model, correction, tx_power, confidence = (cell.strip() for cell in row)
    numbers = float(correction), float(tx_power)
    if not all(math.isfinite(number) and abs(number) <= _MAX_DB for number in numbers):
        raise ValueError("a correction or tx power that no device has")
    if confidence not in ("0", "1", "2", "3"):
        raise ValueError(f"confidence {confidence[:16]!r}; it is 0 to 3")
    return Calibration(oem, device, model, *numbers, int(confidence))


def find(table: Sequence[Calibration], *, oem: str = "", device: str = "", model: str = "") -> Calibration | None:
    """The first row with the names given, case ignored; a name that is not given fits any. None if there is none."""
    wanted = (oem.casefold(), device.casefold(), model.casefold())
    for row in table:
        names = (row.oem.casefold(), row.device.casefold(), row.model.casefold())
        if all(name in ("", of) for name, of in zip(wanted, names, strict=True)):
            return row
    return None
