# SPDX-License-Identifier: Apache-2.0
"""Checks of the radio: kernel, bluetoothd, adapter, and what gives a badge away."""

from __future__ import annotations

import time

from bzd.doctor import versions
from bzd.doctor.facts import Facts
from bzd.doctor.finding import Finding, ok, problem, unknown, warning
from bzd.errors import RadioError
from bzd.radio.adapter import MAIN_CONF, check
from bzd.radio.scanner import MODES
from bzd.radio.verdict import ADVERTISING

_BAND_2_4_MHZ = 2500
"""Above the highest channel of 2.4 GHz, below the lowest of 5 GHz (IEEE 802.11)."""
_BEST = "full"
"""What auto takes where advertisement monitors are offered (`bzd.radio.scanner`)."""
_SPARSE = {
    "active": "scan.mode is active: each neighbour is measured once in 10 s, not each time",
    "passive": "scan.mode is passive: a neighbour is measured when its RSSI moved by 8 dB; with a kernel before August "
    "2024 perhaps only once (hbldh/bleak#235)",
}
"""What a mode that was asked for costs, see `bzd.radio.scanner`."""

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
        "`sudo bzd doctor --radio` looks whether scan requests then have the public address (bluez/bluez#2337)",
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
    if facts.radio.keeps_strangers:
        return warning(
            "bluetoothd keeps every device that it ever heard, until it has no memory left (hbldh/bleak#500)",
            f"remove TemporaryTimeout = 0 from {MAIN_CONF}, then `systemctl restart bluetooth`",
        )
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
    if radio.privacy is None:
        return unknown(f"{MAIN_CONF} may not be read by this user")
    try:
        check(radio.name, radio.adapter, radio.privacy)
    except RadioError as error:
        return problem(str(error), error.hint)
    if radio.adapter.connectable is None:
        return unknown(
            "not discoverable, Privacy off; whether it is connectable this bluetoothd tells nobody, but the kernel root"
        )
    return ok("a new address with each rolling ID: not connectable, not discoverable, Privacy off")


def leaks(facts: Facts) -> Finding:
    """Whether this very radio was seen to keep its address to itself, in the way that it is used."""
    radio = facts.radio
    if radio.setup is None:
        return unknown("there is no adapter to look at", "mend that first")
    found = radio.verdict
    if found is None and radio.verdict_denied:
        return unknown("what was found of this radio may not be read by this user")
    look = "`sudo bzd doctor --radio` looks, in about a minute"
    if found is None:
        return warning(f"nobody has looked whether this radio gives the badge away ({radio.setup})", look)
    if refusal := found.refusal(ADVERTISING):
        return problem(refusal, "use another adapter, kernel or BlueZ: the badge keeps silent on this one")
    bad = {mode: found.refusal(mode) for mode in MODES if found.refusal(mode)}
    if bad and len(bad) == sum(mode in found.outcomes for mode in MODES):
        return problem("; ".join(bad.values()), "use another adapter, kernel or BlueZ: the badge only advertises")
    if bad:
        return warning("; ".join(bad.values()), "scan.mode = auto takes another mode; a newer kernel or BlueZ may help")
    if radio.monitors and _BEST not in found.outcomes:
        return warning(f"nobody has looked at scan mode {_BEST}, which has been there only since then", look)
    return ok(f"clean: {', '.join(found.outcomes)} (looked at on {time.strftime('%Y-%m-%d', time.gmtime(found.time))})")


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
    return _heard(facts)


def _heard(facts: Facts) -> Finding:
    """Whether the badge that runs is on air; by its own word, since what is on air may be another program's."""
    badge, active = facts.service, facts.radio.active_instances
    if not badge.badge_runs:
        return ok("offered; `bzd doctor --advertise` tries it")
    if badge.paused or (badge.on_air is None and "paused" in badge.status):
        return ok("paused")
    if badge.on_air is False or active == 0:
        return problem("the badge runs, but nothing of it is advertised", "`bzd status` says why")
    if badge.on_air is None:
        return unknown("the badge runs; whether it is on air it tells root and the group bzd alone")
    return ok("the badge is on air")


def others(facts: Facts) -> Finding:
    """Whether another program takes part of the air time."""
    radio, badge = facts.radio, facts.service
    if radio.active_instances is None:
        return unknown("it is unknown who advertises", "mend the adapter first")
    # While an advertisement was tried, the badge was paused.
    own = radio.tried is None and (badge.badge_runs if badge.on_air is None else badge.on_air)
    if (number := radio.active_instances - own) > 0:
        return warning(
            f"{number} other on {radio.name}: each advertisement is sent only a part of the time, and one that can be "
            "connected to shows the adapter's public address, here where the badge is",
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
    if facts.radio.scan_mode in _SPARSE:
        return warning(
            _SPARSE[facts.radio.scan_mode], "scan.mode = auto has every report, where that gives nothing away"
        )
    return ok("every report arrives (experimental interfaces are on)")


def kernel_log(facts: Facts) -> Finding:
    """Whether the kernel has complained of the radio since boot."""
    lines = facts.radio.kernel_log
    if lines is None:
        return unknown(
            "the kernel's log is not there, or not for this user",
            "run it again with sudo; `journalctl -k -b` shows whether there is one",
        )
    told = [
        (f"{meaning} ({times} times since boot)", remedy)
        for sign, (meaning, remedy) in KERNEL_FAULTS.items()
        if (times := sum(sign in line for line in lines))
    ]
    if told:
        return warning("; ".join(text for text, _ in told), "; ".join(remedy for _, remedy in told))
    return ok("nothing about the radio")


def wifi(facts: Facts) -> Finding:
    """Whether the Wi-Fi of a Raspberry Pi's chip, which has one antenna for both, is in the badge's way."""
    mhz, board = facts.system.wifi_mhz, facts.system.board
    if not board.startswith("Raspberry Pi"):
        return ok("no Raspberry Pi, whose Wi-Fi and Bluetooth share an antenna")
    if mhz is None or mhz > _BAND_2_4_MHZ:
        return ok("off" if mhz is None else f"at {mhz} MHz, out of the way")
    where = f"at {mhz} MHz, in Bluetooth's own band" if mhz else "on, it is unknown in which band"
    return warning(
        f"{where}: on one chip with Bluetooth, both lose by it (raspberrypi/linux#3727 and #1552)",
        "use 5 GHz, a cable, or no network while it logs; of no concern to an adapter on USB",
    )
