# SPDX-License-Identifier: Apache-2.0
"""Encounters: the contacts of one diagnosis key, joined across its rolling IDs.

A rolling ID lives ten to twenty minutes, so that one meeting is several contacts; a key says which belong together. The
silence of a rotation is presence if it is no longer than a scan instance bears (`proximity.instance_gap_s`); a pause
longer than `proximity.max_gap_s` starts another encounter.

Closeness is computed anew, since a key also reveals the tx power: attenuation is tx power minus RSSI, at least 0, where
RSSI is corrected for the model that received it (Google, "BLE attenuation overview"). Metres then follow from
attenuation as they do from RSSI (`bzd.proximity.ranging`), against `PATH_LOSS_1M_DB`. Where a protocol states no tx
power, the configured `ranging.rssi_1m_dbm` stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from bzd.config import ProximityConfig, RangingConfig
from bzd.matching.keys import DiagnosisKey
from bzd.matching.matcher import Hit
from bzd.model import ScanInstance
from bzd.proximity.ranging import Ranging

PATH_LOSS_1M_DB = 60.0
"""Attenuation at 1 m, in dB: of phones in DP-3T's experiment 5, and of two Raspberry Pi 3 (12 dBm, heard at -50 dBm by
NIST's) within 2 dB. Free space at 2.44 GHz would be 40 dB; antennas and cases take the rest."""


class Slice(NamedTuple):
    """A scan instance of an encounter.

    Attributes:
        time: its first sighting, UTC unix seconds.
        seconds: what it stands for, the silence of a rotation before it included.
        sightings: number of sightings.
        typical: attenuation of its mean RSSI in dB.
        least: attenuation of its strongest RSSI in dB.
        near: whether it counts as within `ranging.near_m`.
        confidence: calibration confidence 0 to 3, or None.
    """

    time: float
    seconds: float
    sightings: int
    typical: float
    least: float
    near: bool
    confidence: int | None


@dataclass(frozen=True, slots=True)
class Encounter:
    """All contacts of one store that one diagnosis key explains, without a long pause.

    Attributes:
        store: label of the store.
        key: the key, with report type and days since onset.
        start: first sighting, UTC unix seconds.
        end: last sighting, UTC unix seconds.
        contacts: number of contacts that were joined.
        attenuation_min: dB at its closest.
        attenuation_typical: dB: the mean of its instances, weighted by sightings.
        distance_m: typical distance in metres.
        synced: False if the store's clock was not known to be right: `start` and `end` are its best guess.
        offset_s: of the contacts' `Hit.offset_s` the one furthest from 0.
        slices: its scan instances in order of time.
    """

    store: str
    key: DiagnosisKey
    start: float
    end: float
    contacts: int
    attenuation_min: float
    attenuation_typical: float
    distance_m: float | None
    synced: bool
    offset_s: float
    slices: tuple[Slice, ...]

    @property
    def duration_s(self) -> float:
        """Seconds of presence."""
        return round(sum(piece.seconds for piece in self.slices), 3)

    @property
    def near_s(self) -> float:
        """Seconds within `ranging.near_m`."""
        return round(sum(piece.seconds for piece in self.slices if piece.near), 3)


@dataclass(frozen=True, slots=True)
class Joining:
    """How contacts become encounters.

    Attributes:
        proximity: gaps, and what an instance stands for.
        ranging: from levels to closeness.
        scan_period_s: seconds from one listening to the next, 0 for listening all the time: an encounter stands for at
            most so much more than passed between its first and last sighting.
        rssi_correction_db: added to every RSSI: of the model that received (`bzd.matching.calibration`).
        path_loss_1m_db: attenuation at 1 m.
    """

    proximity: ProximityConfig
    ranging: RangingConfig
    scan_period_s: float = 0.0
    rssi_correction_db: float = 0.0
    path_loss_1m_db: float = PATH_LOSS_1M_DB


def encounters(hits: Iterable[Hit], joining: Joining | None = None) -> list[Encounter]:
    """The encounters that hits make, by store, then time.

    Undated contacts make encounters of their own, since their place in time is a guess.
    """
    rules = joining or Joining(ProximityConfig(), RangingConfig())
    ordered = sorted(hits, key=lambda hit: (*_whose(hit), hit.contact.start, hit.contact.rolling_id))
    found = [
        _encounter(together, rules)
        for _, of in groupby(ordered, key=_whose)
        for together in _runs(list(of), rules.proximity.max_gap_s)
    ]
    return sorted(found, key=lambda encounter: (encounter.store, encounter.start, encounter.key.key))


