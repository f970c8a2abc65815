# SPDX-License-Identifier: Apache-2.0
"""The package's surface: what it exports, what it loads, and that the codec stays pure."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bzd.store


def loaded_by(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_public_name_is_there() -> None:
    """All that `__all__` promises can be had, is documented, and nothing else pretends to be."""
    for name in bzd.store.__all__:
        assert (getattr(bzd.store, name).__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = bzd.store.nonsense  # type: ignore[attr-defined]


def test_importing_the_package_loads_neither_sqlite_nor_openssl() -> None:
    """`bzd --help` must not pay for the store."""
    assert not {"sqlite3", "cryptography", "asyncio"} & loaded_by("import bzd.store")


def test_codec_is_pure() -> None:
    """The record codec loads no database, no radio, no event loop and no cryptography."""
    assert not {"sqlite3", "cryptography", "asyncio", "bleak", "dbus_next"} & loaded_by("import bzd.store.records")
