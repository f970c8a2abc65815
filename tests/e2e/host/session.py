# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios in guests, and tells a failed check from a machine that failed: that is repeated once, aloud."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.e2e.host.machine import Disk, Guest, GuestError
from tests.e2e.host.shell import run
from tests.e2e.host.verdict import Verdict
from tests.e2e.plan import AFTER_CUT, CUT, Scenario

_STATE_SIZE = "64M"
_MOUNT_STATE = "mkdir -p /var/lib/bzd && mount -o noatime /dev/vdc /var/lib/bzd || exit"
_MARGIN_S = 30.0
"""Seconds that a guest may take beyond the limits that it keeps itself."""
_LOAD_MAX = 2.0
"""Processes per processor that want to run; the guest alone makes 1 of 2 processors."""


class Session:
    """Guests of one suite.

    Args:
        guest: what a guest is made of.
        output: folder shared with the guests.
        verdict: told what they find.
    """

    def __init__(self, guest: Guest, output: Path, verdict: Verdict) -> None:
        self._guest = guest
        self._output = output
        self._verdict = verdict
        self._suite = guest.image.suite.name

    def shell(self, command: str, limit_s: float) -> None:
        """Run one command in a guest; it fails if its exit status is not 0."""
        try:
            status = self._boot(self._guest, f"{command}\n", limit_s)
        except GuestError as error:
            self._verdict.fail(self._suite, str(error))
        else:
            if status:
                self._verdict.fail(self._suite, f"the guest's command ended with exit status {status}")

    def scenarios(self, scenarios: Sequence[Scenario]) -> None:
        """Run scenarios: all in one guest, but those with a power cut, each in a guest of its own."""
        together = [scenario for scenario in scenarios if not scenario.cut]
        for group in [together] * bool(together) + [[scenario] for scenario in scenarios if scenario.cut]:
            self._run(group)
            again = self._verdict.unbelievable(self._suite, [scenario.title for scenario in group])
            for title, why in again.items():
                self._verdict.repeat(self._suite, title, why)
            repeated = [scenario for scenario in group if scenario.title in again]
            if repeated:
                self._run(repeated)
            for title in again:
                self._verdict.settle(self._suite, title)

    def _run(self, group: Sequence[Scenario]) -> None:
        try:
            if group[0].cut:
                self._run_cut(group[0])
            else:
                titles = shlex.join(scenario.title for scenario in group)
                self._scenario_guest(self._guest, titles, sum(scenario.limit_s for scenario in group))
        except GuestError as error:
            for scenario in group:
                self._verdict.doubt(self._suite, scenario.title, str(error))

    def _run_cut(self, scenario: Scenario) -> None:
        state = self._output / "state.ext4"
        state.unlink(missing_ok=True)
        run("mke2fs", "-qF", "-t", "ext4", state, _STATE_SIZE)
        lasting = replace(self._guest, disks=(*self._guest.disks, Disk(state, kept=True)))
        ended = self._scenario_guest(lasting, scenario.title, scenario.limit_s, cut=CUT, before=f"{_MOUNT_STATE}\n")
        if ended is not None:
            self._verdict.fail(self._suite, f"{scenario.title}: it ended, and its power had not failed")
            return
        self._scenario_guest(lasting, f"{AFTER_CUT} {scenario.title}", scenario.limit_s, before=f"{_MOUNT_STATE}\n")

    def _scenario_guest(
        self, guest: Guest, words: str, limit_s: float, *, cut: str | None = None, before: str = ""
    ) -> int | None:
        return self._boot(guest, f"{before}exec python -u -m tests.e2e.guest {words}\n", limit_s, cut)

    def _boot(self, guest: Guest, script: str, limit_s: float, cut: str | None = None) -> int | None:
        return guest.run(script, self._output, limit_s + _MARGIN_S, self._line, cut)

    def _line(self, text: str) -> None:
        self._verdict.line(self._suite, text)
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        if text.startswith("FAIL ") and load > _LOAD_MAX:
            title = text.removeprefix("FAIL ").partition(":")[0]
            self._verdict.doubt(self._suite, title, f"{load:.1f} processes per processor of the host want to run")
