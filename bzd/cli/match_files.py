# SPDX-License-Identifier: Apache-2.0
"""The key files that a command line names: which there are, and reading them one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from bzd.cli import output
from bzd.errors import InputError

if TYPE_CHECKING:  # protobuf and cryptography take 70 ms to load
    from bzd.matching.keyfile import KeyFile
    from bzd.matching.signing import VerifyKey

T = TypeVar("T")

SUFFIXES = (".zip", ".bin")
"""What key files in a folder end in: archives, and export.bin alone."""


class Source(NamedTuple):
    """A file that holds keys of cases.

    Attributes:
        path: where it is.
        bluezone: whether it is a case message of Bluezone.
    """

    path: Path
    bluezone: bool = False


def named(paths: Iterable[Path], bluezone: Iterable[Path]) -> list[Source]:
    """The files that are meant: a folder stands for the key files in it, in order of their names.

    Raises:
        InputError: if a folder cannot be read, or there are no key files in it.
    """
    found = [file for path in paths for file in _files(path)]
    return [*(Source(path) for path in found), *(Source(path, bluezone=True) for path in bluezone)]


def _files(path: Path) -> list[Path]:
    if not os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises where a folder above may not be entered
        return [path]
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208  only names are wanted
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    # Hidden ones are those that a download has not finished; what is no file (a pipe) would be waited for.
    plain = (name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))
    found = [path / name for name in plain if os.path.isfile(path / name)]  # noqa: PTH113  as above
    if not found:
        raise InputError(f"there are no key files in {path}", f"their names end in {' or '.join(SUFFIXES)}")
    return found


def trusted(texts: Iterable[str]) -> list[VerifyKey]:
    """The public keys that `--verify-key` names.

    Raises:
        InputError: if one cannot be read, or is none.
    """
    from bzd.matching.signing import parse_verify_key  # noqa: PLC0415  see above

    return [parse_verify_key(text) for text in texts]


def require_trust(keys: Sequence[VerifyKey]) -> None:
    """Refuse before anything is fetched what could not be verified afterwards.

    Raises:
        InputError: if there is no key.
    """
    from bzd.matching.keyfile import UNSIGNED_HINT  # noqa: PLC0415  see above

    if not keys:
        raise InputError("what a feed gives could not be verified: no key to verify it with", UNSIGNED_HINT)


def read(source: Source, keys: Sequence[VerifyKey], now: float, *, allow_unsigned: bool) -> KeyFile:
    """Read and verify a file; a case message of Bluezone has no signature. Keys that begin after `now` are left out.

    Raises:
        InputError: if it is no such file, or does not verify.
    """
    from bzd.matching.case_message import read_case_message  # noqa: PLC0415  see above
    from bzd.matching.keyfile import read_key_file  # noqa: PLC0415  see above

    if source.bluezone:
        return read_case_message(source.path).begun(now)
    return read_key_file(source.path, keys, allow_unsigned=allow_unsigned).begun(now)


def tell_skipped(name: str, skipped: Mapping[str, int]) -> None:
    """Say what a file holds that was left out: reason and number."""
    for reason, number in sorted(skipped.items()):
        output.warning(f"{name}: {number:,} left out: {reason}")


class Reading(Generic[T]):
    """What is read of each file, one after the other; what is refused is said, and the rest is read all the same.

    One is in memory at a time if whoever iterates lets go of each before it asks for the next.

    Args:
        sources: the files.
        reader: reads one of them.

    Attributes:
        refused: why files were refused, so far.
        done: number of files that were read, so far.
    """

    def __init__(self, sources: Sequence[Source], reader: Callable[[Source], T]) -> None:
        self._sources = sources
        self._reader = reader
        self.refused: list[InputError] = []
        self.done = 0

    def __iter__(self) -> Iterator[T]:
        for source in self._sources:
            try:
                found = self._reader(source)
            except InputError as error:
                self.refused.append(error)
                if len(self._sources) > 1:
                    output.warning(f"refused: {error}")
                continue
            self.done += 1
            yield found
            # A file may take 200 MB: it must be gone before the next one is read.
            del found

    def require_some(self) -> None:
        """Refuse to say anything if nothing could be read.

        Raises:
            InputError: the first that was met.
        """
        if not self.done and self.refused:
            raise self.refused[0]

    def require_all(self) -> None:
        """Say at the end that what was shown is not all.

        Raises:
            InputError: if a file was refused.
        """
        if self.refused:
            number = f"{len(self.refused)} of {len(self._sources)} files were refused"
            raise InputError(f"{number}; what is shown is without them", self.refused[0].hint)
