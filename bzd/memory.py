# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of this process, with the keys in it, out of swap and out of crash dumps."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress

_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4
"""MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT of mlockall(2), the same on every architecture that Linux has but Alpha, PowerPC
and SPARC. On fault, pages are locked when they are first used: without it all of every library would be read, 11 MB."""
_SET_DUMPABLE = 4
"""PR_SET_DUMPABLE of prctl(2)."""


def lock() -> str | None:
    """Lock all memory, what is in use and what will be, and have no crash of this process write it anywhere.

    The second is for a core_pattern that pipes to a program: no limit of core files holds for that (core(5)). The first
    is done only where there is no limit: beyond one, a process that has locked its future could no longer allocate.

    Returns:
        why memory was not locked, None if it was.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return "locked memory is limited; LimitMEMLOCK=infinity in the unit would lift that"
    try:
        library = ctypes.CDLL(None, use_errno=True)
        done = library.mlockall(_CURRENT | _FUTURE | _ON_FAULT) == 0
    except (OSError, AttributeError) as error:
        return str(error)
    return None if done else os.strerror(ctypes.get_errno())
