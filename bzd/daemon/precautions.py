# SPDX-License-Identifier: Apache-2.0
"""What the daemon does before it begins: keep its keys out of swap, and notice a copied card."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from bzd import memory
from bzd.store import inspect, machine

_log = logging.getLogger(__name__)


def take(state: Path) -> None:
    """Take them; what cannot be had is logged.

    Args:
        state: the state directory, which must hold a store.

    Raises:
        StateError, StoreError: if it holds none, or one that is damaged.
        OutputError: if this machine cannot be noted there.
    """
    if why := memory.lock():
        # By hand there is as a rule a limit; under systemd the unit lifts it.
        level = logging.WARNING if "NOTIFY_SOCKET" in os.environ else logging.DEBUG
        _log.log(level, "memory is not locked, so keys may be swapped to the card: %s", why)
    if machine.note(state, inspect(state).store_id) is machine.Home.OTHER:
        _log.warning("this store was made on another machine: was the card copied? `bzd doctor` says what to do")
