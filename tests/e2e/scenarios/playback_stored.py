# SPDX-License-Identifier: Apache-2.0
"""A trace played to a running `bzd run` leaves the contacts in its store that `bzd replay` finds in the trace."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from bzd.model import Advertisement
from bzd.traces import open_trace
from bzd.traces.writer import JsonlWriter
from tests.e2e.guest import bluez, played, walk, wall
from tests.e2e.guest.badge import BZD
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.daemon import Daemon

LIMIT_S = 240.0

_FOLDER = Path("/run")
_NOON = 1_800_014_400.0
"""2027-01-15T12:00:00Z; a contact is cut at midnight, which the trace knows nothing of."""
_STATUS_S = 3.0
"""After so long what the badge says of itself holds all that was played."""


class Logged(NamedTuple):
    """What of a contact must agree: when it was (seconds since the first of all), its length, sightings, peak."""

    start: float
    end: float
    duration_s: float
    sightings: int
    rssi_max: int


async def run(bed: Bed) -> None:
    """Run it."""
    walked, trace = _FOLDER / "walk.jsonl", _FOLDER / "trace.jsonl"
    walk.write(walked, played.WALK_S)
    parts = [_from_noon(open_trace(str(walked)))]
    if played.CAPTURE.is_file():
        parts.append(_hurried(played.CAPTURE))
    else:
        bed.skip("a phone's capture is played", played.NO_CAPTURE)
    _write(trace, heapq.merge(*parts, key=attrgetter("time")))
    await bed.start(1)
    with wall.put_right():
        wall.serve(_NOON)
        await _compare(bed, trace)


async def _compare(bed: Bed, trace: Path) -> None:
    badge = Daemon("badge", "hci0")
    async with badge:
        answer = await bed.radio("play", file=str(trace))
        await asyncio.sleep(_STATUS_S)
        status = badge.status()
    unheard = played.check_heard(bed, "the controller hears it", answer)
    heard = _FOLDER / "heard.jsonl"
    _write(heard, _without(trace, unheard))
    replayed = _printed(await bluez.run(BZD, "replay", "--jsonl", "--scan-period", "0", str(heard)))
    dropped = {reason: count for reason, count in status["dropped"].items() if count}
    _judge(bed, _stored(badge), replayed, played.LATE_S + answer["late_s"], str(dropped or "nothing"))


def _judge(
    bed: Bed, stored: Mapping[str, Logged], replayed: Mapping[str, Logged], limit_s: float, dropped: str
) -> None:
    same = stored.keys() == replayed.keys() and len(replayed) >= walk.BADGES
    bed.check("the store has the contacts of `bzd replay`", same, f"{len(stored)}, replayed {len(replayed)}")
    if not same:
        return
    pairs = [(stored[key], replayed[key]) for key in replayed]
    lost = sum(other.sightings - kept.sightings for kept, other in pairs)
    total = sum(other.sightings for _, other in pairs)
    few = 0 <= lost <= total * played.LOST and all(kept.sightings <= other.sightings for kept, other in pairs)
    bed.check("and their sightings", few, f"BlueZ lost {lost} of {total}; bzd dropped {dropped}")
    whole = [(kept, other) for kept, other in pairs if kept.sightings == other.sightings]
    if not bed.check("some of them lack none", bool(whole), f"{len(whole)} of {len(pairs)}"):
        return
    bed.check("these have the strongest of each", all(kept.rssi_max == other.rssi_max for kept, other in whole))
    apart = max(max(abs(one - other) for one, other in zip(kept[:3], other[:3], strict=True)) for kept, other in whole)
    bed.check("and their times", apart <= limit_s, f"{apart:.3f} s apart at most, {limit_s:.1f} allowed")


def _stored(badge: Daemon) -> dict[str, Logged]:
    return _relative(
        (each.rolling_id.hex(), Logged(each.start, each.end, each.duration_s, each.sightings, each.rssi_max))
        for each in badge.contacts()
    )


def _printed(lines: str) -> dict[str, Logged]:
    """What `bzd replay --jsonl` printed; its last words are no contacts."""
    found = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    times = [(_seconds(each["start"]), _seconds(each["end"])) for each in found]
    return _relative(
        (each["rolling_id"], Logged(*when, each["duration_s"], each["sightings"], each["rssi_max"]))
        for each, when in zip(found, times, strict=True)
    )


def _relative(contacts: Iterable[tuple[str, Logged]]) -> dict[str, Logged]:
    """By ID and its occurrence in order of time, with times counted from the earliest start."""
    ordered = sorted(contacts)
    zero = min((contact.start for _, contact in ordered), default=0.0)
    found: dict[str, Logged] = {}
    occurrences: Counter[str] = Counter()
    for rolling_id, contact in ordered:
        occurrences[rolling_id] += 1
        name = f"{rolling_id} {occurrences[rolling_id]}"
        found[name] = contact._replace(start=contact.start - zero, end=contact.end - zero)
    return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _from_noon(trace: Iterable[Advertisement]) -> Iterator[Advertisement]:
    """A trace that begins at noon."""
    shift = None
    for advertisement in trace:
        shift = _NOON - advertisement.time if shift is None else shift
        yield advertisement._replace(time=advertisement.time + shift)


def _hurried(capture: Path) -> Iterator[Advertisement]:
    """A capture with its silences cut."""
    at, last = 0.0, None
    for advertisement in open_trace(str(capture)):
        if last is not None:
            at += min(max(advertisement.time - last, 0.0), played.CAPTURE_GAP_S)
        last = max(advertisement.time, last or advertisement.time)
        yield advertisement._replace(time=_NOON + at)


def _without(trace: Path, positions: Collection[int]) -> Iterator[Advertisement]:
    return (each for position, each in enumerate(open_trace(str(trace))) if position not in positions)


def _write(trace: Path, advertisements: Iterable[Advertisement]) -> None:
    with trace.open("wb") as file:
        writer = JsonlWriter(file)
        for advertisement in advertisements:
            writer.write(advertisement)
