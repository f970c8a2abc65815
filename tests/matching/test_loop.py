# SPDX-License-Identifier: Apache-2.0
"""The whole loop with sealed stores: a case's own keys are published, and the other badge warns itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from bzd.matching.encounters import encounters
from bzd.matching.keyfile import KeyFile, read_key_file, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType, diagnosis_key
from bzd.matching.matcher import Matcher
from bzd.matching.publishing import publish
from bzd.matching.risk import Risk
from bzd.matching.rules import daily_summaries
from bzd.model import DailyKey
from bzd.store import create, open_appender, open_reader
from bzd.store.identity import Identity

if TYPE_CHECKING:
    from bzd.matching.signing import SigningKey
    from tests.matching.conftest import Cases


def test_from_a_case_to_a_warning(tmp_path: Path, cases: type[Cases], signing_key: SigningKey) -> None:
    """A keeps its keys, B and C keep what they heard, each sealed; B, who was near, is warned, and C is not."""
    identity = Identity.generate()
    own = [
        DailyKey("gaen", bytes([day]) * 16, start := cases.midnight + day * 86400, start + 86400) for day in range(3)
    ]
    key = diagnosis_key(own[1])
    at = cases.midnight + 86400 + 36000
    meetings = {
        "A": [],
        "B": cases.contacts(cases.heard(key, at, at + 1380)),
        "C": [cases.contact(cases.key(7), cases.day)],
    }
    for label, contacts in meetings.items():
        create(tmp_path / label, recipients=[identity.public], label=label, now=at)
        with open_appender(tmp_path / label) as appender:
            appender.commit(add=contacts)
            if label == "A":
                appender.add_keys(own)

    with open_reader(tmp_path / "A", [identity]) as reader:
        kept = list(reader.keys())
    onset = date(2020, 7, 3)
    exported = tuple(diagnosis_key(of, report_type=ReportType.CONFIRMED_TEST, onset=onset) for of in kept)
    case = tmp_path / "case.zip"
    case.write_bytes(write_key_file(KeyFile(exported)))
    now = cases.midnight + 4 * 86400
    done = publish([read_key_file(case, allow_unsigned=True)], now=now, signing_key=signing_key)
    (tmp_path / "today.zip").write_bytes(done.files[0])

    stores = {}
    for label in ("B", "C"):
        with open_reader(tmp_path / label, [identity]) as reader:
            stores[reader.label] = list(reader.contacts())
    file = read_key_file(tmp_path / "today.zip", [signing_key.public])
    matcher = Matcher(stores)
    assert len(file.keys) == 1000
    matcher.match(file.keys, file.revised)
    (encounter,) = encounters(matcher.hits())
    assert (encounter.store, encounter.key.days_since_onset) == ("B", 0)
    (day,) = daily_summaries([encounter])
    assert (day.date, day.risk, round(day.near_s / 60)) == (date(2020, 7, 3), Risk.HIGH, 23)


def test_an_own_key_as_it_is_published() -> None:
    """Its intervals are those that it was used for, and days since onset are said within 14 days only."""
    daily = DailyKey("gaen", b"k" * 16, 6000.0, 7800.0)
    assert diagnosis_key(daily) == DiagnosisKey(b"k" * 16, 10, 3)
    assert [diagnosis_key(daily, onset=date(1970, 1, day)).days_since_onset for day in (1, 15, 16)] == [0, -14, None]
    bluezone = DailyKey("bluezone", b"k" * 32, 900.0, 1800.0)
    assert diagnosis_key(bluezone) == DiagnosisKey(b"k" * 32, 1, 1, "bluezone")
