# SPDX-License-Identifier: Apache-2.0
"""What a sighting costs the tracker: `python tests/bench/bench_tracker.py`.

Each case is shown beside the floor: the same sightings counted per rolling ID in a plain dictionary, which is the least
that anything that tells IDs apart can do. CPU time, best of five.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Iterable

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Sighting
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker

_SIGHTINGS = 200_000
_START = 1_600_000_000.0
_ROUNDS = 5


def _sightings(neighbours: int, per_second: float) -> list[Sighting]:
    rng = random.Random(1)
    names = [rng.randbytes(16) for _ in range(neighbours)]
    return [
        Sighting(_START + number / per_second, "gaen", names[number % neighbours], b"meta", -60 - number % 30)
        for number in range(_SIGHTINGS)
    ]


def _shuffled(sightings: list[Sighting]) -> list[Sighting]:
    rng = random.Random(2)
    return sorted(sightings, key=lambda sighting: sighting.time + rng.uniform(0, 0.9))


def _floor(sightings: Iterable[Sighting]) -> None:
    counts: dict[tuple[str, bytes], int] = {}
    for sighting in sightings:
        key = (sighting.protocol, sighting.rolling_id)
        counts[key] = counts.get(key, 0) + 1


def _track(sightings: Iterable[Sighting]) -> None:
    tracker = Tracker(ProximityConfig(), Ranging(RangingConfig()))
    for sighting in sightings:
        tracker.feed(sighting)
    tracker.finish()


def _best_us(job: Callable[[Iterable[Sighting]], None], sightings: list[Sighting]) -> float:
    def once() -> float:
        before = time.process_time()
        job(sightings)
        return time.process_time() - before

    return min(once() for _ in range(_ROUNDS)) / len(sightings) * 1e6


def _peak_mb(sightings: Iterable[Sighting]) -> float:
    tracemalloc.start()
    _track(sightings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Print the table."""
    crowd = _sightings(200, 800)
    cases = {
        "200 neighbours, 4 sightings a second each": crowd,
        "the same, out of order within a second": _shuffled(crowd),
        "20 neighbours, 1 sighting in 10 s each": _sightings(20, 2),
        "flood: 1000 random IDs a second, each once": _sightings(_SIGHTINGS, 1000),
        "flood: 10000 IDs in turn, 1000 a second": _sightings(10_000, 1000),
    }
    print(f"{'':44}us/sighting   floor   ratio   peak MB")
    for name, sightings in cases.items():
        cost, floor = _best_us(_track, sightings), _best_us(_floor, sightings)
        print(f"{name:44}{cost:11.2f}{floor:8.2f}{cost / floor:8.1f}{_peak_mb(sightings):10.1f}")


if __name__ == "__main__":
    main()
