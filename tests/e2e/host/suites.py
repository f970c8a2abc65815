# SPDX-License-Identifier: Apache-2.0
"""The Debian releases that bzd is tried on: those that Raspberry Pi OS is built from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian release.

    Attributes:
        name: its code name, as apt knows it.
        python: major and minor version of its Python, for which wheels are downloaded.
    """

    name: str
    python: str


SUITES = (Suite("bookworm", "3.11"), Suite("trixie", "3.13"))
"""Oldest first: BlueZ 5.66 and Linux 6.1, BlueZ 5.82 and Linux 6.12."""