def _whose(hit: Hit) -> tuple[str, str, bytes, bool]:
    return (hit.store, hit.key.protocol, hit.key.key, hit.contact.synced)


def _runs(hits: Sequence[Hit], max_gap_s: float) -> Iterator[list[Hit]]:
    """Hits in order of time, cut where a pause is too long."""
    run: list[Hit] = []
    end = 0.0
    for hit in hits:
        if run and hit.contact.start - end > max_gap_s:
            yield run
            run = []
        end = max(end, hit.contact.end) if run else hit.contact.end
        run.append(hit)
    if run:
        yield run


def _encounter(hits: Sequence[Hit], rules: Joining) -> Encounter:
    start, end = hits[0].contact.start, max(hit.contact.end for hit in hits)
    scans, confidences = _attenuated(hits, start, rules)
    # Levels here are minus attenuation, so the reference is the path loss with its sign turned.
    ranging = Ranging(rules.ranging).calibrated(-rules.path_loss_1m_db)
    levels = ranging.levels(scans)
    near = [ranging.distance(level) <= rules.ranging.near_m for level in levels]
    slices = tuple(
        Slice(start + scan.offset_s, scan.seconds, scan.sightings, -scan.rssi_mean, -scan.rssi_max, close, confidence)
        for scan, close, confidence in zip(scans, near, confidences, strict=True)
    )
    weight = sum(scan.sightings for scan in scans)
    return Encounter(
        store=hits[0].store,
        key=hits[0].key,
        start=start,
        end=end,
        contacts=len(hits),
        attenuation_min=min(piece.least for piece in slices),
        attenuation_typical=sum(piece.typical * piece.sightings for piece in slices) / weight,
        distance_m=ranging.estimate(scans).distance_m,
        synced=hits[0].contact.synced,
        offset_s=max((hit.offset_s for hit in hits), key=abs),
        slices=slices,
    )


def _attenuated(hits: Sequence[Hit], start: float, rules: Joining) -> tuple[list[ScanInstance], list[int | None]]:
    """All scan instances in order of time, with minus attenuation in place of RSSI, and their confidences."""
    pieces: list[tuple[ScanInstance, int | None]] = []
    end: float | None = None
    for hit in hits:
        tx_power = rules.ranging.rssi_1m_dbm + rules.path_loss_1m_db if hit.tx_power is None else hit.tx_power
        correction = rules.rssi_correction_db - tx_power
        silence = 0.0 if end is None else hit.contact.start - end
        bridged = silence if 0 < silence <= rules.proximity.instance_gap_s else 0.0
        for number, scan in enumerate(hit.contact.scans):
            seconds = scan.seconds + (bridged if number == 0 else 0.0)
            offset = max(hit.contact.start + scan.offset_s - start, 0.0)
            mean, strongest = min(scan.rssi_mean + correction, 0.0), min(scan.rssi_max + correction, 0.0)
            pieces.append((_instance(offset, seconds, scan.sightings, mean, strongest), hit.confidence))
        end = hit.contact.end if end is None else max(end, hit.contact.end)
    pieces.sort(key=lambda piece: piece[0].offset_s)
    longest = (end or start) - start + rules.scan_period_s
    return _shortened([scan for scan, _ in pieces], longest), [confidence for _, confidence in pieces]


def _instance(offset_s: float, seconds: float, sightings: int, mean: float, strongest: float) -> ScanInstance:
    # The model states the strongest RSSI in whole dBm; a correction for a model may have a fraction, which is kept.
    return ScanInstance(round(offset_s, 3), round(seconds, 3), sightings, mean, strongest)  # type: ignore[arg-type]


def _shortened(scans: list[ScanInstance], longest_s: float) -> list[ScanInstance]:
    """The instances with seconds cut in proportion if two IDs at once have made more of them than passed."""
    total = sum(scan.seconds for scan in scans)
    if total <= longest_s + _ROUNDING_S:
        return scans
    factor = longest_s / total
    return [
        ScanInstance(scan.offset_s, round(scan.seconds * factor, 3), scan.sightings, scan.rssi_mean, scan.rssi_max)
        for scan in scans
    ]


_ROUNDING_S = 1.0
"""Times are kept in milliseconds; sums of many may differ by some."""
