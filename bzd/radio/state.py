# SPDX-License-Identifier: Apache-2.0
"""How the live radio is, for whoever shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bzd.radio.scanner import ScanCounts


@dataclass(slots=True)
class RadioState:
    """What `bzd.radio.radio` knows of itself.

    Attributes:
        adapter: its name.
        paused: whether it was asked to be off the air.
        advertising: whether a rolling ID is on air.
        held: whether BlueZ or the kernel may hold an advertisement of the badge, on air or to be sent again.
        scanning: whether it listens now; with a duty cycle that comes and goes.
        mode: the scan mode in use, see `bzd.radio.scanner`; empty before the first.
        last_heard: wall time of the last report, UTC unix seconds, None before the first.
        rotations: registrations that worked.
        refusals: registrations that failed.
        rotation_gap_s: how long the last rotation kept the radio from listening, None before the first.
        resets: times that the adapter was switched off and on, see `bzd.radio.reset`.
        restarts: times that bluetoothd, the adapter or the bus was lost.
        active_instances: advertisements on this adapter, of any program; None where unknown.
        tx_power: power in dBm that BlueZ says it advertises with; None on a legacy controller, which does not say.
        verdict: what `bzd doctor --radio` found of the mode in use, a value of `bzd.radio.verdict.Outcome`; None where
            nobody has looked at this kernel, BlueZ and controller.
        stepped: when the supervisor last began a step, in seconds of `time.monotonic`: its heartbeat.
        scan: counters of the scanner.
        troubles: what is wrong, in words, by area (`radio`, `advertise`, `scan`, `slot`).
    """

    adapter: str
    paused: bool = False
    advertising: bool = False
    held: bool = False
    scanning: bool = False
    mode: str = ""
    last_heard: float | None = None
    rotations: int = 0
    refusals: int = 0
    rotation_gap_s: float | None = None
    resets: int = 0
    restarts: int = 0
    active_instances: int | None = None
    tx_power: int | None = None
    verdict: str | None = None
    stepped: float = field(default_factory=time.monotonic)
    scan: ScanCounts = field(default_factory=ScanCounts)
    troubles: dict[str, str] = field(default_factory=dict)

    @property
    def off_air(self) -> bool:
        """Whether it is paused, and nothing of it is sent or may be by itself."""
        return self.paused and not (self.held or self.scanning)
