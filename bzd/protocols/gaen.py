# SPDX-License-Identifier: Apache-2.0
"""GAEN: Google's and Apple's Exposure Notification.

Key schedule (Exposure Notification Cryptography Specification v1.2.1)::

    interval  = floor(unix seconds / 600)                    ENIntervalNumber, unsigned 32 bits
    TEK       = 16 random bytes, independent for each day    Temporary Exposure Key: the daily key
    RPIK      = HKDF-SHA256(TEK, no salt, "EN-RPIK", 16)
    RPI       = AES-128(RPIK, "EN-RPI" || 6 zero bytes || interval, little-endian)     the rolling ID
    AEMK      = HKDF-SHA256(TEK, no salt, "EN-AEMK", 16)
    AEM       = AES-128-CTR(AEMK, first counter block = RPI, metadata)                 4 bytes

The AEM hides the metadata from those without the TEK but does not authenticate it: who flips a bit on air flips that
bit of the tx power.

On air (Exposure Notification Bluetooth Specification v1.2.2), 31 bytes with flags, 28 without, not connectable::

    02 01 1A                           flags; 1A from iPhones, Android's vary or are missing
    03 03 6F FD                        complete list of 16-bit service UUIDs: 0xFD6F
    17 16 6F FD <RPI 16> <AEM 4>       service data

A receiver needs the service data alone, of exactly 20 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from bzd.digest import hmac_sha256
from bzd.model import Identifier
from bzd.protocols import ad
from bzd.protocols.cipher import encrypt_blocks, encrypt_stream, pieces
from bzd.protocols.schedule import check_identifier, check_length

NAME = "gaen"
SERVICE = 0xFD6F
"""The Exposure Notification service (Bluetooth specification v1.2.2, "Service UUID")."""
INTERVAL_S = 600
"""Seconds of an ENIntervalNumber (Cryptography specification v1.2.1, "ENIntervalNumber")."""
INTERVALS_PER_KEY = 144
"""TEKRollingPeriod: a TEK lives one day at most (Cryptography specification v1.2.1, "TEKRollingPeriod")."""

_KEY_BYTES = _RPI_BYTES = 16
_AEM_BYTES = 4
_INTERVAL_END = 1 << 32
_SERVICE_BYTES = SERVICE.to_bytes(2, "little")
_SERVICE_UUID = ad.uuid_16(SERVICE)
_NO_SALT = bytes(32)
"""HKDF without a salt uses as many zero bytes as the hash has (RFC 5869 section 2.2)."""
_TX_POWER_END = 128
_MAJOR_VERSION = 1
_METADATA = struct.Struct("Bb2x")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the AEM hides (Bluetooth specification v1.2.2, "Associated Encrypted Metadata").

    Byte 0 holds the version (bits 7 and 6 major, 5 and 4 minor) and, from 1.1 on, the calibration confidence (bits 3
    and 2); byte 1 is the tx power, signed; bytes 2 and 3 are reserved and zero.

    Attributes:
        tx_power: dBm, -127 to 127.
        confidence: 0 lowest, 1 low, 2 medium, 3 high: how well the tx power of this model is known. None in 1.0.
        major: major version; what it means is known for 1 only.
        minor: minor version, 0 to 3; a higher one adds to what it means, but changes nothing.
    """

    tx_power: int
    confidence: int | None = None
    major: int = _MAJOR_VERSION
    minor: int = 0

    def pack(self) -> bytes:
        """The 4 bytes.

        Raises:
            ValueError: if a value is out of range, or the confidence does not fit the version.
        """
        if not -_TX_POWER_END < self.tx_power < _TX_POWER_END:
            raise ValueError(f"tx power of {self.tx_power} dBm; -127 to 127 can be stated")
        if self.major not in range(4) or self.minor not in range(4):
            raise ValueError(f"metadata version {self.major}.{self.minor}; each part is 0 to 3")
        if (self.confidence is None) != (self.minor == 0) or self.confidence not in (None, 0, 1, 2, 3):
            raise ValueError(f"calibration confidence {self.confidence} in metadata {self.major}.{self.minor}")
        return _METADATA.pack(self.major << 6 | self.minor << 4 | (self.confidence or 0) << 2, self.tx_power)

    @classmethod
    def unpack(cls, raw: bytes) -> Metadata:
        """Metadata from its 4 bytes; reserved bits are ignored.

        Raises:
            ValueError: if there are not exactly 4.
        """
        check_length("gaen metadata", raw, _AEM_BYTES)
        version, tx_power = _METADATA.unpack(raw)
        minor = version >> 4 & 3
        return cls(tx_power, version >> 2 & 3 if minor else None, version >> 6, minor)


