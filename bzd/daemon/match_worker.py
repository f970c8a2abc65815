# SPDX-License-Identifier: Apache-2.0
"""Matches key files for the daemon, as a process of its own: `python -m bzd.daemon.match_worker`.

What it does takes ten times the daemon's memory and reads what strangers wrote. So it has limits of its own, gives way
to everything else, has no part in the daemon's life, and dies with it. It reads one request from stdin, a JSON object::

    state, folder    the state directory, and the folder that the files are in
    names            of the files to look at
    now, clock_right the wall clock, UTC unix seconds, and whether that is known to be right
    config           the configuration: values by section and key

and says on stdout, a JSON object a line, what comes of it::

    {"at": NAME}                                   it begins with a file
    {"read": NAME, "again_s": …, "new": …, "said": […]}
                                                   the file is matched; when it must be again, in seconds, null for
                                                   never; whether it was not before; what was left out of it, in words
    {"refused": NAME, "why": …}                    the file cannot be used
    {"high": […], "withdrawn": […]}                days of high risk, and days that were but for keys since revoked
    {"again": true}                                another process is to go on with the rest; the end
    {"busy": true}                                 another matches; the end
    {"error": …, "hint": …}                        the store or the configuration cannot be used; the end
    {"done": true}                                 the end

Nothing of it names anybody: no key, no ID, no contact.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isinf
from pathlib import Path
from typing import Any

from bzd import config, lineage, memory
from bzd.errors import BusyError, BzdError, InputError, PassphraseError
from bzd.matching.configured import configured
from bzd.matching.kept import Kept, Taken, open_kept
from bzd.matching.parallel import Progress
from bzd.store import state as layout

MEMORY_BYTES = 320 << 20
"""Most data of this process. It was seen to take 50 MB by itself, 93 MB with 28,000 contacts (of 14 days, 2,000 a day),
and 180 MB more for a file of 500,000 keys, the most that there are."""

_RESERVE = [mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)]
"""Given up where memory has run out, so that there is some to say that with: Python needs it for each step, that of
handling the error included. Never written to, so that it is a number in the limit and no memory."""
_NICEST = 19
_OOM_FIRST = "1000"
"""Of proc(5), /proc/[pid]/oom_score_adj: where memory runs out, this process goes first and not the daemon."""
_LONGEST = 300
"""Characters of a message; the rest is of no use to anybody."""


def main() -> None:
    """Do what the request on stdin asks for."""
    rest = not stay_small()
    try:
        for said in _run(json.load(sys.stdin), _Rest() if rest else None):
            _say(said)
    except BusyError:
        _say({"busy": True})
    except PassphraseError as error:
        hint = "nobody types it on a badge: give it an identity of its own without one, by `bzd keygen -o badge.key`"
        _say({"error": _short(str(error)), "hint": hint})
    except BzdError as error:
        _say({"error": _short(str(error)), "hint": error.hint})
    except MemoryError:
        _RESERVE.clear()
        hint = "fewer contacts are kept with a shorter store.retention_days"
        _say({"error": "matching takes more memory than it may have", "hint": hint})


def _say(said: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def stay_small() -> bool:
    """Die with the daemon, keep what is secret out of swap, and let everything else go first; as far as that goes.

    Returns:
        whether everything else does go first; the sandbox of the service lets nobody set a priority.
    """
    lineage.die_with_parent()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_FIRST, encoding="ascii")
    memory.lock()
    _limit_memory(MEMORY_BYTES)
    try:
        os.nice(_NICEST)
    except OSError:
        return False
    return True


class _Rest:
    """Rests as long as it took, each time that some keys are done."""

    def __init__(self) -> None:
        self._worked = time.process_time()

    def __call__(self, _: int) -> None:
        worked = time.process_time()
        time.sleep(worked - self._worked)
        self._worked = worked


def _limit_memory(most: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _run(request: Mapping[str, Any], progress: Progress | None) -> Iterator[Mapping[str, Any]]:
    state = Path(request["state"])
    how = replace(configured(config.of(request["config"], "the daemon")), processes=1)
    identities = layout.load_identities(state)
    with open_kept(state, identities, how, now=request["now"], clock_right=request["clock_right"]) as kept:
        yield _standing(kept)
        for name in request["names"]:
            yield {"at": name}
            try:
                said = _file(kept, Path(request["folder"], name), request["now"], progress)
            except MemoryError:
                # Much of what it took is not given back to others of this process.
                _RESERVE.clear()
                yield {"refused": name, "why": "it takes more memory than it may have"}
                yield {"again": True}
                return
            yield said
            if said.get("new"):
                yield _standing(kept)
    yield {"done": True}


def _file(kept: Kept, path: Path, now: float, progress: Progress | None) -> Mapping[str, Any]:
    try:
        taken = kept.take(path, progress=progress)
    except InputError as error:
        # The daemon says which file it is.
        return {"refused": path.name, "why": _short(str(error).replace(str(path), "the file"))}
    again_s = None if isinf(taken.again_at) else taken.again_at - now
    return {"read": path.name, "again_s": again_s, "new": taken.read, "said": _left_out(taken)}


def _left_out(taken: Taken) -> Sequence[str]:
    return [f"{number} left out: {reason}" for reason, number in sorted(taken.skipped.items())]


def _standing(kept: Kept) -> Mapping[str, Any]:
    standing = kept.standing()
    return {
        "high": sorted(day.date.isoformat() for day in standing.high),
        "withdrawn": sorted(day.date.isoformat() for day in standing.withdrawn),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


if __name__ == "__main__":
    main()
