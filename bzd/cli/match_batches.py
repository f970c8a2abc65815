# SPDX-License-Identifier: Apache-2.0
"""Batches of key files: an authority with many keys splits them, and who matches a part of them misses cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bzd.cli import output

if TYPE_CHECKING:  # protobuf takes 30 ms to load
    from bzd.matching.keyfile import KeyFile, SignatureInfo


class _Batch(NamedTuple):
    """What the files of one batch have in common (export.proto: each states the same time, region and number)."""

    start: float
    end: float
    region: str
    size: int
    signers: tuple[SignatureInfo, ...]


class Batches:
    """The files that were read, by the batch that they state."""

    def __init__(self) -> None:
        self._seen: dict[_Batch, dict[int, str]] = {}

    def add(self, file: KeyFile) -> None:
        """Note a file."""
        batch = _Batch(file.start, file.end, file.region, file.batch_size, file.signers)
        self._seen.setdefault(batch, {})[file.batch_num] = file.name

    def tell_missing(self) -> None:
        """Warn of each batch of which files are missing. A file may state any number: only what was read is counted."""
        for batch, names in self._seen.items():
            if 0 < len(names) < batch.size:
                first = Path(next(iter(names.values()))).name
                output.warning(
                    f"{first} is of a batch of {batch.size:,} files, of which only {len(names):,} "
                    f"{'is' if len(names) == 1 else 'are'} here: the others hold other keys, match them too"
                )
