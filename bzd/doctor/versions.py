# SPDX-License-Identifier: Apache-2.0
"""Kernels and versions of BlueZ that are known to fail a badge, each with where that was reported."""

from __future__ import annotations

import re
from typing import NamedTuple

from bzd.doctor.finding import Finding, Verdict

Version = tuple[int, ...]


class Fault(NamedTuple):
    """What is wrong with a range of versions.

    Attributes:
        first: the first that has it.
        last: the last that has it.
        vendor: text that the release has besides, for example of Raspberry Pi's kernels; empty for all.
        finding: what it means.
    """

    first: Version
    last: Version
    vendor: str
    finding: Finding


_REFUSES = "this kernel refuses every advertisement that BlueZ registers"
_UPDATE_KERNEL = "`sudo apt full-upgrade` and reboot; good are 6.12.75, 6.12.87 and 6.18.37 (raspberrypi/linux#7473)"

KERNELS = (
    Fault(
        (0,),
        (5, 9),
        "",
        Finding(
            Verdict.WARNING,
            "this kernel has no advertisement monitors, so that each neighbour is measured once in 10 s",
            "use Linux 5.10 or newer; Raspberry Pi OS bookworm has 6.1",
        ),
    ),
    # raspberrypi/linux#7473, bluez/bluez#2268 and #2269: Add Extended Advertising Data fails with Invalid Parameters.
    # The kernel's older Add Advertising works there. bzd makes no use of it: it takes a management socket and
    # CAP_NET_ADMIN, which the sandboxed service has not, and bluetoothd would not know of that advertisement.
    Fault((6, 12, 93), (6, 12, 93), "rpt", Finding(Verdict.PROBLEM, _REFUSES, _UPDATE_KERNEL)),
    Fault((6, 18, 34), (6, 18, 35), "rpt", Finding(Verdict.PROBLEM, _REFUSES, _UPDATE_KERNEL)),
    Fault(
        (6, 12, 88),
        (6, 12, 999),
        "rpt",
        Finding(
            Verdict.WARNING,
            "nobody has reported whether this kernel has the fault of 6.12.93, which refuses every advertisement",
            "`bzd doctor --advertise` tries it (raspberrypi/linux#7473)",
        ),
    ),
)
"""From the worst to the least; the first that fits is told.

Reported as good are 6.12.75, 6.12.87 and 6.18.37, as bad 6.12.93, 6.18.34 and 6.18.35 (raspberrypi/linux#7473). Of the
later 6.12 nobody has reported anything: so what lies beyond the last good one, up to any number that a 6.12 may reach,
is warned of and not judged.
"""

BLUEZ = (
    Fault(
        (0,),
        (5, 49),
        "",
        Finding(Verdict.PROBLEM, "this BlueZ is older than what bzd was tried with", "use BlueZ 5.66 or newer"),
    ),
    Fault(
        (5, 50),
        (5, 55),
        "",
        Finding(
            Verdict.WARNING,
            "this BlueZ has no advertisement monitors, so that each neighbour is measured once in 10 s",
            "use BlueZ 5.66 or newer; Debian bookworm and Raspberry Pi OS have it",
        ),
    ),
    Fault(
        (5, 87),
        (5, 87),
        "",
        Finding(
            Verdict.WARNING,
            "this BlueZ dies when a program looks for devices by service; bzd does not, others may",
            "use BlueZ 5.86, or one newer than 5.87 (bluez/bluez#2282)",
        ),
    ),
)


def parse(text: str) -> Version | None:
    """The numbers that a release begins with: `6.12.93+rpt-rpi-v8` is (6, 12, 93)."""
    match = re.match(r"\d+(\.\d+)*", text, re.ASCII)
    return tuple(int(number) for number in match[0].split(".")) if match else None


def fault(release: str, known: tuple[Fault, ...]) -> Finding | None:
    """What is known to be wrong with a release, None if nothing is."""
    version = parse(release)
    if version is None:
        return None
    fits = (
        each.finding
        for each in known
        if each.first <= version and version[: len(each.last)] <= each.last and each.vendor in release
    )
    return next(fits, None)
