# SPDX-License-Identifier: Apache-2.0
"""A trace played through the real Bluetooth stack gives the contacts that bzd finds in the trace itself."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap
from pathlib import Path

from bzd.config import Config
from bzd.model import Advertisement, Contact
from bzd.pipeline import Pipeline
from bzd.protocols import recognise
from bzd.traces import open_trace
from bzd.traces.writer import JsonlWriter
from tests.e2e.guest.bed import SHARED, Bed
from tests.e2e.guest.listening import proximity_data
from tests.e2e.guest.own import OwnScanner

LIMIT_S = 240.0

_WALK = Path("/run/walk.jsonl")
_WALK_S = 30
_WALKERS = 12
_CAPTURE = SHARED / "data/captures/dp3t-exp25/06.btsnoop"
"""An hour of a phone that listens 4 s in 5 minutes to other phones, real exposure notifications; not ours to copy."""
_CAPTURE_SPEED = 120.0
_LATE_S = 0.25
"""By so much may a report be late on its way through an emulated machine. Only at the trace's own pace do times say
something: much faster, this is longer than many a scan instance."""


async def run(bed: Bed) -> None:
    """Run it."""
    _write(_WALK, _walk())
    await bed.start(1)
    await _compare(bed, "a walk", _WALK, 1.0)
    if _CAPTURE.is_file():
        await _compare(bed, "a phone's capture", _CAPTURE, _CAPTURE_SPEED)
    else:
        bed.skip("a phone's capture", "no folder `shared` with captures beside the checkout")


def _write(trace: Path, advertisements: Iterable[Advertisement]) -> None:
    with trace.open("wb") as file:
        writer = JsonlWriter(file)
        for advertisement in advertisements:
            writer.write(advertisement)


def _walk() -> Iterator[Advertisement]:
    """Badges that come nearer and go away, each at its own pace; the odd ones leave at half time."""
    chance = random.Random(1)
    for step in range(_WALK_S * 2):
        for walker in range(_WALKERS):
            if walker % 2 and step > _WALK_S:
                continue
            at = 1_700_000_000.0 + step / 2 + walker / 2 / _WALKERS
            rssi = round(-65 + 12 * math.sin(step / (8 + walker)) + chance.gauss(0, 3))
            address = f"1A:00:00:00:00:{walker:02X}"
            yield Advertisement(at, address, "random", rssi, proximity_data(bytes([walker + 1] * 20)))


async def _compare(bed: Bed, name: str, trace: Path, speed: float) -> None:
    expected = _recognised(open_trace(str(trace)))
    async with OwnScanner("full", "hci0") as scanner:
        await asyncio.sleep(2.0)
        played = await bed.radio("play", file=str(trace), speed=speed)
        await asyncio.sleep(1.0)
    arrived = _retimed(_recognised(scanner.heard), expected[0].time, speed)
    lost, invented = _content(expected) - _content(arrived), _content(arrived) - _content(expected)
    share = (
        f"{len(arrived)} of {len(expected)}, {invented.total()} others; {played['late_s'] * 1000:.0f} ms late at most"
    )
    bed.check(f"{name}: every proximity report arrives, and nothing else", not lost and not invented, share)
    _compare_contacts(bed, name, _contacts(arrived), _contacts(expected), speed)


def _compare_contacts(bed: Bed, name: str, live: Sequence[Contact], replayed: Sequence[Contact], speed: float) -> None:
    same = Counter(map(_essence, live)) == Counter(map(_essence, replayed))
    bed.check(f"{name}: the contacts are those of the trace", same, f"{len(live)}, from the trace {len(replayed)}")
    if same and speed == 1.0:
        pairs = zip(sorted(live, key=_order), sorted(replayed, key=_order), strict=True)
        apart = max(starmap(_apart, pairs))
        bed.check(f"{name}: and so are their times", apart <= _LATE_S, f"{apart:.3f} s apart at most")


def _recognised(advertisements: Iterable[Advertisement]) -> list[Advertisement]:
    return [advertisement for advertisement in advertisements if recognise(advertisement.data)]


def _retimed(heard: Sequence[Advertisement], first: float, speed: float) -> list[Advertisement]:
    """What was heard, in the trace's time."""
    return [each._replace(time=first + (each.time - heard[0].time) * speed) for each in heard]


def _content(advertisements: Iterable[Advertisement]) -> Counter[tuple[object, ...]]:
    return Counter((recognise(each.data), each.address, each.address_type, each.rssi) for each in advertisements)


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
