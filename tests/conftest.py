# SPDX-License-Identifier: Apache-2.0
"""Fixtures that all tests share."""

from __future__ import annotations

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
