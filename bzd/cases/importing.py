# SPDX-License-Identifier: Apache-2.0
"""Case files into stores of the authority: one exported store for each, with the contacts that concern cases.

What is kept of a case is decided by all keys that are known when it is imported: those of the files given together and
of the stores that are in the folder. So the contacts of a case that was imported alone are all left out, and those with
a case that came later are missing, until its file is imported again beside it; then its store is made anew. To leave
out is to lose here only: the file still has everything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from bzd.cases.case import CaseFile
from bzd.cases.known import Known, KnownBadges, called, of
from bzd.cases.opening import read_case
from bzd.errors import BzdError, OutputError
from bzd.matching.keys import DiagnosisKey
from bzd.matching.matcher import Matcher
from bzd.matching.own import own_diagnosis_keys, plausible
from bzd.model import Contact
from bzd.store.composing import Contents, compose
from bzd.store.creating import signing_fingerprint
from bzd.store.identity import Identity
from bzd.store.lock import Lock
from bzd.store.reader import open_reader
from bzd.store.records import Label
from bzd.store.state import EXPORTED_SUFFIX, STORE_FILE, make_directory, output_error, sync_directory

_NAME_MAX = 120
"""Characters of a label in a file's name: the longest name on Linux has 255 (limits.h, NAME_MAX)."""
_DIGITS = 16
"""Digits that tell one file from another: who can choose half of what they are made of finds eight of them again."""
_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a case file.

    Attributes:
        file: what it said.
        path: the store that was made of it.
        new: whether the badge was not known before.
        kept: contacts in the store.
        left_out: contacts that match no imported key.
        odd_keys: keys that no badge can have had, left out.
    """

    file: CaseFile
    path: Path
    new: bool
    kept: int
    left_out: int
    odd_keys: int


@dataclass(frozen=True, slots=True)
class Import:
    """What an import came to.

    Attributes:
        files: the case files, in order.
        incomplete: labels of the other stores in the folder: their contacts with what is new here are not kept.
        disputed: labels of badges that claim a daily key of another badge as theirs, in pairs.
        problems: what was wrong with stores that were there.
        renamed: labels that badges give themselves, and what they are called here instead.
    """

    files: Sequence[Imported]
    incomplete: Sequence[str]
    disputed: Sequence[tuple[str, str]]
    problems: Sequence[str]
    renamed: Sequence[tuple[str, str]]


def import_cases(
    paths: Sequence[Path],
    folder: Path,
    identities: Sequence[Identity],
    *,
    keep_all: bool = False,
    fingerprints: Collection[str] = (),
) -> Import:
    """Verify case files and make a store of each. If one is refused, nothing is changed.

    Args:
        paths: the files.
        folder: where the stores are, and what is known of badges; made where there is none.
        identities: open the files and the stores there; what is made is sealed to them.
        keep_all: keep also the contacts that match no imported key.
        fingerprints: of signing keys, one of which every file must have; empty to trust on first use.

    Raises:
        InputError: if a file is none, or was changed.
        IdentityError: if a file is sealed to others, or its signing key is not the one that is known or required.
        OutputError: if the folder cannot be written, or is a badge's own state directory; BusyError if another import
            is at work there.
    """
    read = [read_case(path, identities) for path in paths]
    names = dict.fromkeys((file.case.label, called(file.case)) for file in read)
    cases = {(file.case.signing_public, file.file_id): _called(file) for file in read}
    with _alone(folder):
        known = KnownBadges(folder)
        new = [known.admit(of(file.case), fingerprints, file.name) for file in cases.values()]
        there = _Stores(folder, identities, {_path(folder, file) for file in cases.values()})
        there.tell_of(known.replaced)
        owners = [(file.case.store_id, file.case.label, own_diagnosis_keys(file.case.keys)) for file in cases.values()]
        every = [key for _, _, keys in (*there.owners, *owners) for key in keys]
        made = []
        for file, is_new in zip(cases.values(), new, strict=True):
            made.append(_store(file, folder, identities, None if keep_all else every, is_new=is_new))
        known.save()
        for imported in made:
            _part(imported.path).replace(imported.path)
        sync_directory(folder)
    renamed = [(claimed, name) for claimed, name in names if claimed != name]
    return Import(made, there.labels, list(_disputes((*there.owners, *owners))), there.problems, renamed)


class _ImportLock(Lock):
    """The right to import into a folder."""

    file, doing = "import.lock", "importing into"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The folder, for one import at a time; what a killed one left is removed."""
    if os.path.lexists(folder / STORE_FILE):
        raise OutputError(
            f"{folder} is the state directory of a badge", "name a folder for imported cases with --state"
        )
    make_directory(folder)
    lock = _ImportLock(folder)
    try:
        for part in folder.glob(f".*{EXPORTED_SUFFIX}.part*"):
            part.unlink()
        yield
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        for part in folder.glob(f".*{EXPORTED_SUFFIX}.part*"):
            with suppress(OSError):
                part.unlink()
        lock.release()


