# SPDX-License-Identifier: Apache-2.0
"""What the scenarios found: their PASS, FAIL and SKIP lines, counted."""

from __future__ import annotations

from dataclasses import dataclass, field

_WORDS = ("PASS", "FAIL", "SKIP")


@dataclass(slots=True)
class Verdict:
    """Checks that passed, failed and were skipped, over all guests.

    Attributes:
        passed: number of PASS lines.
        failures: the FAIL lines, each with the suite it is from.
        skipped: number of SKIP lines.
    """

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: int = 0

    def line(self, suite: str, text: str) -> None:
        """Count a line that a guest printed, and print it with its suite before it."""
        word = text.partition(" ")[0]
        if word == "PASS":
            self.passed += 1
        elif word == "FAIL":
            self.failures.append(f"{suite}: {text}")
        elif word == "SKIP":
            self.skipped += 1
        print(f"{suite}: {text}" if word in _WORDS else f"{suite}:   {text}", flush=True)

    def fail(self, suite: str, what: str) -> None:
        """Count and print a failure that no guest could print."""
        self.line(suite, f"FAIL {what}")

    def summary(self) -> str:
        """The last line of a run."""
        return f"{self.passed} passed, {len(self.failures)} failed, {self.skipped} skipped"

    @property
    def status(self) -> int:
        """Exit status of a run: 0 if nothing failed."""
        return 1 if self.failures else 0
