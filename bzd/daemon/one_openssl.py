# SPDX-License-Identifier: Apache-2.0
"""Keeps the system's OpenSSL out of the daemon: 4.5 MB, a tenth of its memory. `cryptography` brings its own.

Two modules of the standard library load it in case somebody wants what it has, and do without where it is not there:
asyncio, for TLS, of which the daemon has no use (it speaks to D-Bus through a Unix socket, and its unit closes the
network to it), and hashlib, which bleak's D-Bus library imports, for faster hashes. So they are imported here as a
Python that was built without OpenSSL has them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

_BRINGERS = ("ssl", "_hashlib")
"""What loads it."""
_OWN_HASHES = ("_md5", "_sha1", "_sha3", "_blake2")
"""Python's own hashes, which hashlib falls back on; some distributions leave them out
(`./configure --with-builtin-hashlib-hashes`), not Debian."""


def prepare() -> None:
    """Import asyncio and hashlib without OpenSSL; what brings it can be imported as ever afterwards.

    Does nothing where one of all these is there already, or where Python has no hashes without it.
    """
    if any(name in sys.modules for name in ("asyncio", "hashlib", *_BRINGERS)):
        return
    if any(find_spec(name) is None for name in _OWN_HASHES):
        return
    modules: dict[str, Any] = sys.modules
    # None makes an import fail (The Python Language Reference, 5.3.1, "The module cache").
    modules |= dict.fromkeys(_BRINGERS)
    try:
        import asyncio  # noqa: F401, PLC0415  now, for what it then lacks
        import hashlib  # noqa: F401, PLC0415  likewise
    finally:
        for name in _BRINGERS:
            del modules[name]
