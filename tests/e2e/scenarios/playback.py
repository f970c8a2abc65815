# SPDX-License-Identifier: Apache-2.0
"""A trace played through the real Bluetooth stack gives the contacts that bzd finds in the trace itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import starmap
from pathlib import Path

from bzd.config import Config
from bzd.model import Advertisement, Contact
from bzd.pipeline import Pipeline
from bzd.protocols import recognise
from bzd.traces import open_trace
from tests.e2e.guest import played, walk
from tests.e2e.guest.bed import Bed
from tests.e2e.guest.own import OwnScanner

QUICK = False
LIMIT_S = 240.0

_WALK = Path("/run/walk.jsonl")

_Content = tuple[object, ...]
"""What of a report must arrive: IDs, address, its type, RSSI."""


async def run(bed: Bed) -> None:
    """Run it."""
    walk.write(_WALK, played.WALK_S)
    await bed.start(1)
    await _compare(bed, "a walk", _WALK)
    if played.CAPTURE.is_file():
        await _compare(bed, "a phone's capture", played.CAPTURE, played.CAPTURE_GAP_S)
    else:
        bed.skip("a phone's capture", played.NO_CAPTURE)


async def _compare(bed: Bed, name: str, trace: Path, longest_gap_s: float | None = None) -> None:
    async with OwnScanner("full", "hci0") as scanner:
        await asyncio.sleep(2.0)
        answer = await bed.radio("play", file=str(trace), longest_gap=longest_gap_s)
        await asyncio.sleep(1.0)
    unheard = played.check_heard(bed, f"{name}: the controller hears it", answer)
    reports = [each for position, each in enumerate(open_trace(str(trace))) if position not in unheard]
    expected, arrived = _recognised(reports), _recognised(scanner.heard)
    lost, invented = _content(expected) - _content(arrived), _content(arrived) - _content(expected)
    share = f"{lost.total()} of {len(expected)} were lost, {invented.total()} came that were none"
    few = lost.total() < len(expected) * played.LOST
    if bed.check(f"{name}: the proximity reports arrive, and nothing else", few and not invented, share):
        late_s = answer["late_s"] if longest_gap_s is None else None
        _compare_contacts(bed, name, arrived, _without(expected, lost), late_s)


def _compare_contacts(
    bed: Bed, name: str, arrived: Sequence[Advertisement], expected: Sequence[Advertisement], late_s: float | None
) -> None:
    """Compare what the pipeline makes of both: at their own times, or (late_s None) at those of the trace."""
    if late_s is not None:
        shift = expected[0].time - arrived[0].time
        retimed = [each._replace(time=each.time + shift) for each in arrived]
    else:
        retimed = [each._replace(time=other.time) for each, other in zip(arrived, expected, strict=True)]
    live, replayed = sorted(_contacts(retimed), key=_order), sorted(_contacts(expected), key=_order)
    same = bool(live) and [_essence(contact) for contact in live] == [_essence(contact) for contact in replayed]
    bed.check(f"{name}: the contacts are those of the trace", same, f"{len(live)}, from the trace {len(replayed)}")
    if same:
        apart = max(starmap(_apart, zip(live, replayed, strict=True)))
        limit = played.LATE_S + (late_s or 0.0)
        bed.check(f"{name}: and so are their times", apart <= limit, f"{apart:.3f} s apart at most")


def _without(expected: Iterable[Advertisement], lost: Counter[_Content]) -> list[Advertisement]:
    """What is left of a trace when reports are taken out of it."""
    left, kept = Counter(lost), []
    for advertisement in expected:
        content = _content_of(advertisement)
        if left[content]:
            left[content] -= 1
        else:
            kept.append(advertisement)
    return kept


def _recognised(advertisements: Iterable[Advertisement]) -> list[Advertisement]:
    return [advertisement for advertisement in advertisements if recognise(advertisement.data)]


def _content(advertisements: Iterable[Advertisement]) -> Counter[_Content]:
    return Counter(map(_content_of, advertisements))


def _content_of(advertisement: Advertisement) -> _Content:
    return (recognise(advertisement.data), advertisement.address, advertisement.address_type, advertisement.rssi)


def _contacts(advertisements: Iterable[Advertisement]) -> list[Contact]:
    pipeline = Pipeline(Config())
    return [*pipeline.feed(advertisements), *pipeline.finish()]


def _essence(contact: Contact) -> tuple[object, ...]:
    """What of a contact does not depend on the time of day."""
    return (contact.protocol, contact.rolling_id, contact.metadata, contact.sightings, contact.rssi_max)


def _order(contact: Contact) -> tuple[str, bytes, float]:
    return (contact.protocol, contact.rolling_id, contact.start)


def _apart(live: Contact, replayed: Contact) -> float:
    """By how many seconds two contacts differ at most: start, end, duration."""
    shifts = (live.start - replayed.start, live.end - replayed.end, live.duration_s - replayed.duration_s)
    return max(map(abs, shifts))
