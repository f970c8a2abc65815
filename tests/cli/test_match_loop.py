# SPDX-License-Identifier: Apache-2.0
"""`bzd export keys`, `bzd publish` and `bzd match` one after the other, on the badges of `bzd demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bzd.radio.crowd import office_hour

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd

MIDNIGHT = 1_799_884_800.0
"""2027-01-14T00:00:00Z: when the day before that of the tests' clock began."""


@pytest.mark.parametrize("case", ["you", "ben"])
def test_the_demonstration(bzd: Bzd, tmp_path: Path, case: str) -> None:
    """From the badges of `bzd demo` to warnings: who was within two metres, and how long, is what the demo knows."""
    assert bzd("demo", "--keep", tmp_path / "crowd").code == 0
    names = [path.name for path in (tmp_path / "crowd").iterdir() if path.is_dir() and path.name != case]
    export = ["export", "keys", "--days", 14, "--yes", "--state"]
    assert bzd(*export, tmp_path / "crowd" / case, "-o", tmp_path / "case.zip").code == 0
    assert bzd("keygen", "--signing", "-o", tmp_path / "ha.pem").code == 0
    words = ["publish", tmp_path / "case.zip", "-o", tmp_path / "today.zip", "--sign-key", tmp_path / "ha.pem"]
    # The demo is of yesterday, and the keys of yesterday are free at two in the morning.
    assert bzd(*words, now=MIDNIGHT + 86400 + 7199).code == 4
    assert bzd(*words, now=MIDNIGHT + 86400 + 7200).code == 0
    stores = [word for name in names for word in ("--state", tmp_path / "crowd" / name)]
    words = ["match", *stores, "--verify-key", tmp_path / "ha.pub", tmp_path / "today.zip", "--json"]
    days = {day["store"]: day for day in bzd(*words).json["days"]}
    _agrees(days, case, names)


@pytest.mark.parametrize("hour", [0.0, 0.5, 1.999, 2.0, 23.99])
def test_the_demonstration_at_any_hour(bzd: Bzd, tmp_path: Path, hour: float) -> None:
    """The day of the demo is one whose keys may be published, also soon after midnight."""
    now = MIDNIGHT + 86400 + hour * 3600
    assert bzd("demo", "--keep", tmp_path / "crowd", now=now).code == 0
    words = ["export", "keys", "--state", tmp_path / "crowd" / "ben", "--yes", "-o", tmp_path / "case.zip"]
    assert bzd(*words, now=now).code == 0
    assert bzd("keygen", "--signing", "-o", tmp_path / "ha.pem").code == 0
    words = ["publish", tmp_path / "case.zip", "-o", tmp_path / "today.zip", "--sign-key", tmp_path / "ha.pem"]
    assert bzd(*words, now=now).code == 0
    words = ["match", "--state", tmp_path / "crowd" / "you", "--verify-key", tmp_path / "ha.pub"]
    shown = bzd(*words, tmp_path / "today.zip", "--json")
    assert [day["date"] for day in shown.json["days"]] == ["2027-01-14" if hour >= 2 else "2027-01-13"]


def _agrees(days: dict[str, Any], case: str, names: list[str]) -> None:
    """The minutes are the truth but for dara, who sits behind a wall: radio sees walls as distance."""
    crowd = office_hour(MIDNIGHT + 11.5 * 3600, 1)
    for name in set(names) - {"dara"}:
        near_s = crowd.truth(crowd.member(case), crowd.member(name), 2.0).near_s
        found = days.get(name, {"near_s": 0.0, "risk": "none"})
        assert abs(found["near_s"] - near_s) < 150, (name, near_s, found)
        assert (found["risk"] == "high") == (near_s >= 900), (name, near_s, found)