class _Stores:
    """The stores that are in the folder, but for those that are made anew.

    Attributes:
        owners: store, label and keys of each.
        labels: those of them all, once each.
        problems: what could not be read.
    """

    def __init__(self, folder: Path, identities: Sequence[Identity], without: Collection[Path]) -> None:
        self.owners: list[tuple[bytes, str, list[DiagnosisKey]]] = []
        self.problems: list[str] = []
        self._names: dict[tuple[bytes, str], list[str]] = {}
        for path in sorted(set(folder.glob(f"*{EXPORTED_SUFFIX}")) - set(without)):
            try:
                with open_reader(path, identities) as reader:
                    self.owners.append((reader.store_id, reader.label, own_diagnosis_keys(reader.keys())))
                    self.problems += [f"{path.name}: {problem}" for problem in reader.problems]
                    signer = reader.store_id, signing_fingerprint(reader.signing_public)
                    self._names.setdefault(signer, []).append(path.name)
            except BzdError as error:
                self.problems.append(str(error))
        self.labels = sorted({label for _, label, _ in self.owners})

    def tell_of(self, replaced: Sequence[Known]) -> None:
        """Name the stores of badges whose place others took: they may be of somebody who only said to be them."""
        self.problems += [
            f"{name} is still there, of {known.label} by another key: delete it unless the badge was set up anew"
            for known in replaced
            for name in self._names.get((bytes.fromhex(known.store), known.fingerprint), ())
        ]


def _called(file: CaseFile) -> CaseFile:
    """A case file under the label that its badge has here."""
    return replace(file, case=replace(file.case, label=called(file.case)))


def _store(
    file: CaseFile, folder: Path, identities: Sequence[Identity], keys: Sequence[DiagnosisKey] | None, *, is_new: bool
) -> Imported:
    """Make the store of a case under a name that nobody takes for one yet."""
    case, path = file.case, _path(folder, file)
    kept = case.contacts if keys is None else concerning(case.contacts, keys)
    own = [key for key in case.keys if plausible(key)]
    label = Label(case.label, case.made, case.signing_public)
    compose(
        _part(path),
        Contents(case.store_id, label, kept, own),
        list(dict.fromkeys(identity.public for identity in identities)),
    )
    return Imported(file, path, is_new, len(kept), len(case.contacts) - len(kept), len(case.keys) - len(own))


def concerning(contacts: Sequence[Contact], keys: Iterable[DiagnosisKey]) -> list[Contact]:
    """The contacts whose rolling IDs are those of a key, at about their time (`bzd.matching.matcher.TOLERANCE_S`)."""
    matcher = Matcher({"": contacts})
    matcher.match(list(keys))
    matched = {(hit.contact.protocol, hit.contact.rolling_id) for hit in matcher.hits()}
    return [contact for contact in contacts if (contact.protocol, contact.rolling_id) in matched]


def _disputes(owners: Sequence[tuple[bytes, str, Sequence[DiagnosisKey]]]) -> Iterator[tuple[str, str]]:
    """Pairs of badges of which one says that a key of the other is its own: one of them lies."""
    first: dict[tuple[str, bytes], tuple[bytes, str]] = {}
    seen: set[tuple[bytes, bytes]] = set()
    for store, label, keys in owners:
        for key in keys:
            other, name = first.setdefault((key.protocol, key.key), (store, label))
            if other != store and (other, store) not in seen:
                seen.add((other, store))
                yield name, label


def _path(folder: Path, file: CaseFile) -> Path:
    """Where the store of a case file goes: its label, as far as it is plain, and which file it was."""
    name = _PLAIN.sub("-", file.case.label).strip("-")[:_NAME_MAX] or "badge"
    return folder / f"{name}-{sha256(file.case.signing_public + file.file_id).hexdigest()[:_DIGITS]}{EXPORTED_SUFFIX}"


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
