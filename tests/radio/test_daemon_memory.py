# SPDX-License-Identifier: Apache-2.0
"""What the daemon takes, and what it keeps out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import run
from .daemon_bed import a_daemon

LIMIT_KIB = 45 * 1024
"""What a badge's memory has for it."""
KEPT_OUT = frozenset(
    {
        *("_ssl", "hmac", "rich", "google.protobuf", "numpy", "platformdirs", "multiprocessing"),
        *("http", "http.client", "urllib.request", "email", "zipfile", "tempfile", "bz2", "lzma", "difflib"),
        *("bzd.matching", "bzd.traces", "bzd.doctor", "bzd.cli.table", "bzd.radio.crowd"),
    }
)
"""Modules of half a megabyte and more, or that bring such, and parts of bzd that a badge never needs at once."""


@pytest.mark.usefixtures("system_bus")
def test_it_stays_small(tmp_path: Path) -> None:
    """Scanning and advertising, it is below its limit, and imported nothing that it can do without."""
    log, mapped, kib = "", "", 0

    async def scenario() -> None:
        nonlocal log, mapped, kib
        async with a_daemon(tmp_path, "-X", "importtime") as (daemon, _):
            kib = daemon.memory_kib()["Rss"]
            mapped = daemon.mapped()
            log = await daemon.stop()

    run(scenario)
    imported = set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", log, re.MULTILINE))
    assert {"asyncio", "hashlib", "bleak", "dbus_next", "bzd.radio.radio"} <= imported
    assert imported & KEPT_OUT == set()
    assert not re.search(r"lib(ssl|crypto)\.so", mapped)
    assert kib < LIMIT_KIB
