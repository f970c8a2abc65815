# SPDX-License-Identifier: Apache-2.0
"""What `bzd status` says of cases that were near, and to whom."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bzd.cli import status_warnings
from bzd.config import ProximityConfig, RangingConfig
from bzd.daemon import runtime
from bzd.matching.configured import How
from bzd.matching.encounters import Joining
from bzd.matching.kept import open_kept
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import ReportType
from bzd.store import state as layout
from tests.cli.test_match import heard, key
from tests.cli.test_status import STATUS

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

NOW = 1_800_000_000.0
NEAR = "On 14 January 2027 you were within 2 m of a case for 23 minutes (high risk)."

Run = Callable[[Path], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Has a badge run on a state directory, as its status says."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

    def put(state: Path) -> None:
        store = {"path": str(state), "bytes": 0, "trouble": None}
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        runtime.write(tmp_path / "status.json", json.dumps(STATUS | {"store": store, "updated_boottime": boot}))

    return put


def match(state: Path, **files: Any) -> None:
    """Match key files as the badge does by itself."""
    path = state.parent / "keys.zip"
    path.write_bytes(write_key_file(KeyFile(**files)))
    how = How(Joining(ProximityConfig(), RangingConfig()), allow_unsigned=True)
    with open_kept(state, layout.load_identities(state), how, now=NOW) as kept:
        kept.take(path)


def test_in_words_first(bzd: Bzd, fill: Fill, run: Run) -> None:
    """Whoever can open the store reads it before anything else; and that it no longer holds, once it is revoked."""
    state = fill(*heard(key(1), 9, 23))
    run(state)
    assert bzd("status").out.startswith("badge ")
    match(state, keys=(key(1), key(2)))
    first, empty, badge, *_ = bzd("status").out.splitlines()
    assert (first, empty, badge.split()[0]) == (NEAR, "", "badge")
    match(state, keys=(), revised=(key(1, report_type=ReportType.REVOKED),))
    first, *_ = bzd("status").out.splitlines()
    assert first.startswith("On 14 January 2027 you were near somebody whose key has been withdrawn")


def test_who_cannot_open_the_store_is_told_that_there_is_one(bzd: Bzd, fill: Fill, run: Run, tmp_path: Path) -> None:
    """And no more, in words or JSON; nothing where there is none."""
    state = fill(*heard(key(1), 9, 23))
    match(state, keys=(key(1),))
    run(state)
    (state / "identity.key").unlink()
    assert bzd("status").out.startswith("badge ")
    runtime.write(tmp_path / "warning", runtime.WARNING_TEXT)
    out = bzd("status").out
    assert out.splitlines()[:2] == [status_warnings.CLOSED, ""]
    assert "2027" not in out.partition("clock")[0]
    assert bzd("status", "--json").json == json.loads((tmp_path / "status.json").read_text())


def test_root_finds_the_identity_of_the_service(
    bzd: Bzd, fill: Fill, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where systemd gives it as a credential."""
    state = fill(*heard(key(1), 9, 23))
    match(state, keys=(key(1),))
    run(state)
    monkeypatch.setattr(status_warnings, "SERVICE_CREDENTIAL", (state / "identity.key").rename(tmp_path / "credential"))
    assert bzd("status").out.startswith(NEAR)


def test_a_store_that_cannot_be_read_is_no_reason_to_say_nothing(bzd: Bzd, fill: Fill, run: Run) -> None:
    """The status of the badge is shown all the same."""
    state = fill()
    run(state)
    (state / "store.sqlite").write_bytes(b"damage")
    assert bzd("status").out.startswith("badge ")
    run(state / "none")
    assert bzd("status").out.startswith("badge ")
