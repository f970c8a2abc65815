# SPDX-License-Identifier: Apache-2.0
"""Processes that do a part of another's work, and are of no use without it."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG (prctl(2))."""


def die_with_parent(parent: int | None = None) -> None:
    """Be killed when the process that began this one ends, however that ends, as far as the kernel does that.

    Args:
        parent: its ID, if it said so: where it has ended already, this process ends now.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
