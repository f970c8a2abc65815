# SPDX-License-Identifier: Apache-2.0
"""What somebody with an antenna would learn from all that controllers sent: the proof that a rotation is clean.

An eavesdropper links two rolling IDs if one address carries both, and follows an address if one ID shows under two.
Scan requests count: they carry an address of the badge as well (Core specification Vol 6 Part B 2.3.2.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_FLAGS_DIGITS = 6
"""The kernel adds three octets of flags to an advertisement on an LE-only adapter, even to an empty one."""


@dataclass(slots=True)
class Span:
    """When something was on air, seconds since the radio began."""

    first: float = float("inf")
    last: float = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in a row of the radio's journal."""
        self.first, self.last = min(self.first, row["first"]), max(self.last, row["last"])


@dataclass(slots=True)
class Intercept:
    """Everything that one controller sent.

    Attributes:
        payloads: by address, the advertising data that it carried.
        addresses: by advertising data, the addresses that it was sent from.
        requests: when scan requests were sent from an address.
        types: address types seen, `public` or `random`.
    """

    payloads: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    addresses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    requests: dict[str, Span] = field(default_factory=lambda: defaultdict(Span))
    types: set[str] = field(default_factory=set)
    _shown: dict[str, Span] = field(default_factory=lambda: defaultdict(Span))
    _spans: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, on_air: Mapping[str, Iterable[Mapping[str, Any]]], hci: int) -> Intercept:
        """From the radio's answer to `on_air`, what the controller hciN sent."""
        caught = cls()
        for row in on_air["frames"]:
            if row["hci"] == hci:
                caught.payloads[row["address"]].add(row["data"])
                caught.addresses[row["data"]].add(row["address"])
                caught.types.add(row["address_type"])
                caught._shown[row["data"]].add(row)
                caught._spans[row["data"]].append((row["first"], row["last"]))
        for row in on_air["scan_requests"]:
            if row["hci"] == hci:
                caught.requests[row["own"]].add(row)
                caught.types.add(row["own_type"])
        return caught

    @property
    def ids(self) -> list[str]:
        """Advertising data with something in it: the radio's first advertisement is empty (`Advertiser.clear`)."""
        return [data for data in self.addresses if len(data) > _FLAGS_DIGITS]

    def linked(self) -> list[str]:
        """Addresses by which two IDs can be linked: in adverts, or in scan requests under the time of both."""
        in_adverts = [address for address, payloads in self.payloads.items() if len(payloads) > 1]
        return in_adverts + [address for address, span in self.requests.items() if self._during(address, span) > 1]

    def followed(self) -> list[str]:
        """Advertising data that was sent from more than one address."""
        return [data for data, addresses in self.addresses.items() if len(addresses) > 1]

    def revived_s(self) -> float:
        """The longest time in seconds for which an address carried an ID that another one had carried before."""
        revivals = (sorted(spans)[1:] for spans in self._spans.values())
        return max((last - first for spans in revivals for first, last in spans), default=0.0)

    def resolvable(self) -> list[str]:
        """Addresses other than non-resolvable private ones, which begin with 00 (Vol 6 Part B 1.3.2.2)."""
        return [address for address in (*self.payloads, *self.requests) if int(address[:2], 16) >> 6]

    def _during(self, address: str, span: Span) -> int:
        """How many IDs were on air while an address sent scan requests, the one of its own adverts included."""
        shown = {data: self._shown[data] for data in self.ids}
        meanwhile = {data for data, each in shown.items() if each.first <= span.last and span.first <= each.last}
        return len(meanwhile | self.payloads.get(address, set()))
