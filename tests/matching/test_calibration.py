# SPDX-License-Identifier: Apache-2.0
"""The table of device models."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bzd.errors import ConfigError
from bzd.matching.calibration import Calibration, find, read_calibration

ROWS = "samsung,a50,SM-A505F,6.5,-24,2\nGoogle,sargo,Pixel 3a,-1,-20,3\n"
HEADER = "oem,device,model,rssi_correction,tx,calibration_confidence\n"


@pytest.mark.parametrize("text", [ROWS, HEADER + ROWS, "\ufeff" + HEADER.upper() + ROWS, "\n" + ROWS])
def test_the_header_may_be_absent(tmp_path: Path, text: str) -> None:
    """The rows are the same with and without it, and a model is found by any of its names."""
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    table = read_calibration(path)
    assert table == [
        Calibration("samsung", "a50", "SM-A505F", 6.5, -24, 2),
        Calibration("Google", "sargo", "Pixel 3a", -1, -20, 3),
    ]
    assert find(table, oem="google", model="pixel 3A") == table[1]
    assert find(table, model="Pixel 4") is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,b,c,1,2", "line 3: 5 columns"),
        ("a,b,c,1,2,4", "line 3: confidence '4'"),
        ("a,b,c,x,2,1", "line 3: could not convert"),
        ("a,b,c,nan,2,1", "line 3: a correction"),
        ("a,b,c,1,2000,1", "line 3: a correction"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    """The error names the file and the line."""
    path = tmp_path / "table.csv"
    path.write_text(ROWS + row)
    with pytest.raises(ConfigError, match=f"table.csv {message}"):
        read_calibration(path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_give_rows_or_a_clear_error(tmp_path: Path, data: bytes) -> None:
    """No file makes a traceback."""
    path = tmp_path / "any.csv"
    path.write_bytes(data)
    try:
        read_calibration(path)
    except ConfigError as error:
        assert "any.csv" in str(error)  # noqa: PT017  not raising is right as well


def test_a_missing_table_is_said(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(ConfigError, match=r"absent\.csv"):
        read_calibration(tmp_path / "absent.csv")
