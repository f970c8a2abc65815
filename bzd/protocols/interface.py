# SPDX-License-Identifier: Apache-2.0
"""The one interface that every proximity protocol satisfies."""

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
        key_bytes: length of a daily key.
        interval_s: seconds for which one rolling ID is derived; a day is a whole number of them.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  described above
    @property
    def id_bytes(self) -> int: ...  # noqa: D102
    @property
    def key_bytes(self) -> int: ...  # noqa: D102
    @property
    def interval_s(self) -> int: ...  # noqa: D102

    def decode(self, ad: AdStructures) -> Identifier | None:
        """The identifier that this advertising data carries, None if it is not of this protocol."""
        ...

    def encode(self, identifier: Identifier, *, flags: int | None = None) -> bytes:
        """The advertising data that broadcasts an identifier, at most 31 bytes.

        Args:
            identifier: what to broadcast.
            flags: the Flags octet to begin with; None leaves it out, since BlueZ adds its own.
        """
        ...

    def rolling_ids(self, key: bytes, first: int, count: int) -> list[bytes]:
        """The rolling IDs of intervals `first` to `first + count - 1` under a daily key.

        Raises:
            ValueError: if the key has the wrong length.
        """
        ...

    def seal_metadata(self, key: bytes, rolling_id: bytes, tx_power: int) -> bytes:
        """The metadata to broadcast beside a rolling ID, stating a tx power in dBm; b"" where there is none."""
        ...

    def open_tx_power(self, key: bytes, rolling_id: bytes, metadata: bytes) -> int | None:
        """The tx power in dBm that metadata states, None where it states none."""
        ...
