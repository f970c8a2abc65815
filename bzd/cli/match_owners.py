# SPDX-License-Identifier: Apache-2.0
"""Whose keys they are: what the stores that are matched say of their own badges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bzd.cli import output
from bzd.cli.reading import Reading
from bzd.errors import IdentityError

if TYPE_CHECKING:  # protobuf and cryptography take 70 ms to load
    from bzd.matching.keys import DiagnosisKey


@dataclass(frozen=True, slots=True)
class Owners:
    """The own keys of the stores.

    Attributes:
        labels: label of the badge by protocol and daily key; of all, where several say that a key is theirs.
        keys: the keys, as if they were published.
    """

    labels: Mapping[tuple[str, bytes], str]
    keys: Sequence[DiagnosisKey]


def owners(stores: Reading) -> Owners:
    """Whose keys they are, as far as the identities open own keys."""
    from bzd.matching.own import own_diagnosis_keys  # noqa: PLC0415  see above

    claims: dict[tuple[str, bytes], set[str]] = {}
    keys: list[DiagnosisKey] = []
    for reader in stores.readers:
        try:
            own = own_diagnosis_keys(reader.keys())
        except IdentityError:
            output.warning(f"{reader.label}: its own keys are sealed to others, so that it can be no case by name")
            continue
        keys += own
        for key in own:
            claims.setdefault((key.protocol, key.key), set()).add(reader.label)
    return Owners({name: " or ".join(sorted(labels)) for name, labels in claims.items()}, keys)
