# SPDX-License-Identifier: Apache-2.0
"""Bluezone version 3, the Vietnamese contact tracing app of August 2020.

Key schedule, from the published sources of the app (BluezoneGlobal/react-native-bluetooth-scan,
BluezoneIdGenerator.java) and confirmed by a capture of it::

    D[0] = 32 random bytes                       the app's base key, of the UTC day on which it was installed
    D[d] = SHA-256(D[d - 1])                     the daily key of the d-th day after it
    S[0] = SHA-256(D[d] || "bluzonesubkey")      (so spelled)
    S[i] = SHA-256(S[i - 1])                     slot i of 96, 900 s each, from UTC midnight
    ID   = bytes 0, 4, 8, 12, 16, 18, 20, 22, 24, 26, 28 and 30 of S[i]

Who has one daily key has all later ones. bzd therefore takes fresh random bytes for each of its own days, a chain of
length one, which other implementations cannot tell apart; `next_key` is for reading the keys of others.

On air from Android, connectable, 20 bytes and flags::

    02 01 02                     flags; as the phone sets them
    0F FF B5 22 <ID 12>          manufacturer data, company 0x22B5
    03 03 56 4E                  complete list of 16-bit service UUIDs: 0x4E56, "VN"

A receiver wants both the UUID in a list and exactly 12 bytes of the company's data. An iPhone advertises the name
"Bluezone" and the service 00004E56-73F5-4BC4-A12F-17D1AD07A667, and gives its ID only to who connects and reads
characteristic 00004E56-73F5-4BC4-A12F-17D1AD07A689: no ID is in its adverts, so there is nothing to decode.

Other generations, which are not decoded or derived here:

- version 1 (April 2020) has one static ID of 6 ASCII characters from `java.util.Random` seeded with the time, sent as
  `09 FF B5 22 <6>` with the 128-bit service E20A39F4-73F5-4BC4-A12F-17D1AD07A889. It does not roll: logging it would be
  logging a device address.
- version 2 (May 2020) looks on air as version 3 does, so its IDs are sighted, but it has 144 slots of 600 s, hashes one
  day fewer (D[1] = D[0]) and derives the IDs of its first day from a key that it does not keep. Published keys of it
  (`"max": 144`) therefore match nothing here.
"""

from __future__ import annotations

from bzd.digest import sha256
from bzd.model import Identifier
from bzd.protocols import ad
from bzd.protocols.interface import WithoutMetadata
from bzd.protocols.schedule import check_identifier, check_length, slot_of_day

NAME = "bluezone"
SERVICE = 0x4E56
"""The service UUID (AppConstants.java)."""
COMPANY = 0x22B5
"""The company identifier of its manufacturer data, 8885 (AppConstants.java)."""
SLOT_S = 900
"""Seconds of a slot: 96 a day (MAX_NUMBER_SUB_KEY_PER_DAY in BluezoneIdConstants.java)."""

_KEY_BYTES = 32
_ID_BYTES = 12
_SALT = b"bluzonesubkey"
_SERVICE_UUID = ad.uuid_16(SERVICE)
_SERVICE_BYTES, _COMPANY_BYTES = SERVICE.to_bytes(2, "little"), COMPANY.to_bytes(2, "little")


class Bluezone(WithoutMetadata):
    """Bluezone version 3, behind the interface `bzd.protocols.interface.ProximityProtocol`."""

    name = NAME
    id_bytes = _ID_BYTES
    key_bytes = _KEY_BYTES
    interval_s = SLOT_S
    shuffled = False
    needle = _COMPANY_BYTES
    """Company identifiers travel as these two octets always."""

    def decode(self, structures: ad.AdStructures) -> Identifier | None:
        """The ID of 12 bytes of manufacturer data 0x22B5 beside service 0x4E56."""
        payload = structures.manufacturer_data.get(COMPANY)
        if payload is None or len(payload) != _ID_BYTES or _SERVICE_UUID not in structures.service_uuids:
            return None
        return Identifier(NAME, payload)

    def encode(self, identifier: Identifier, *, flags: int | None = None) -> bytes:
        """The 23 bytes with flags, 20 without, in Android's order: manufacturer data, then UUIDs."""
        check_identifier(identifier, NAME, _ID_BYTES, 0)
        return (
            ad.build(flags=flags)
            + ad.structure(ad.MANUFACTURER_DATA, _COMPANY_BYTES + identifier.rolling_id)
            + ad.structure(ad.UUIDS_16_COMPLETE, _SERVICE_BYTES)
        )

    def rolling_ids(self, key: bytes, first: int, count: int) -> list[bytes]:
        """The IDs of `count` slots of one UTC day."""
        import hashlib  # noqa: PLC0415  fast for so many, and loaded by whoever speaks this protocol only

        check_length("bluezone key", key, _KEY_BYTES)
        skipped = slot_of_day(first, count, SLOT_S)
        ids, state = [], key + _SALT
        for slot in range(skipped + count):
            state = hashlib.sha256(state).digest()
            if slot >= skipped:
                ids.append(state[0:16:4] + state[16::2])
        return ids

    def next_key(self, key: bytes) -> bytes:
        """The daily key of the day after, 32 bytes."""
        check_length("bluezone key", key, _KEY_BYTES)
        return sha256(key)


PROTOCOL = Bluezone()
