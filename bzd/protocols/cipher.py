# SPDX-License-Identifier: Apache-2.0
"""AES for the key schedules: ECB and CTR (NIST SP 800-38A) over whole buffers.

`cryptography` is imported at the first use: decoding adverts needs none of it, and it takes longer to load than all of
`bzd.protocols`.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB


@cache
def _library() -> tuple[type[Cipher[ECB | CTR]], type[AES], type[ECB], type[CTR]]:
    """The classes of `cryptography`. Kept, because even a repeated import costs as much as encrypting a day of IDs."""
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415  late on purpose
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB  # noqa: PLC0415

    return Cipher, AES, ECB, CTR


def encrypt_blocks(key: bytes, blocks: bytes) -> bytes:
    """Each block of 16 bytes encrypted by itself, for schedules that define an ID as the bare block cipher."""
    cipher, aes, ecb, _ = _library()
    return cipher(aes(key), ecb()).encryptor().update(blocks)


def encrypt_stream(key: bytes, counter: bytes, data: bytes) -> bytes:
    """Data under AES-CTR from a first counter block of 16 bytes, big-endian. Decrypting is the same."""
    cipher, aes, _, ctr = _library()
    return cipher(aes(key), ctr(counter)).encryptor().update(data)


def pieces(data: bytes, size: int) -> list[bytes]:
    """Data cut into pieces of `size` bytes; four times as fast as slicing in a loop."""
    return list(struct.unpack(f"{size}s" * (len(data) // size), data))
