# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of this process, with the keys in it, out of swap."""

from __future__ import annotations

import ctypes
import errno
import os

_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4
"""MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT of mlockall(2), the same on every architecture that Linux has but Alpha, PowerPC
and SPARC. On fault, pages are locked when they are first used: without it all of every library would be read, 11 MB."""


def lock() -> str | None:
    """Lock all memory, what is in use and what will be.

    Returns:
        why it could not be done, None if it was.
    """
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.mlockall(_CURRENT | _FUTURE | _ON_FAULT) == 0:
            return None
    except (OSError, AttributeError) as error:
        return str(error)
    failure = ctypes.get_errno()
    hint = "; LimitMEMLOCK= of the unit is too low" if failure in {errno.ENOMEM, errno.EPERM} else ""
    return os.strerror(failure) + hint
