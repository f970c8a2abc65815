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
        finding: what it means.
    """

    first: Version
    last: Version
    finding: Finding


_REFUSES = Finding(
    Verdict.PROBLEM,
    "this kernel refuses every advertisement that BlueZ registers",
    "`sudo apt full-upgrade` and reboot; good are 6.1.176, 6.12.94, 6.18.36 and newer (raspberrypi/linux#7473)",
)

KERNELS = (
    Fault(
        (0,),
        (5, 9),
        Finding(
            Verdict.WARNING,
            "this kernel has no advertisement monitors, so that each neighbour is measured once in 10 s",
            "use Linux 5.10 or newer; Raspberry Pi OS bookworm has 6.1",
        ),
    ),
    # raspberrypi/linux#7473, bluez/bluez#2268 and #2269: Add Extended Advertising Data fails with Invalid Parameters.
    # The kernel's older Add Advertising works there. bzd makes no use of it: it takes a management socket and
    # CAP_NET_ADMIN, which the sandboxed service has not, and bluetoothd would not know of that advertisement.
    Fault((6, 1, 175), (6, 1, 175), _REFUSES),
    Fault((6, 12, 92), (6, 12, 93), _REFUSES),
    Fault((6, 18, 34), (6, 18, 35), _REFUSES),
)
"""From the worst to the least; the first that fits is told.

The fault came with "Bluetooth: MGMT: validate Add Extended Advertising Data length" and went with "Bluetooth: MGMT: Fix
backward compatibility with userspace", in stable updates that all vendors take. Debian's changelogs of its kernels name
6.1.175 and 6.1.176, and 6.12.92 and 6.12.94. Of 6.18 it is reported that 33 and 36 work, 34 and 35 do not
(raspberrypi/linux#7473, pollen-robotics/reachy-mini-os#86). A Debian 12 kernel does not state the update in its release
(`6.1.0-56-amd64`), but 6.1.175 was in none of Debian's.
"""

BLUEZ = (
    Fault(
        (0,),
        (5, 49),
        Finding(Verdict.PROBLEM, "this BlueZ is older than what bzd was tried with", "use BlueZ 5.66 or newer"),
    ),
    Fault(
        (5, 50),
        (5, 55),
        Finding(
            Verdict.WARNING,
            "this BlueZ has no advertisement monitors, so that each neighbour is measured once in 10 s",
            "use BlueZ 5.66 or newer; Debian bookworm and Raspberry Pi OS have it",
        ),
    ),
    Fault(
        (5, 87),
        (5, 87),
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
    fits = (each.finding for each in known if each.first <= version and version[: len(each.last)] <= each.last)
    return next(fits, None)
