# SPDX-License-Identifier: Apache-2.0
"""AES on NIST's own examples, and cutting into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bzd.protocols.cipher import encrypt_blocks, encrypt_stream, pieces

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")


def test_examples_of_the_standard() -> None:
    """NIST SP 800-38A, F.1.1 (ECB-AES128) and F.5.1 (CTR-AES128), the first two blocks of each."""
    ecb = "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
    ctr = "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
    counter = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    assert encrypt_blocks(KEY, PLAIN).hex() == ecb
    assert encrypt_stream(KEY, counter, PLAIN).hex() == ctr
    assert encrypt_stream(KEY, counter, bytes.fromhex(ctr)) == PLAIN


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=150))
def test_pieces_put_together_again(parts: list[bytes]) -> None:
    """Cutting is the inverse of joining, for none and for many."""
    assert pieces(b"".join(parts), 16) == parts
