# SPDX-License-Identifier: Apache-2.0
"""The badges that an authority knows: by label and store, with the fingerprints of their signing keys.

A file `known-badges` in the folder of the imported cases, one line for each badge: fingerprint, store's ID in hex,
label. The first file of a badge is believed (trust on first use); a label or a store that later comes with another
signing key is refused until somebody names its fingerprint.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bzd.cases.case import Case
from bzd.errors import IdentityError, InputError
from bzd.store.state import output_error, sync_directory, write_new

FILE = "known-badges"
"""In the folder of the imported cases."""
BYTES_MAX = 4 << 20
"""A line takes at most 274 bytes, so that 15,000 badges fit; a longer file is refused unread."""

_NOBODY = "unknown"
_FORMULA = ("=", "+", "-", "@")
"""What makes a cell of a CSV file a formula (OWASP, "CSV Injection")."""
_LINE = re.compile(r"([0-9a-f]{4}(?:-[0-9a-f]{4}){7}) ([0-9a-f]{32}) (.+)")


@dataclass(frozen=True, slots=True)
class Known:
    """One badge.

    Attributes:
        fingerprint: of its signing key.
        store: ID of its store, hex.
        label: its name.
    """

    fingerprint: str
    store: str
    label: str


def of(case: Case) -> Known:
    """The badge of a case."""
    return Known(case.fingerprint, case.store_id.hex(), case.label)


def called(case: Case) -> str:
    """What to call the badge of a case: as it calls itself, unless nobody could tell it from something else by that.

    A badge says of itself what its owner likes: nothing at all, the word that stands for all cases without a store
    (`bzd.cli.match_graph`), or what a spreadsheet that opens the contact graph would run as a formula.
    """
    plain = _alike(case.label)
    misleading = not plain or plain == _NOBODY or plain.startswith(_FORMULA)
    return f"store {case.store_id.hex()[:8]}" if misleading else case.label


class KnownBadges:
    """The badges known in a folder.

    Args:
        folder: of the imported cases; without a file in it nobody is known yet.

    Attributes:
        replaced: badges of which another took the label or the store, since the user named that one's fingerprint.

    Raises:
        InputError: if the file cannot be read, or makes no sense.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._known = _read(self._path)
        self._admitted: list[Known] = []
        self.replaced: list[Known] = []

    def admit(self, badge: Known, required: Collection[str], name: str) -> bool:
        """Let a badge in, and remember it once `save` is called.

        Args:
            badge: who signed.
            required: fingerprints, one of which it must have; empty where the user named none.
            name: the file, for messages.

        Returns:
            whether it was not known before.

        Raises:
            IdentityError: if it has none of the fingerprints required, its label or store is known by another, or its
                key by another store.
        """
        if required and badge.fingerprint not in required:
            raise IdentityError(f"{name} is signed by {badge.fingerprint}, not by the key you named", _ASK)
        is_new = badge not in self._known
        if is_new:
            self._take(badge, name, trusted=bool(required))
        self._admitted.append(badge)
        return is_new

    def _take(self, badge: Known, name: str, *, trusted: bool) -> None:
        others = [known for known in self._known if _contradicts(badge, known)]
        # Even a fingerprint that the user named is of one badge, and a name is not given twice at once.
        owner = next((known for known in self._known if known.fingerprint == badge.fingerprint), None)
        if others and owner is not None:
            raise _impostor(badge, owner, name)
        if others and (not trusted or any(known in self._admitted for known in others)):
            raise _changed(badge, others[0], name)
        self._known = [known for known in self._known if known not in others] + [badge]
        self.replaced += others

    def save(self) -> None:
        """Write the file anew, as a whole or not at all.

        Raises:
            OutputError: if it cannot be written.
        """
        lines = [f"{known.fingerprint} {known.store} {known.label}\n" for known in self._known]
        new = self._path.with_name(f".{FILE}.new")
        try:
            new.unlink(missing_ok=True)
            write_new(new, "".join(lines).encode())
            new.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise output_error(self._path, error) from error


_ASK = "`bzd init` printed the badge's fingerprint; name what it says with --fingerprint, never what the file says"


def _impostor(badge: Known, owner: Known, name: str) -> IdentityError:
    said = f"{name} says that it is of {badge.label}, but its signing key is that of {owner.label}"
    return IdentityError(said, "one of the two badges does not say who it is: ask for both again")


def _changed(badge: Known, other: Known, name: str) -> IdentityError:
    said = f"{name} is signed by {badge.fingerprint}, those of {other.label} before by {other.fingerprint}"
    hint = "somebody else made this file, the badge was set up anew, or two badges have one label: " + _ASK
    return IdentityError(f"THE SIGNING KEY OF {other.label} HAS CHANGED: {said}", hint)


def _contradicts(one: Known, other: Known) -> bool:
    """Whether not both can be true: a store has one signing key, a key is of one store, and a label of one badge.

    One badge may have two labels: whoever cannot open its own gives it another (`bzd.store.reader.Reader.label`).
    """
    same_store = one.store == other.store
    same_label = _alike(one.label) == _alike(other.label)
    return same_store != (one.fingerprint == other.fingerprint) or (same_label and not same_store)


def _alike(label: str) -> str:
    """A label without what people do not see, or hardly: capital letters, spaces, other ways to write a character."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def _read(path: Path) -> list[Known]:
    if not os.path.lexists(path):
        return []
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
        lines = data.decode().split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    found = [_LINE.fullmatch(line) for line in lines]
    if len(data) > BYTES_MAX or not all(found):
        raise InputError(f"{path} is damaged", "mend its lines, or remove it: then every badge is new again")
    return [Known(*match.groups()) for match in found if match]
