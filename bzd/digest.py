# SPDX-License-Identifier: Apache-2.0
"""SHA-256 and its HMAC from `cryptography`, which whoever holds keys has loaded anyway.

`hashlib` and `hmac` load the system's OpenSSL beside the one that is inside `cryptography`: 3.5 MB of a badge's memory,
for hashes of a few bytes a day. Where much is hashed they are the better choice: three times as fast.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import SHA256, Hash
    from cryptography.hazmat.primitives.hmac import HMAC


@cache
def _library() -> tuple[type[Hash], type[HMAC], SHA256]:
    """The classes of `cryptography`; late, since decoding needs none of it, and kept, as `bzd.protocols` does."""
    from cryptography.hazmat.primitives.hashes import SHA256, Hash  # noqa: PLC0415  late on purpose
    from cryptography.hazmat.primitives.hmac import HMAC  # noqa: PLC0415  likewise

    return Hash, HMAC, SHA256()


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4), 32 bytes."""
    new, _, algorithm = _library()
    state = new(algorithm)
    state.update(data)
    return state.finalize()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    _, new, algorithm = _library()
    state = new(key, algorithm)
    state.update(data)
    return state.finalize()