def _derive(key: bytes, info: bytes) -> bytes:
    """16 bytes of HKDF-SHA256 without a salt (RFC 5869): one block of output is enough, so it is two HMACs."""
    extracted = hmac_sha256(_NO_SALT, key)
    return hmac_sha256(extracted, info + b"\x01")[:_KEY_BYTES]


def rpi_key(key: bytes) -> bytes:
    """The RPIK of a TEK, 16 bytes.

    Raises:
        ValueError: if the TEK is not 16 bytes long.
    """
    check_length("gaen key", key, _KEY_BYTES)
    return _derive(key, b"EN-RPIK")


def aem_key(key: bytes) -> bytes:
    """The AEMK of a TEK, 16 bytes.

    Raises:
        ValueError: if the TEK is not 16 bytes long.
    """
    check_length("gaen key", key, _KEY_BYTES)
    return _derive(key, b"EN-AEMK")


@lru_cache(maxsize=64)
def _padded(first: int, count: int) -> bytes:
    """PaddedData of `count` intervals. Kept, since most of the keys in a file start at one of 14 midnights."""
    return b"".join(b"EN-RPI" + bytes(6) + n.to_bytes(4, "little") for n in range(first, first + count))


def _crypt(key: bytes, rolling_id: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt metadata: AES-128-CTR is its own inverse."""
    check_length("gaen rolling ID", rolling_id, _RPI_BYTES)
    return encrypt_stream(aem_key(key), rolling_id, data)


def seal(key: bytes, rolling_id: bytes, metadata: Metadata) -> bytes:
    """The AEM of metadata beside a rolling ID under a TEK, 4 bytes.

    Raises:
        ValueError: if a length is wrong or the metadata cannot be packed.
    """
    return _crypt(key, rolling_id, metadata.pack())


def unseal(key: bytes, rolling_id: bytes, aem: bytes) -> Metadata:
    """The metadata of an AEM that was heard beside a rolling ID of a TEK. Nothing proves that it is unaltered.

    Raises:
        ValueError: if a length is wrong.
    """
    return Metadata.unpack(_crypt(key, rolling_id, aem))


class Gaen:
    """Exposure Notification, behind the interface `bzd.protocols.interface.ProximityProtocol`."""

    name = NAME
    id_bytes = _RPI_BYTES
    key_bytes = _KEY_BYTES
    interval_s = INTERVAL_S
    shuffled = False
    needle = _SERVICE_BYTES
    """A 0xFD6F of 16, 32 or 128 bits: each has these two octets in this order."""

    def decode(self, structures: ad.AdStructures) -> Identifier | None:
        """RPI and AEM of service data 0xFD6F of exactly 20 bytes."""
        payload = structures.service_data.get(_SERVICE_UUID)
        if payload is None or len(payload) != _RPI_BYTES + _AEM_BYTES:
            return None
        return Identifier(NAME, payload[:_RPI_BYTES], payload[_RPI_BYTES:])

    def encode(self, identifier: Identifier, *, flags: int | None = None) -> bytes:
        """The 31 bytes with flags, 28 without. The UUID list precedes the service data, as the specification asks."""
        check_identifier(identifier, NAME, _RPI_BYTES, _AEM_BYTES)
        service_data = {_SERVICE_UUID: identifier.rolling_id + identifier.metadata}
        return ad.build(flags=flags, service_uuids=(_SERVICE_UUID,), service_data=service_data)

    def rolling_ids(self, key: bytes, first: int, count: int) -> list[bytes]:
        """The RPIs of `count` intervals. A key that others published may start at any interval and hold for many."""
        if first < 0 or not 0 <= count <= INTERVALS_PER_KEY or first + count > _INTERVAL_END:
            raise ValueError(f"{count} intervals from {first}; a key has at most {INTERVALS_PER_KEY}, below 2**32")
        return pieces(encrypt_blocks(rpi_key(key), _padded(first, count)), _RPI_BYTES)

    def next_key(self, key: bytes) -> bytes | None:
        """None: a TEK tells nothing of the next."""
        check_length("gaen key", key, _KEY_BYTES)
        return None

    def seal_metadata(self, key: bytes, rolling_id: bytes, tx_power: int) -> bytes:
        """The AEM of metadata 1.0: bzd has no table of calibrated models to claim a confidence from."""
        return seal(key, rolling_id, Metadata(tx_power))

    def open_tx_power(self, key: bytes, rolling_id: bytes, metadata: bytes) -> int | None:
        """The tx power, None for metadata of another length or another major version."""
        if len(metadata) != _AEM_BYTES:
            return None
        opened = unseal(key, rolling_id, metadata)
        return opened.tx_power if opened.major == _MAJOR_VERSION else None


PROTOCOL = Gaen()
