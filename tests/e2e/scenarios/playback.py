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
_CAPTURE_GAP_S = 0.5
"""Its silences of five minutes are cut to this; played faster instead, it would lose samples (`vhci.player.play`)."""
_LATE_S = 0.25
"""By so much may a report be late on its way through an emulated machine."""
_UNHEARD = 0.03
"""Part of the reports that may come while the kernel begins its scan anew, milliseconds in every 10.24 s."""


async def run(bed: Bed) -> None:
    """Run it."""
    _write(_WALK, _walk())
    await bed.start(1)
    await _compare(bed, "a walk", _WALK)
    if _CAPTURE.is_file():
        await _compare(bed, "a phone's capture", _CAPTURE, _CAPTURE_GAP_S)
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


async def _compare(bed: Bed, name: str, trace: Path, longest_gap_s: float | None = None) -> None:
    async with OwnScanner("full", "hci0") as scanner:
        await asyncio.sleep(2.0)
        played = await bed.radio("play", file=str(trace), longest_gap=longest_gap_s)
        await asyncio.sleep(1.0)
    unheard = set(played["unheard"])
    share = f"{len(unheard)} of {played['played']} were not, {played['late_s'] * 1000:.0f} ms late at most"
    bed.check(f"{name}: the controller hears it", len(unheard) <= played["played"] * _UNHEARD, share)
    reports = [each for position, each in enumerate(open_trace(str(trace))) if position not in unheard]
    expected, arrived = _recognised(reports), _recognised(scanner.heard)
    lost, invented = _content(expected) - _content(arrived), _content(arrived) - _content(expected)
    share = f"{len(arrived)} of {len(expected)}, {invented.total()} others"
    bed.check(f"{name}: every proximity report arrives, and nothing else", not lost and not invented, share)
    if not lost and not invented:
        _compare_contacts(bed, name, arrived, expected, real_time=longest_gap_s is None)


def _compare_contacts(
    bed: Bed, name: str, arrived: Sequence[Advertisement], expected: Sequence[Advertisement], *, real_time: bool
) -> None:
    if real_time:
        shift = expected[0].time - arrived[0].time
        retimed = [each._replace(time=each.time + shift) for each in arrived]
    else:
        retimed = [each._replace(time=other.time) for each, other in zip(arrived, expected, strict=True)]
    live, replayed = sorted(_contacts(retimed), key=_order), sorted(_contacts(expected), key=_order)
    same = [_essence(contact) for contact in live] == [_essence(contact) for contact in replayed]
    bed.check(f"{name}: the contacts are those of the trace", same, f"{len(live)}, from the trace {len(replayed)}")
    if same:
        apart = max(starmap(_apart, zip(live, replayed, strict=True)))
        bed.check(f"{name}: and so are their times", apart <= _LATE_S, f"{apart:.3f} s apart at most")


def _recognised(advertisements: Iterable[Advertisement]) -> list[Advertisement]:
    return [advertisement for advertisement in advertisements if recognise(advertisement.data)]


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
