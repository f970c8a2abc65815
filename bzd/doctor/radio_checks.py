# SPDX-License-Identifier: Apache-2.0
"""Checks of the radio: kernel, bluetoothd, adapter, and what gives a badge away."""

from __future__ import annotations

from bzd.doctor import versions
from bzd.doctor.facts import Facts
from bzd.doctor.finding import Finding, Verdict, ok, problem, unknown, warning
from bzd.errors import RadioError
from bzd.radio.adapter import check

KERNEL_FAULTS = {
    "tx timeout": (
        "the radio did not answer the kernel",
        "`bluetoothctl power off`, then `on`, else reboot (raspberrypi/linux#4601)",
    ),
    "Reading local name failed": (
        "the radio's firmware did not start",
        "reboot: this happens to one boot of ten of a Zero 2 W (raspberrypi/linux#6462)",
    ),
    "Opcode 0x2005 failed": (
        "the kernel could not change the radio's address while it was scanning",
        "set scan.mode = passive, or look with btmon that no scan request has the public address (bluez/bluez#2337)",
    ),
}
"""What the kernel's log says of a radio that fails, what it means, and what helps."""


def kernel(facts: Facts) -> Finding:
    """Whether the kernel is one that fails a badge."""
    release = facts.system.kernel
    return _named(release, versions.fault(release, versions.KERNELS)) or ok(release)


def bluez(facts: Facts) -> Finding:
    """Whether BlueZ is one that fails a badge."""
    release = facts.radio.bluez
    if not release:
        return unknown("the version of BlueZ is unknown", "`bluetoothctl --version` tells it; is bluez installed?")
    return _named(release, versions.fault(release, versions.BLUEZ)) or ok(release)


def _named(release: str, finding: Finding | None) -> Finding | None:
    return finding and finding._replace(text=f"{release}: {finding.text}")


def bluetoothd(facts: Facts) -> Finding:
    """Whether bluetoothd answers."""
    if facts.radio.trouble:
        return problem(facts.radio.trouble, "`systemctl status bluetooth dbus` shows why")
    return ok("bluetoothd answers")


def adapter(facts: Facts) -> Finding:
    """Whether the adapter is there and on."""
    radio = facts.radio
    if radio.trouble:
        return unknown("nobody could be asked about the adapter", "mend bluetoothd first")
    if radio.adapter is None:
        return problem(
            f"there is no adapter {radio.name}",
            "`bluetoothctl list` shows those there are; name one with radio.adapter. On a Raspberry Pi: "
            "`systemctl status hciuart`, and no dtoverlay=disable-bt in config.txt",
        )
    if radio.blocked or radio.adapter.blocked:
        return problem(f"{radio.name} is blocked by rfkill", "`rfkill unblock bluetooth`")
    if not radio.adapter.powered:
        return problem(f"{radio.name} is off", "`bluetoothctl power on`")
    return ok(f"{radio.name} is there and on")


def privacy(facts: Facts) -> Finding:
    """Whether what the adapter sends shows an address that stays."""
    radio = facts.radio
    if radio.adapter is None:
        return unknown("there is no adapter to look at", "mend that first")
    try:
        check(radio.name, radio.adapter, radio.privacy)
    except RadioError as error:
        return problem(str(error), error.hint)
    return ok("a new address with each rolling ID: not connectable, not discoverable, Privacy off")


def advertising(facts: Facts) -> Finding:
    """Whether the badge can be heard."""
    radio = facts.radio
    if radio.adapter is None or not radio.adapter.powered:
        return unknown("no adapter is on", "mend that first")
    if not radio.advertises:
        return problem(f"{radio.name} cannot advertise", "use an adapter with Bluetooth Low Energy 4.0 or newer")
    if radio.tried:
        return problem(
            f"BlueZ refuses an advertisement: {radio.tried}", "see kernel above; `journalctl -k -b` says more"
        )
    if radio.tried is not None:
        return ok("an advertisement was taken")
    if not facts.service.badge_runs:
        return ok("offered; `bzd doctor --advertise` tries it")
    if radio.active_instances == 0 and "paused" not in facts.service.status:
        return problem("the badge runs, but nothing is advertised", "`bzd status` says why")
    return ok("the badge is on air" if radio.active_instances else "paused")


def others(facts: Facts) -> Finding:
    """Whether another program takes part of the air time."""
    active = facts.radio.active_instances
    if active is None:
        return unknown("it is unknown who advertises", "mend the adapter first")
    if (number := active - facts.service.badge_runs) > 0:
        return warning(
            f"{number} other on {facts.radio.name}: each advertisement is sent only a part of the time",
            "find the program: `busctl list | grep -v systemd`; a badge wants the adapter for itself",
        )
    return ok("no other program advertises")


def sampling(facts: Facts) -> Finding:
    """Whether every report can be had."""
    if facts.radio.adapter is None:
        return unknown("there is no adapter to look at", "mend that first")
    if not facts.radio.monitors:
        return warning(
            "bluetoothd's experimental interfaces are off: each neighbour is measured once in 10 s, not each time",
            "`bzd install-service --experimental` and `systemctl restart bluetooth`, "
            "or Experimental = true in [General] of /etc/bluetooth/main.conf",
        )
    return ok("every report arrives (experimental interfaces are on)")


def kernel_log(facts: Facts) -> Finding:
    """Whether the kernel has complained of the radio since boot."""
    lines = facts.radio.kernel_log
    if lines is None:
        return unknown("the kernel's log may not be read")
    for sign, (meaning, remedy) in KERNEL_FAULTS.items():
        seen = sum(sign in line for line in lines)
        if seen:
            return Finding(Verdict.WARNING, f"{meaning} ({seen} times since boot)", remedy)
    return ok("nothing about the radio")
