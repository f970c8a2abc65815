# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of this process, with the keys in it, out of swap."""

from __future__ import annotations

import ctypes
import os
import resource

_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4
"""MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT of mlockall(2), the same on every architecture that Linux has but Alpha, PowerPC
and SPARC. On fault, pages are locked when they are first used: without it all of every library would be read, 11 MB."""


def lock() -> str | None:
    """Lock all memory, what is in use and what will be.

    Done only where there is no limit: beyond one, a process that has locked its future could no longer allocate.

    Returns:
        why it was not done, None if it was.
    """
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return "locked memory is limited; LimitMEMLOCK=infinity in the unit would lift that"
    try:
        library = ctypes.CDLL(None, use_errno=True)
        done = library.mlockall(_CURRENT | _FUTURE | _ON_FAULT) == 0
    except (OSError, AttributeError) as error:
        return str(error)
    return None if done else os.strerror(ctypes.get_errno())
