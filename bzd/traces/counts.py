# SPDX-License-Identifier: Apache-2.0
"""What a reader counts while it reads: everything in a trace is either given out or counted here."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class TraceCounts:
    """Counters of one trace; they grow while it is read.

    Attributes:
        records: records of the file, lines of JSON Lines included.
        reports: advertisements given out; a record may hold several.
        other: records without an advertising report: commands, data, other events, notes of the recorder.
        vendor: vendor-specific events, among them Android's batched scan results; their layout is the vendor's own.
        foreign: records of an interface whose link type carries no advertising, beside one that does.
        cut_short: records that the recorder shortened (their original length is above the included one).
        malformed: records, or parts of one, that contradict their own lengths.
        bad_crc: link-layer packets whose checksum is wrong; they are not used.
        bad_time: records dated before 1970 or after 9999, or without a time of their own; they are not used.
        lost_fragments: pieces of extended advertising data whose rest never came.
        truncated_data: reports whose advertising data the controller itself cut off; what it gave is used.
        truncated: whether the file ends in the middle of a record, or is damaged from some byte on.
    """

    records: int = 0
    reports: int = 0
    other: int = 0
    vendor: int = 0
    foreign: int = 0
    cut_short: int = 0
    malformed: int = 0
    bad_crc: int = 0
    bad_time: int = 0
    lost_fragments: int = 0
    truncated_data: int = 0
    truncated: bool = False

    def as_dict(self) -> dict[str, int | bool]:
        """All counters by name, in the order above."""
        return asdict(self)
