# SPDX-License-Identifier: Apache-2.0
"""True against estimated distance on two public data sets: `python tests/bench/bench_ranging.py [SHARED]`.

NIST: two Raspberry Pi 3 in line of sight, 0.5 to 4 m (`data/nist-pi`). The constants were chosen on Device A; Device B
is the test. DP-3T's experiment 5: phones in pockets, on tables and in hands, true distance from cameras
(`data/dp3t-exp05`); the reference at 1 m is the phone's tx power less 60 dB, chosen on the train and tested on the
others.

An estimate is made for every scan instance, as `near_s` is, since a contact's own `distance_m` would hide the spread.
"""

from __future__ import annotations

import argparse
import csv
import math
import sqlite3
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bzd.config import ProximityConfig, RangingConfig
from bzd.model import Sighting, plausible_rssi
from bzd.proximity.ranging import Ranging
from bzd.proximity.tracker import Tracker

_SENT = {"A": "b1020304050607080910111213141516", "B": "a1020304050607080910111213141516"}
"""The only rolling ID that the other device sent while this one recorded."""
_PHONE_LOSS_DB = 60.0
"""From tx power to the RSSI at 1 m: what DP-3T's train scene shows (median -60 dB at 0.75 to 1.25 m)."""
_PHONE_BINS_M = (0.0, 0.75, 1.25, 1.75, 2.25, 3.0, 4.0, 6.0, 20.0)
_ROUNDING_S = 0.001
"""Times of instances are whole milliseconds."""
_NEAR_M = RangingConfig().near_m


@dataclass
class Recording:
    """One file of NIST's: the sightings that are good, and how many rows were not, by reason."""

    true_m: float
    device: str
    sightings: list[Sighting] = field(default_factory=list)
    bad_rssi: int = 0
    wrong_id: int = 0


@dataclass
class Estimates:
    """Distances in metres and seconds that were estimated where the truth is one distance or one range of them."""

    metres: list[float] = field(default_factory=list)
    near_s: float = 0.0
    total_s: float = 0.0

    def row(self) -> str:
        """Instances, minutes, 10 %, median, 90 % and the share of seconds that are taken for near."""
        if len(self.metres) < 2:
            return f"{len(self.metres):9}"
        tenths = statistics.quantiles(self.metres, n=10)
        share = self.near_s / self.total_s if self.total_s else math.nan
        median = statistics.median(self.metres)
        return f"{len(self.metres):9}{self.total_s / 60:9.0f}{tenths[0]:8.2f}{median:8.2f}{tenths[-1]:8.2f}{share:9.0%}"


def read_nist(folder: Path) -> list[Recording]:
    """All recordings of `data/nist-pi` in order of device and distance."""
    recordings = [_read_recording(path) for path in folder.glob("*_Device_?.csv")]
    return sorted(recordings, key=lambda recording: (recording.device, recording.true_m))


def _read_recording(path: Path) -> Recording:
    _, distance, _, device = path.stem.split("_")
    recording = Recording(int(distance.removesuffix("cm")) / 100, device)
    with path.open(newline="", encoding="ascii") as lines:
        for row in csv.DictReader(lines):
            rssi = int(row["RSSI"])
            if not plausible_rssi(rssi):
                recording.bad_rssi += 1
            elif row["RPI"] != _SENT[device]:
                recording.wrong_id += 1
            else:
                rolling_id = bytes.fromhex(row["RPI"])
                recording.sightings.append(Sighting(float(row["Timestamp"]), "gaen", rolling_id, b"", rssi))
    return recording


def estimate(sightings: Iterable[Sighting], ranging: Ranging) -> Iterator[tuple[float, float, float, bool]]:
    """For each scan instance its time, the metres estimated, the seconds it stands for, and whether it is near."""
    tracker = Tracker(ProximityConfig(), ranging)
    contacts = [contact for sighting in sightings for contact in tracker.feed(sighting)] + tracker.finish()
    for contact in contacts:
        for scan, level in zip(contact.scans, ranging.levels(contact.scans), strict=True):
            metres = ranging.distance(level)
            yield contact.start + scan.offset_s, metres, scan.seconds, metres <= _NEAR_M


def nist_estimates(recording: Recording, ranging: Ranging) -> Estimates:
    """What the ranging says of one recording."""
    estimates = Estimates()
    for _, metres, seconds, near in estimate(recording.sightings, ranging):
        _add(estimates, metres, seconds, near=near)
    return estimates


def fit(recordings: Sequence[Recording]) -> tuple[float, float]:
    """RSSI at 1 m and exponent of the log-distance model through the medians of recordings (least squares)."""
    decades = [math.log10(recording.true_m) for recording in recordings]
    medians = [statistics.median(sighting.rssi for sighting in recording.sightings) for recording in recordings]
    slope, intercept = statistics.linear_regression(decades, medians)
    return intercept, -slope / 10


