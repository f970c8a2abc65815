# SPDX-License-Identifier: Apache-2.0
"""Trying the radio out, for `bzd doctor --radio` and `bzd install-service`: run it, keep the verdict, tell of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bzd.cli import output, table
from bzd.errors import RadioError, StateError

if TYPE_CHECKING:
    from bzd.doctor.airwaves import Seen
    from bzd.doctor.trial import Attempt, Trial


def look(state: Path, adapter: str) -> Trial:
    """Try every way of using an adapter, beside a badge that is paused for it, and keep the verdict.

    Args:
        state: the state directory, with a store.
        adapter: name, for example `hci0`.

    Raises:
        RadioError: if this cannot be done: not root, no btmon, no adapter, or one in use.
        StateError: if there is no store.
        BusyError: if the badge does not answer.
        OutputError: if the verdict cannot be kept.
    """
    import asyncio  # noqa: PLC0415  takes 60 ms to load

    from bzd.doctor import quiet, trial  # noqa: PLC0415  needs all of the radio
    from bzd.radio import verdict  # noqa: PLC0415  see above
    from bzd.store.state import STORE_FILE  # noqa: PLC0415  see above

    if os.geteuid() != 0:
        raise RadioError("only root can see what the radio sends", "run it again with sudo")
    if not (state / STORE_FILE).exists():
        raise StateError(f"there is no store in {state}, beside which the verdict is kept")
    output.note(f"trying every way of using {adapter}, which takes about a minute; a badge that runs is paused for it")
    with quiet.badge_paused(state):
        found = asyncio.run(trial.run(adapter, time.time()))
        verdict.keep(state, found.verdict)
    return found


def as_json(found: Trial) -> dict[str, Any]:
    """What a trial found, without any address."""
    return {
        "setup": str(found.verdict.setup),
        "firmware": found.firmware,
        "outcomes": dict(found.verdict.outcomes),
        "attempts": [
            {
                "way": attempt.way,
                "scan_first": attempt.scan_first,
                "ids": len(seen.sent_from),
                "addresses": len(seen.carried),
                "scan_request_addresses": len(seen.beside),
                "linked": seen.linked,
                "staying": sorted(seen.staying),
                "failed": {f"{opcode:#06x} {status:#04x}": count for (opcode, status), count in seen.failed.items()},
                "refused": attempt.refused or attempt.impossible,
            }
            for attempt, seen in found.rows
        ],
    }


def show(found: Trial) -> None:
    """A table of what was tried, on stdout."""
    columns = [
        *(table.Column(title) for title in ("way", "begins with", "outcome")),
        *(table.Column(title, right=True) for title in ("IDs", "addresses", "failed commands")),
        table.Column("what an eavesdropper learns"),
    ]
    table.show(columns, [_cells(attempt, seen, extended=found.extended) for attempt, seen in found.rows])
    output.line()


def _cells(attempt: Attempt, seen: Seen, *, extended: bool) -> list[str]:
    from bzd.doctor.trial import used_by_badge  # noqa: PLC0415  see above

    used = used_by_badge(attempt.way, scan_first=attempt.scan_first, extended=extended)
    begins = "-" if attempt.way == "advertising" else f"{'scan' if attempt.scan_first else 'ID'}{' *' if used else ''}"
    counts = (len(seen.sent_from), len({*seen.carried, *seen.beside}), sum(seen.failed.values()))
    return [attempt.way, begins, _outcome(attempt, seen), *map(str, counts), _learnt(seen)]


def _outcome(attempt: Attempt, seen: Seen) -> str:
    if seen.staying:
        return "leaky"
    if attempt.refused or attempt.impossible:
        return "refused"
    return "cannot rotate" if seen.linked else "clean"


def _learnt(seen: Seen) -> str:
    learnt = [f"an address that stays, from {' and '.join(sorted(seen.staying))}"] if seen.staying else []
    learnt += [f"{seen.linked} times, which IDs belong together"] if seen.linked else []
    learnt += ["scan requests: somebody listens here"] if seen.beside and not seen.staying else []
    return "; ".join(learnt) or "nothing"
