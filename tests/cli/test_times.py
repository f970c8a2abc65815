# SPDX-License-Identifier: Apache-2.0
"""Times and durations as people write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.cli.times import duration, instant

NOW = 1_591_864_200.0  # 2020-06-11 08:30:00 UTC


pytestmark = pytest.mark.usefixtures("east")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), ("24h", 86400), ("7d", 604800), ("2w", 1209600), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    """Each unit counts its seconds."""
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", NOW - 86400),
        ("2020-06-11", 1_591_826_400.0),
        ("2020-06-11T10:30", NOW),
        ("2020-06-11 10:30:00", NOW),
        ("2020-06-11T08:30:00Z", NOW),
        ("2020-06-11T08:30:00.250+00:00", NOW + 0.25),
    ],
)
def test_instants(text: str, expected: float) -> None:
    """What has no zone is local, what has one is not, and a duration counts back from now."""
    assert instant(text, NOW) == expected


def test_a_date_can_mean_the_end_of_its_day() -> None:
    """`--until 2020-06-11` includes that day; a time of day is taken as it is."""
    assert instant("2020-06-11", NOW, end_of_day=True) - instant("2020-06-11", NOW) == 86400
    assert instant("2020-06-11T10:30", NOW, end_of_day=True) == NOW


def test_days_when_clocks_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date is its local day, of 23 or 25 hours; 24h are 24 hours; an hour that is skipped or comes twice is taken."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    lengths = [instant(day, NOW, end_of_day=True) - instant(day, NOW) for day in ("2020-03-29", "2020-10-25")]
    assert lengths == [23 * 3600, 25 * 3600]
    after = instant("2020-10-25T12:00", NOW)
    assert instant("24h", after) == instant("2020-10-24T13:00", NOW)
    assert instant("2020-03-29T02:30", NOW) in {instant(f"2020-03-29T0{hour}:30", NOW) for hour in (1, 3)}
    assert instant("2020-10-25T02:30", NOW) == instant("2020-10-25T02:30+02:00", NOW)


@pytest.mark.parametrize(
    "text", ["", "soon", "5", "5 minutes", "-5m", "2020-13-01", "2020-06-31", "9999-12-31", "\u0665m"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    """The error quotes what was written and shows what to write."""
    with pytest.raises(ValueError, match="write for example"):
        instant(text, NOW, end_of_day=True)


@given(st.text())
@settings(deadline=None)
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    """Nothing else escapes, whatever is typed."""
    try:
        assert isinstance(instant(text, NOW), float)
    except ValueError as error:
        assert "no time" in str(error)  # noqa: PT017  either outcome is right; the message is what is proved
