# SPDX-License-Identifier: Apache-2.0
"""The one interface that every proximity protocol satisfies, and what several implement alike."""

from __future__ import annotations

from typing import Protocol as Interface

from bzd.model import Identifier
from bzd.protocols.ad import AdStructures


class ProximityProtocol(Interface):
    """A protocol whose rolling IDs derive from a daily key.

    To add one, put a module into `bzd.protocols` that has a `PROTOCOL` of this interface; nothing else needs to change.
    Intervals are absolute: interval `n` lasts from `n * interval_s` to `(n + 1) * interval_s` unix seconds.

    Attributes:
        name: lower case, at most 16 ASCII letters and digits; it is stored in records and never changes.
        id_bytes: length of a rolling ID.
        key_bytes: length of a daily key. A new key is that many random bytes, independent of every other.
        interval_s: seconds for which one rolling ID is derived; a day is a whole number of them.
        shuffled: whether the IDs of a day are broadcast in random order, so that an ID may be heard at any time of its
            key's day and not only in the interval that `rolling_ids` gives it for.
        needle: bytes that occur in any advertising data that `decode` recognises. Data without them is not even
            parsed, which is what makes other devices' adverts cheap; b"" looks at everything.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  described above
    @property
    def id_bytes(self) -> int: ...  # noqa: D102
    @property
    def key_bytes(self) -> int: ...  # noqa: D102
    @property
    def interval_s(self) -> int: ...  # noqa: D102
    @property
    def shuffled(self) -> bool: ...  # noqa: D102
    @property
    def needle(self) -> bytes: ...  # noqa: D102

    def decode(self, structures: AdStructures) -> Identifier | None:
        """The identifier that advertising data carries, None if it is not of this protocol."""
        ...

    def encode(self, identifier: Identifier, *, flags: int | None = None) -> bytes:
        """The advertising data that broadcasts an identifier, at most 31 bytes; `ad.parse` gives its parts.

        Args:
            identifier: what to broadcast.
            flags: the Flags octet to begin with; None leaves it out, since BlueZ adds its own.

        Raises:
            ValueError: if the identifier is another protocol's, or its rolling ID or metadata has the wrong length.
        """
        ...

    def rolling_ids(self, key: bytes, first: int, count: int) -> list[bytes]:
        """The rolling IDs of intervals `first` to `first + count - 1` under a daily key.

        Raises:
            ValueError: if the key has the wrong length, or an interval is one that the key cannot have an ID for.
        """
        ...

    def next_key(self, key: bytes) -> bytes | None:
        """The key of the following UTC day where others' keys form a chain, None where days are independent.

        Only for reading keys that others published; bzd's own days are always independent.

        Raises:
            ValueError: if the key has the wrong length.
        """
        ...

    def seal_metadata(self, key: bytes, rolling_id: bytes, tx_power: int) -> bytes:
        """The metadata to broadcast beside a rolling ID, stating a tx power in dBm; b"" where there is none.

        Raises:
            ValueError: if the key or rolling ID has the wrong length, or the tx power cannot be stated.
        """
        ...

    def open_tx_power(self, key: bytes, rolling_id: bytes, metadata: bytes) -> int | None:
        """The tx power in dBm that metadata states, None where it states none; nothing vouches for it.

        Raises:
            ValueError: if the key or rolling ID has the wrong length.
        """
        ...


class WithoutMetadata:
    """The part of a protocol that broadcasts nothing beside its rolling ID."""

    def seal_metadata(self, key: bytes, rolling_id: bytes, tx_power: int) -> bytes:  # noqa: ARG002  the interface's
        """Nothing, b""."""
        return b""

    def open_tx_power(self, key: bytes, rolling_id: bytes, metadata: bytes) -> int | None:  # noqa: ARG002
        """None: no tx power is stated."""
        return None
