# SPDX-License-Identifier: Apache-2.0
"""What is logged, and what is not."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import pytest

from bzd.daemon import journal


def _logged(stream: io.StringIO | None = None, *, debug: bool = False) -> tuple[io.StringIO, logging.Handler]:
    stream = stream or io.StringIO()
    return stream, journal.start(debug=debug, stream=stream)


def test_nobody_is_named_above_debug() -> None:
    """Addresses as BlueZ and D-Bus paths write them, IDs and keys are blotted out; fingerprints stay."""
    stream, handler = _logged()
    try:
        log = logging.getLogger("bleak.backends")
        log.warning("device %s at /org/bluez/hci0/dev_AA_BB_CC_DD_EE_FF", "aa:bb:cc:dd:ee:ff")
        log.warning("id %s and %s", bytes(12).hex(), "4f3e-aa01-9b2c-7d10-4f3e-aa01-9b2c-7d10")
    finally:
        journal.stop(handler)
    text = stream.getvalue().lower()
    assert "aa:bb" not in text
    assert "aa_bb" not in text
    assert bytes(12).hex() not in text
    assert "4f3e-aa01-9b2c-7d10-4f3e-aa01-9b2c-7d10" in text


def test_an_exception_is_one_line_unless_debugging() -> None:
    """A traceback in the journal of forty badges helps nobody; who debugs gets it."""
    for debug in (False, True):
        stream, handler = _logged(debug=debug)
        try:
            try:
                int("broken")
            except ValueError:
                logging.getLogger("asyncio").exception("a task failed")
        finally:
            journal.stop(handler)
        assert ("Traceback" in stream.getvalue()) is debug
        assert "broken" in stream.getvalue()


def test_under_the_journal_lines_have_priorities_and_no_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager says which device and inode its stream has; elsewhere lines have times."""
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        handler = journal.start(debug=True, stream=stream)
        try:
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
                logging.getLogger("bzd").log(level, "said")
            logging.getLogger("bzd").info("two\nlines")
        finally:
            journal.stop(handler)
        stream.seek(0)
        assert stream.read().splitlines() == ["<7>said", "<6>said", "<4>said", "<3>said", "<6>two", "<6>lines"]
    assert not journal.under_journal(io.StringIO())
