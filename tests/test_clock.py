# SPDX-License-Identifier: Apache-2.0
"""The machine's clocks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bzd import clock
from bzd.clock import SystemClock


def test_both_clocks_go() -> None:
    """The wall clock is the system's, boottime is that of the kernel and never goes back."""
    machine = SystemClock()
    assert abs(machine.now() - time.time()) < 5
    before = machine.boottime()
    assert 0 < before <= machine.boottime()
    assert before >= time.clock_gettime(time.CLOCK_MONOTONIC) - 0.1


def test_the_boot_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment's, where a sandbox closes /proc; else the kernel's; nonsense is no name."""
    machine = SystemClock()
    monkeypatch.delenv(clock.BOOT_ID_VARIABLE, raising=False)
    assert machine.boot_id() == bytes.fromhex(clock.BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "absent")
    assert machine.boot_id() == bytes(16)
    for text, name in (("ab" * 16, b"\xab" * 16), ("01234567-89ab-cdef-0123-456789abcdef", None), ("?", bytes(16))):
        monkeypatch.setenv(clock.BOOT_ID_VARIABLE, text)
        assert machine.boot_id() == (name or bytes.fromhex(text.replace("-", "")))


@pytest.mark.parametrize(("error", "right"), [(0, True), (15_999_999, True), (16_000_000, False), (None, None)])
def test_the_kernel_says_whether_the_clock_is_right(
    monkeypatch: pytest.MonkeyPatch,
    error: int | None,
    right: bool | None,  # noqa: FBT001  parameters of the test
) -> None:
    """By its estimate of the error; where it may not be asked, that is not known here."""
    monkeypatch.setattr(clock, "_maximum_error_us", lambda: error)
    assert SystemClock().synchronised() is right


def test_the_kernel_answers() -> None:
    """Reading the clock's error needs no privilege."""
    error = clock._maximum_error_us()
    assert error is None or error >= 0
