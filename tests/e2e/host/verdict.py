# SPDX-License-Identifier: Apache-2.0
"""What the scenarios found: their PASS, FAIL and SKIP lines, counted, and which of them cannot be believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.e2e.plan import DONE, TROUBLE

_UNFINISHED = "it did not come to its end"
_WORDS = ("PASS", "FAIL", "SKIP")


@dataclass(slots=True)
class Tally:
    """What one scenario found.

    Attributes:
        passed: number of PASS lines.
        failures: the FAIL lines, each with the suite it is from.
        skipped: number of SKIP lines.
        done: whether it came to its end.
        trouble: what was wrong with the machine meanwhile, empty if nothing.
    """

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: int = 0
    done: bool = False
    trouble: str = ""


class Verdict:
    """The tallies of all scenarios in all suites.

    Attributes:
        skipped: scenarios that no guest was there for.
        repeated: what had to be repeated, and why.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.repeated: list[str] = []
        self._tallies: dict[tuple[str, str], Tally] = {}

    @property
    def failures(self) -> list[str]:
        """All FAIL lines."""
        return [line for tally in self._tallies.values() for line in tally.failures]

    def line(self, suite: str, text: str) -> None:
        """Count a line that a guest printed, and print it with its suite before it."""
        word, _, rest = text.partition(" ")
        title = rest.partition(":")[0]
        if word in _WORDS:
            self._count(suite, title, word, text)
        elif word == DONE:
            self._end(suite, title)
        elif word == TROUBLE:
            self.doubt(suite, title, rest.partition(": ")[2])
        print(f"{suite}: {text}" if word in _WORDS else f"{suite}:   {text}", flush=True)

    def fail(self, suite: str, what: str) -> None:
        """Count and print a failure that no guest could print."""
        self.line(suite, f"FAIL {what}")

    def doubt(self, suite: str, title: str, why: str) -> None:
        """Something is wrong with the machine: failures of this scenario cannot be believed."""
        tally = self._tally(suite, title)
        tally.trouble = tally.trouble or why

    def unbelievable(self, suite: str, titles: Iterable[str]) -> dict[str, str]:
        """Those scenarios that did not come to their end, or failed on a machine in trouble, and why."""
        found = {}
        for title in titles:
            tally = self._tally(suite, title)
            if not tally.done or (tally.failures and tally.trouble):
                found[title] = tally.trouble or _UNFINISHED
        return found

    def repeat(self, suite: str, title: str, why: str) -> None:
        """A scenario will be run again: forget what it found, and say so aloud."""
        del self._tallies[suite, title]
        self.repeated.append(f"{suite}: {title}: {why}")
        print(f"{suite}: REPEATED {title}: what it found cannot be believed: {why}", flush=True)

    def settle(self, suite: str, title: str) -> None:
        """A scenario is not run another time: what it found stands, and if it did not come to its end, it failed."""
        tally = self._tally(suite, title)
        if not tally.done:
            self.fail(suite, f"{title}: {tally.trouble or _UNFINISHED}")

    def summary(self) -> str:
        """The last lines of a run: what failed, what was repeated, and the numbers."""
        tallies = self._tallies.values()
        counted = f"{sum(each.passed for each in tallies)} passed, {len(self.failures)} failed"
        skipped = self.skipped + sum(each.skipped for each in tallies)
        again = [f"repeated once: {each}" for each in self.repeated]
        return "\n".join([*self.failures, *again, f"{counted}, {skipped} skipped"])

    @property
    def status(self) -> int:
        """Exit status of a run: 0 if nothing failed."""
        return 1 if self.failures else 0

    def _tally(self, suite: str, title: str) -> Tally:
        return self._tallies.setdefault((suite, title), Tally())

    def _count(self, suite: str, title: str, word: str, text: str) -> None:
        tally = self._tally(suite, title)
        if word == "PASS":
            tally.passed += 1
        elif word == "FAIL":
            tally.failures.append(f"{suite}: {text}")
        else:
            tally.skipped += 1

    def _end(self, suite: str, title: str) -> None:
        tally = self._tally(suite, title)
        tally.done = True
        if not (tally.passed or tally.failures or tally.skipped):
            self.fail(suite, f"{title}: it made no check")
