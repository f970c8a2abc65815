# SPDX-License-Identifier: Apache-2.0
"""The command line of the test bed."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.host import cache, image, needs, program
from tests.e2e.host.machine import Disk, Guest
from tests.e2e.host.session import Session
from tests.e2e.host.shell import BuildError, UnavailableError, step
from tests.e2e.host.suites import SUITES, Suite
from tests.e2e.host.verdict import Verdict
from tests.e2e.plan import DEFAULT_LIMIT_S, Scenario, select

_DESCRIPTION = """\
Boot a Debian guest with the real Linux Bluetooth stack and a virtual radio, install bzd there as a user would, and run
the scenarios of tests/e2e/scenarios. Needs root, qemu and mmdebstrap; installs nothing; without them it is skipped.
Images are kept in ${XDG_CACHE_HOME:-~/.cache}/bzd-e2e (about 2 GB).
"""


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
    suites = [suite for suite in SUITES if options.suite in (None, suite.name)]
    # Whoever ends this run ends its guest with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    needs.extend_path()
    if obstacle := needs.obstacle():
        print(f"skipped: {obstacle}")
        verdict.skipped = len(scenarios) * len(suites)
        print(verdict.summary())
        return 0
    try:
        with cache.reserved():
            for suite in suites:
                _try_suite(suite, options, scenarios, verdict)
    except BuildError as error:
        print(f"run: error: {error}", file=sys.stderr)
        return 2
    print(verdict.summary())
    return verdict.status


def _try_suite(suite: Suite, options: argparse.Namespace, scenarios: Sequence[Scenario], verdict: Verdict) -> None:
    """Run a suite, or skip it where what its image is made of cannot be had."""
    try:
        _run_suite(suite, options, scenarios, verdict)
    except UnavailableError as error:
        print(f"skipped: {suite.name}: {error}")
        verdict.skipped += len(scenarios)


def _run_suite(suite: Suite, options: argparse.Namespace, scenarios: Sequence[Scenario], verdict: Verdict) -> None:
    started = time.monotonic()
    built = image.build(suite)
    disk = program.build(built)
    step(f"{suite.name}: {built.versions}")
    shared = cache.ROOT.parent / "shared"
    guest = Guest(built, (Disk(disk),), shared.resolve() if shared.is_dir() else None)
    with _output(options.output, suite) as output:
        session = Session(guest, output, verdict)
        if options.shell is not None:
            session.shell(options.shell, DEFAULT_LIMIT_S)
        else:
            session.scenarios(scenarios)
    step(f"{suite.name}: {time.monotonic() - started:.0f} s in all")


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
