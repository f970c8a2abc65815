# SPDX-License-Identifier: Apache-2.0
"""DP-3T, low-cost design: Decentralized Privacy-Preserving Proximity Tracing, before it moved to GAEN.

Key schedule (DP-3T white paper, "Low-cost decentralized proximity tracing"; constants from
DP-3T/reference_implementation, dp3t/protocols/lowcost.py)::

    SK[0]   = 32 random bytes
    SK[d]   = SHA-256(SK[d - 1])                             the daily key; a new SK[0] after an upload
    EphIDs  = AES-256-CTR(HMAC-SHA256(SK[d], "broadcast key"), zeros), counter from 0, in pieces of 16 bytes

96 EphIDs a UTC day, 900 s each. A phone broadcasts them in an order that it shuffles each day and tells nobody:
`rolling_ids` gives them in the order of derivation, as the published vectors have them, and `shuffled` says that the
time of day when one was heard proves nothing. Who has one daily key has all later ones; bzd takes fresh random bytes
for each of its own days, which others cannot tell apart.

On air: service data 0xFD68 (assigned to the authors of the SDK) of exactly 16 bytes. The first releases of the SDK put
the EphID into manufacturer data 0xABBA of a scan response or behind GATT; those are not decoded.
"""

from __future__ import annotations

from bzd.digest import hmac_sha256, sha256
from bzd.model import Identifier
from bzd.protocols import ad
from bzd.protocols.cipher import encrypt_stream, pieces
from bzd.protocols.interface import WithoutMetadata
from bzd.protocols.schedule import check_identifier, check_length, slot_of_day

NAME = "dp3t"
SERVICE = 0xFD68
"""The service UUID (Bluetooth SIG's Assigned Numbers, member service UUIDs: Ubique Innovation AG)."""
EPOCH_S = 900
"""Seconds of an epoch, the life of an EphID (reference_implementation, dp3t/config.py)."""

_KEY_BYTES = 32
_ID_BYTES = 16
_SERVICE_UUID = ad.uuid_16(SERVICE)


class Dp3t(WithoutMetadata):
    """DP-3T's low-cost design, behind the interface `bzd.protocols.interface.ProximityProtocol`."""

    name = NAME
    id_bytes = _ID_BYTES
    key_bytes = _KEY_BYTES
    interval_s = EPOCH_S
    shuffled = True
    needle = SERVICE.to_bytes(2, "little")
    """A 0xFD68 of 16, 32 or 128 bits: each has these two octets in this order."""

    def decode(self, structures: ad.AdStructures) -> Identifier | None:
        """The EphID of service data 0xFD68 of exactly 16 bytes."""
        payload = structures.service_data.get(_SERVICE_UUID)
        if payload is None or len(payload) != _ID_BYTES:
            return None
        return Identifier(NAME, payload)

    def encode(self, identifier: Identifier, *, flags: int | None = None) -> bytes:
        """UUID list and service data: 27 bytes with flags, 24 without."""
        check_identifier(identifier, NAME, _ID_BYTES, 0)
        service_data = {_SERVICE_UUID: identifier.rolling_id}
        return ad.build(flags=flags, service_uuids=(_SERVICE_UUID,), service_data=service_data)

    def rolling_ids(self, key: bytes, first: int, count: int) -> list[bytes]:
        """`count` EphIDs of one UTC day in the order of derivation, which is not that of broadcast."""
        check_length("dp3t key", key, _KEY_BYTES)
        counter = slot_of_day(first, count, EPOCH_S).to_bytes(_ID_BYTES, "big")
        stream_key = hmac_sha256(key, b"broadcast key")
        return pieces(encrypt_stream(stream_key, counter, bytes(_ID_BYTES * count)), _ID_BYTES)

    def next_key(self, key: bytes) -> bytes:
        """The daily key of the day after, 32 bytes."""
        check_length("dp3t key", key, _KEY_BYTES)
        return sha256(key)


PROTOCOL = Dp3t()