def factor(pairs: Iterable[tuple[float, float]]) -> float:
    """The typical factor between true and estimated metres: ten to the mean distance of their logarithms."""
    return math.pow(10, statistics.mean(abs(math.log10(estimated / true)) for true, estimated in pairs))


def _add(estimates: Estimates, metres: float, seconds: float, *, near: bool) -> None:
    estimates.metres.append(metres)
    estimates.total_s += seconds
    estimates.near_s += seconds * near


def _print_nist(folder: Path) -> None:
    recordings = read_nist(folder)
    ranging = Ranging(RangingConfig())
    print("NIST, two Raspberry Pi 3 in line of sight; constants chosen on A, tested on B")
    print("device  true m  dropped  instances  minutes    10 %  median    90 %  near    (metres estimated)")
    for recording in recordings:
        dropped = recording.bad_rssi + recording.wrong_id
        print(f"{recording.device:6}{recording.true_m:8.1f}{dropped:9}{nist_estimates(recording, ranging).row()}")
    bad_rssi, wrong_id = sum(r.bad_rssi for r in recordings), sum(r.wrong_id for r in recordings)
    print(f"rows dropped: {bad_rssi + wrong_id} ({bad_rssi} by RSSI, {wrong_id} more by a wrong rolling ID)")
    for device in _SENT:
        mine = [recording for recording in recordings if recording.device == device]
        level, exponent = fit(mine)
        typical = factor((r.true_m, metres) for r in mine for metres in nist_estimates(r, ranging).metres)
        print(f"device {device}: fit {level:.1f} dBm at 1 m, exponent {exponent:.2f}; typical error x{typical:.2f}")


def _phone_pairs(path: Path) -> Iterator[tuple[list[Sighting], list[tuple[float, float]], float]]:
    """For each receiver and transmitter of a scene: sightings, (time, true metres) of those known, and tx power."""
    query = """SELECT receiver_id, transmitter_id, tx_power, timestamp / 1000, rssi, ground_truth_distance
               FROM results ORDER BY receiver_id, transmitter_id, timestamp"""
    pairs = defaultdict[tuple[int, int, int], list[tuple[float, int, float | None]]](list)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as scene:
        for receiver, transmitter, tx_power, time, rssi, true_m in scene.execute(query):
            pairs[receiver, transmitter, tx_power].append((time, rssi, true_m))
    for (_, transmitter, tx_power), rows in pairs.items():
        rolling_id = transmitter.to_bytes(16, "big")
        sightings = [Sighting(time, "gaen", rolling_id, b"", rssi) for time, rssi, _ in rows if plausible_rssi(rssi)]
        yield sightings, [(time, true_m) for time, _, true_m in rows if true_m is not None and true_m > 0], tx_power


def _phone_estimates(path: Path) -> Iterator[tuple[float, float, float, bool]]:
    """For each instance of a scene whose truth is known: true metres, estimated metres, seconds, near."""
    for sightings, truth, tx_power in _phone_pairs(path):
        ranging = Ranging(RangingConfig()).calibrated(tx_power - _PHONE_LOSS_DB)
        times = [time for time, _ in truth]
        instances = [*estimate(sightings, ranging), (math.inf, 0.0, 0.0, False)]
        for (time, metres, seconds, near), (following, *_) in pairwise(instances):
            here = truth[bisect_left(times, time - _ROUNDING_S) : bisect_left(times, following - _ROUNDING_S)]
            if here:
                yield statistics.median(true_m for _, true_m in here), metres, seconds, near


def _print_phones(folder: Path) -> None:
    print("\nDP-3T experiment 5, phones on people; reference chosen on the train, tested on the others")
    for path in sorted(folder.glob("*.sqlite")):
        found = list(_phone_estimates(path))
        if not found:
            continue
        print(f"{path.stem}: typical error x{factor((true, metres) for true, metres, _, _ in found):.2f}")
        print("      true m  instances  minutes    10 %  median    90 %  near    (metres estimated)")
        for low, high in pairwise(_PHONE_BINS_M):
            estimates = Estimates()
            for true_m, metres, seconds, near in found:
                if low <= true_m < high:
                    _add(estimates, metres, seconds, near=near)
            print(f"{low:6.2f}-{high:5.2f}{estimates.row()}")


def main() -> None:
    """Print both tables, or say which data is absent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    beside = Path(__file__).resolve().parents[3] / "shared"
    parser.add_argument("shared", nargs="?", type=Path, default=beside, help="folder that holds data/")
    data = parser.parse_args().shared.resolve() / "data"
    for name, show in (("nist-pi", _print_nist), ("dp3t-exp05", _print_phones)):
        if (data / name).is_dir():
            show(data / name)
        else:
            print(f"skipped: no {name} in {data}")


if __name__ == "__main__":
    main()
