# SPDX-License-Identifier: Apache-2.0
"""Hashes on published examples, and against the standard library."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from bzd.digest import hmac_sha256, sha256


def test_published_examples() -> None:
    """FIPS 180-4's "abc", and RFC 4231's test case 2."""
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    found = hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert found.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_as_the_standard_library(key: bytes, data: bytes) -> None:
    """Any key and any data, also a key longer than a block."""
    assert sha256(data) == hashlib.sha256(data).digest()
    assert hmac_sha256(key, data) == hmac.digest(key, data, "sha256")
