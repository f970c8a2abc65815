# SPDX-License-Identifier: Apache-2.0
"""The command line of the test bed."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.e2e.host import cache, image, needs, program
from tests.e2e.host.machine import Disk, Guest, GuestError
from tests.e2e.host.shell import BuildError, run, step
from tests.e2e.host.suites import SUITES, Suite
from tests.e2e.host.verdict import Verdict
from tests.e2e.plan import AFTER_CUT, CUT, DEFAULT_LIMIT_S, Scenario, select

_DESCRIPTION = """\
Boot a Debian guest with the real Linux Bluetooth stack and a virtual radio, install bzd there as a user would, and run
the scenarios of tests/e2e/scenarios. Needs root, qemu and mmdebstrap; installs nothing; without them it is skipped.
Images are kept in ${XDG_CACHE_HOME:-~/.cache}/bzd-e2e (about 2 GB).
"""

_START_S = 90
"""Seconds granted to a boot; it takes 10 to 15 on two ordinary cores."""
_STATE_SIZE = "64M"
_MOUNT_STATE = "mkdir -p /var/lib/bzd && mount -o noatime /dev/vdc /var/lib/bzd || exit"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test bed; returns 0 if nothing failed, 1 if a scenario did, 2 if no guest could be built."""
    options = _parse(arguments)
    try:
        scenarios = select(options.only, everything=options.all)
    except ValueError as error:
        print(f"run: error: {error}", file=sys.stderr)
        return 2
    if options.list:
        for scenario in scenarios:
            print(f"{scenario.title}: {scenario.proves}")
        return 0
    return _run(options, scenarios)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests/e2e/run", description=_DESCRIPTION)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="what each change must pass (default)")
    extent.add_argument("--all", action="store_true", help="every scenario, with both kinds of controller")
    parser.add_argument("--suite", choices=[suite.name for suite in SUITES], help="this Debian release alone")
    parser.add_argument("--only", action="append", default=[], metavar="SCENARIO", help="this scenario; repeatable")
    parser.add_argument("--list", action="store_true", help="name the scenarios that would run, and what each proves")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep logs and recordings of the guests in DIR")
    parser.add_argument("--shell", metavar="COMMAND", help="run this command in the guest instead of scenarios")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, scenarios: Sequence[Scenario]) -> int:
    verdict = Verdict()
    needs.extend_path()
    if obstacle := needs.obstacle():
        print(f"skipped: {obstacle}")
        verdict.skipped = len(scenarios)
        print(verdict.summary())
        return 0
    try:
        with cache.reserved():
            for suite in SUITES:
                if options.suite in (None, suite.name):
                    _run_suite(suite, options, scenarios, verdict)
    except BuildError as error:
        print(f"run: error: {error}", file=sys.stderr)
        return 2
    print(verdict.summary())
    return verdict.status


def _run_suite(suite: Suite, options: argparse.Namespace, scenarios: Sequence[Scenario], verdict: Verdict) -> None:
    started = time.monotonic()
    built = image.build(suite)
    disk = program.build(built)
    step(f"{suite.name}: {built.versions}")
    shared = cache.ROOT.parent / "shared"
    guest = Guest(built, (Disk(disk),), shared.resolve() if shared.is_dir() else None)
    with _output(options.output, suite) as output:
        if options.shell is not None:
            _boot(guest, f"{options.shell}\n", output, verdict, _START_S + DEFAULT_LIMIT_S)
        else:
            _run_scenarios(guest, scenarios, output, verdict)
    step(f"{suite.name}: {time.monotonic() - started:.0f} s in all")


def _run_scenarios(guest: Guest, scenarios: Sequence[Scenario], output: Path, verdict: Verdict) -> None:
    """Run the scenarios: all in one guest, but those with a power cut, each in a guest of its own."""
    together = [scenario for scenario in scenarios if not scenario.cut]
    if together:
        titles = shlex.join(scenario.title for scenario in together)
        limit_s = _START_S + sum(scenario.limit_s for scenario in together)
        _boot(guest, f"exec python -u -m tests.e2e.guest {titles}\n", output, verdict, limit_s)
    for scenario in scenarios:
        if scenario.cut:
            state = output / "state.ext4"
            state.unlink(missing_ok=True)
            run("mke2fs", "-qF", "-t", "ext4", state, _STATE_SIZE)
            lasting = replace(guest, disks=(*guest.disks, Disk(state, kept=True)))
            for part in ("", AFTER_CUT):
                script = f"{_MOUNT_STATE}\nexec python -u -m tests.e2e.guest {part} {scenario.title}\n"
                _boot(lasting, script, output, verdict, _START_S + scenario.limit_s, CUT if not part else None)


def _boot(  # noqa: PLR0917  what to run, where, for how long, and who is told
    guest: Guest, script: str, output: Path, verdict: Verdict, limit_s: float, cut: str | None = None
) -> None:
    name, failures = guest.image.suite.name, len(verdict.failures)
    try:
        status = guest.run(script, output, limit_s, lambda text: verdict.line(name, text), cut)
    except GuestError as error:
        verdict.fail(name, str(error))
    else:
        if status and len(verdict.failures) == failures:
            verdict.fail(name, f"the guest's command ended with exit status {status}")


@contextmanager
def _output(folder: Path | None, suite: Suite) -> Iterator[Path]:
    """The folder that the guest shares with the host: the user's, or one that goes when the run ends."""
    if folder is not None:
        place = (folder / suite.name).resolve()
        place.mkdir(parents=True, exist_ok=True)
        yield place
    else:
        with tempfile.TemporaryDirectory(prefix="bzd-e2e-") as name:
            yield Path(name)
