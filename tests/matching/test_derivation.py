# SPDX-License-Identifier: Apache-2.0
"""The fast derivation gives what the protocol gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.matching import derivation
from bzd.matching.derivation import LibraryEncryptor, OpensslEncryptor, encryptor, padded, rpi_keys
from bzd.protocols import gaen

KEYS = st.binary(min_size=16, max_size=16)


@settings(deadline=None)
@given(st.lists(KEYS, max_size=5))
def test_the_spelled_out_hkdf_is_the_protocols(keys: list[bytes]) -> None:
    """Every RPIK equals that of `bzd.protocols.gaen`."""
    assert rpi_keys(keys) == [gaen.rpi_key(key) for key in keys]


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=4), st.integers(0, (1 << 32) - 145), st.integers(1, 144))
def test_both_encryptors_give_the_protocols_ids(keys: list[bytes], first: int, count: int) -> None:
    """OpenSSL through ctypes, and the library, derive the very IDs that are broadcast."""
    expected = b"".join(b"".join(gaen.PROTOCOL.rolling_ids(key, first, count)) for key in keys)
    blocks = padded(range(first, first + count))
    for each in (LibraryEncryptor(), encryptor()):
        assert bytes(each.encrypt(rpi_keys(keys), blocks)) == expected


def test_openssl_is_what_is_used_here() -> None:
    """The fast path is really taken on a system that has OpenSSL 3: else it would be tested by nothing."""
    assert isinstance(encryptor(), OpensslEncryptor)


def test_without_openssl_the_library_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose libcrypto has another name still matches."""
    derivation._load.cache_clear()
    monkeypatch.setattr(derivation, "_SONAMES", ("libcrypto-of-nowhere.so.0",))
    assert isinstance(encryptor(), LibraryEncryptor)
    derivation._load.cache_clear()


def test_an_openssl_that_answers_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial block decides, since wrong IDs would silently lose every match."""
    monkeypatch.setattr(OpensslEncryptor, "encrypt", lambda _self, keys, blocks: bytes(len(keys) * len(blocks)))
    assert isinstance(encryptor(), LibraryEncryptor)


def test_a_buffer_is_reused_and_grows() -> None:
    """A smaller batch after a larger one is not followed by what is left of that."""
    fast = OpensslEncryptor()
    large = bytes(fast.encrypt([bytes(16)] * 3, bytes(64)))
    small = bytes(fast.encrypt([b"k" * 16], bytes(16)))
    assert (len(large), len(small)) == (192, 16)
    assert small == bytes(LibraryEncryptor().encrypt([b"k" * 16], bytes(16)))
