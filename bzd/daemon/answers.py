# SPDX-License-Identifier: Apache-2.0
"""Answers to requests: each is honoured once, some are answered only when the radio has done its part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

PATIENCE_S = 2.5
"""How long the radio has, so that with the 2 s until a request is seen 5 s suffice in all; a rotation takes well under
one."""

Request = tuple[int, str]
"""Its number and its verb, as in `bzd.store.requests`: numbers come again, but not at once with the same verb."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An answer that depends on the radio.

    Attributes:
        kept: whether the radio has done it.
        yes: the answer once it has.
        no: the answer where it takes too long.
    """

    kept: Callable[[], bool]
    yes: str
    no: str


class Answers:
    """What became of the requests that nobody has been told about yet.

    Args:
        honour: does what a verb asks for; gives the answer, or what it depends on.
    """

    def __init__(self, honour: Callable[[str], Promise | str]) -> None:
        self._honour = honour
        self._begun: dict[Request, tuple[Promise, float] | str] = {}

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for the radio."""
        return any(not isinstance(begun, str) for begun in self._begun.values())

    def due(self, requests: Sequence[Request], boot: float) -> Iterator[tuple[int, str]]:
        """Honour what is new, and give what can be answered.

        An answer is given until its request is no longer among them: one that could not be written (a card that is
        full) has nothing done a second time. A request that is not there any more was withdrawn, and is forgotten.

        Args:
            requests: all that stand.
            boot: boottime now.

        Yields:
            number and answer.

        Raises:
            BzdError: if one cannot be honoured; it stands, and is tried again.
        """
        self._begun = {request: self._begun[request] for request in requests if request in self._begun}
        for request in requests:
            if (answer := self._answer(request, boot)) is not None:
                self._begun[request] = answer
                yield request[0], answer

    def _answer(self, request: Request, boot: float) -> str | None:
        if request not in self._begun:
            begun = self._honour(request[1])
            self._begun[request] = begun if isinstance(begun, str) else (begun, boot + PATIENCE_S)
        known = self._begun[request]
        if isinstance(known, str):
            return known
        promise, until = known
        if promise.kept():
            return promise.yes
        return None if boot < until else promise.no
