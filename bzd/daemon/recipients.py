# SPDX-License-Identifier: Apache-2.0
"""Whom the daemon seals to, and telling when that is not who it was: at the start, on SIGHUP, with each new segment.

A public key that a thief put beside the store opens what comes. Nobody can keep who writes to the card from that, but
the journal names every fingerprint, the day it came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bzd.errors import BzdError
from bzd.store import inspect
from bzd.store import state as layout
from bzd.store.identity import PublicKey
from bzd.store.sealing import CONTACTS, OWN_KEYS

_FOLDERS = {CONTACTS: layout.RECIPIENTS, OWN_KEYS: layout.KEY_RECIPIENTS}
_WORDS = {CONTACTS: "contacts are", OWN_KEYS: "own keys are"}

_log = logging.getLogger(__name__)


class Recipients:
    """Whom this store's segments are sealed to.

    Args:
        state: the state directory.
        sealed: whom the segments that were begun last are sealed to, by purpose; another object for each segment.
    """

    def __init__(self, state: Path, sealed: Callable[[], Mapping[int, Sequence[PublicKey]]]) -> None:
        self._state = state
        self._sealed = sealed
        self._known = self._read() or {}
        self._seen: dict[int, Sequence[PublicKey]] = {}
        self._changed = self._since_the_store_was_made()
        for text in self._changed:
            _log.warning("%s; %s", text, self._named())

    def reread(self, end_segments: Callable[[], None]) -> None:
        """Look again. If there are others now, let the next segments begin at once, and say whom they are sealed to.

        Args:
            end_segments: ends those that are sealed to the old ones.
        """
        recipients = self._read()
        if recipients is None or recipients == self._known:
            return
        try:
            end_segments()
        except BzdError as error:
            _log.error("cannot end what is sealed to the old recipients: %s", error)
        self._take(recipients)

    def follow(self) -> None:
        """Notice a segment that began with others than were known: nobody told the daemon of them."""
        begun = {purpose: keys for purpose, keys in self._sealed().items() if self._seen.get(purpose) is not keys}
        self._seen |= begun
        if any(self._known.get(purpose) != keys for purpose, keys in begun.items()):
            _log.warning("the public keys in %s changed without a word (`systemctl reload bzd`)", self._state)
            self._take(self._known | begun)

    def told(self) -> dict[str, list[str]]:
        """Fingerprints for the status, and what changed since the store was made."""
        return {
            "contacts": [key.fingerprint for key in self._known.get(CONTACTS, ())],
            "own_keys": [key.fingerprint for key in self._known.get(OWN_KEYS, ())],
            "changed": self._changed,
        }

    def _take(self, recipients: Mapping[int, Sequence[PublicKey]]) -> None:
        self._known = dict(recipients)
        self._changed = self._since_the_store_was_made()
        _log.info("from now on %s", self._named())

    def _named(self) -> str:
        return "; ".join(
            f"{_WORDS[purpose]} sealed to {', '.join(key.fingerprint for key in keys)}"
            for purpose, keys in self._known.items()
        )

    def _since_the_store_was_made(self) -> list[str]:
        try:
            return list(inspect(self._state).changes)
        except BzdError:
            return []  # the recipients cannot be read, which is said elsewhere

    def _read(self) -> dict[int, Sequence[PublicKey]] | None:
        try:
            return {purpose: layout.recipients(self._state, folder) for purpose, folder in _FOLDERS.items()}
        except BzdError as error:
            _log.error("the recipients cannot be read, so that nothing new can be sealed after midnight: %s", error)
            return None
