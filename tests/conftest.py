# SPDX-License-Identifier: Apache-2.0
"""Fixtures that all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Real captures and published vectors lie beside the checkout, never in it."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the repository root; skips the test where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("no folder `shared` with captures and vectors beside the checkout")
    return _SHARED


@pytest.fixture(scope="session", autouse=True)
def _sigint_reaches_children() -> Iterator[None]:
    """Shells start background jobs with SIGINT ignored, and children inherit that; tests of Ctrl-C need it heard."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
