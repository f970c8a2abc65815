# SPDX-License-Identifier: Apache-2.0
"""The private system bus of the radio's tests, for trying radios out on it."""

from __future__ import annotations

from tests.radio.conftest import system_bus

__all__ = ["system_bus"]
