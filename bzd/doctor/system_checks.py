# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine: clock, disk, memory, store and service."""

from __future__ import annotations

from bzd.doctor.facts import Facts
from bzd.doctor.finding import Finding, ok, problem, unknown, warning
from bzd.store.machine import MACHINE_FILE, Home

OLDEST_S = 1_767_225_600.0
"""2026-01-01: no bzd is older, so a clock before it is wrong."""
FREE_PROBLEM_BYTES = 10 << 20
FREE_WARNING_BYTES = 1 << 30
"""20 days of the 50 MB that a crowded day may write, if nothing of it were ever overwritten."""
WRITTEN_WARNING_BYTES = 1 << 30
"""A day, on the whole card."""
WORN_BYTES = 960e9
"""What a card may take: 32 GB, 300 erase cycles, ten bytes erased for one written. Both are assumed: makers state
neither."""
SETTLED_S = 3600.0
"""Before this much uptime, what booting writes hides what a day writes."""
RESTARTS_WARNING = 3
PRIVATE = 0o700
DAY_S = 86400.0


def clock(facts: Facts) -> Finding:
    """Whether what is logged will have the right time."""
    if facts.system.now < OLDEST_S:
        return problem(
            "the clock is years behind",
            "let the badge reach a time server once after each boot, or add a real-time clock; until then contacts are "
            "kept without a date",
        )
    if facts.system.synchronised is None:
        return unknown("it is unknown whether a time server keeps the clock", "`timedatectl` tells")
    if not facts.system.synchronised:
        return warning(
            "no time server has set the clock since boot",
            "`timedatectl set-ntp true`, and a network that reaches one; contacts are kept, and dated later",
        )
    return ok("kept by a time server")


def swap(facts: Facts) -> Finding:
    """Whether keys could come onto the card by swapping."""
    if facts.system.swaps:
        return warning(
            f"memory is swapped to {', '.join(facts.system.swaps)}",
            "Raspberry Pi OS bookworm: `sudo systemctl disable --now dphys-swapfile`; trixie: [Main] Mechanism=zram in "
            "a file of /etc/rpi/swap.conf.d, and reboot; else `swapoff -a`: the service locks its memory, the commands "
            "that open the store with an identity do not; swapping wears out the card besides",
        )
    return ok("no swap on a disk")


def core_dumps(facts: Facts) -> Finding:
    """Whether a crash would write keys into a file."""
    limit = facts.service.core_limit
    if facts.service.installed and limit != "0":
        return problem(f"a crash of the service may write its memory to a file (LimitCORE={limit})", "LimitCORE=0")
    if facts.system.core_handler:
        return warning(
            f"the kernel gives crashed programs to {facts.system.core_handler}, whatever their limit: the badge takes "
            "itself out, the commands that open the store with an identity do not",
            "remove that program, or `sudo sysctl kernel.core_pattern=core`",
        )
    return ok("the service writes no core files" if facts.service.installed else "no service, no core files of it")


def store(facts: Facts) -> Finding:
    """Whether there is a sealed store, and whom it is sealed to."""
    found = facts.store
    if found.denied:
        return unknown(f"{found.state} may not be looked at by this user")
    if found.trouble:
        return problem(found.trouble, found.remedy)
    sealed = ", ".join(found.recipients)
    if found.own_identity:
        return ok(f"sealed to the identity beside it, {sealed}: whoever has the card can read it")
    return ok(f"sealed to {sealed}")


def recipients(facts: Facts) -> Finding:
    """Whether they are those of `bzd init`, and whether one lost identity would be the loss of everything."""
    found = facts.store
    if found.denied or found.trouble:
        return unknown("there is no store to look at", "mend that first" if not found.denied else "run it with sudo")
    if found.changes:
        return warning(
            "; ".join(found.changes),
            f"unless you did that: compare the fingerprints with those that `bzd init` showed, remove a stranger's "
            f"from {found.state / 'recipients'} and {found.state / 'key-recipients'}, and `systemctl reload bzd`",
        )
    if len(found.recipients) == 1 and not found.own_identity:
        return warning(
            "sealed to one recipient alone: if that identity is lost, all data are",
            f"put a second public key into {found.state / 'recipients'} and `systemctl reload bzd`",
        )
    return ok(f"{len(found.recipients)}")


def permissions(facts: Facts) -> Finding:
    """Whether only the badge can enter its state directory, and it can."""
    found = facts.store
    if found.denied and found.mode is None:
        return unknown(f"{found.state} may not be looked at by this user")
    if found.mode is None:
        return unknown("there is no state directory to look at", "mend the store first")
    if found.mode != PRIVATE:
        return problem(f"{found.state} has mode {found.mode:04o}", f"`chmod 0700 {found.state}`")
    if facts.service.installed and found.owner != facts.service.user:
        return problem(
            f"{found.state} belongs to {found.owner}, not to the service's user {facts.service.user}",
            f"`chown -R {facts.service.user}: {found.state}`",
        )
    if found.store_owner and found.store_owner != found.owner:
        return problem(
            f"the store in {found.state} belongs to {found.store_owner}, not to {found.owner} as its directory",
            f"`chown -R {found.owner}: {found.state}`: a command of another user has made it anew",
        )
    return ok(f"{found.state} is open to {found.owner} alone")


def origin(facts: Facts) -> Finding:
    """Whether the card was copied from another badge."""
    found = facts.store
    if found.denied or found.trouble:
        return unknown("there is no store to look at", "mend that first" if not found.denied else "run it with sudo")
    if found.home is Home.OTHER:
        return problem(
            "this store was made on another machine: two badges may share identity and signing key",
            f"if the card was copied: stop bzd, remove {found.state}, start bzd. If only the board was changed: remove "
            f"{found.state / MACHINE_FILE} and restart bzd",
        )
    return ok("made here" if found.home is Home.OWN else "it has not been used yet")


def space(facts: Facts) -> Finding:
    """Whether there is room to write."""
    found = facts.store
    if found.read_only:
        return problem(
            f"{found.state} is on a file system that is mounted read-only",
            "remount it; if the kernel did that by itself, the card is failing: replace it",
        )
    if found.free_bytes is None:
        return unknown("it is unknown how much space is free", "mend the store first")
    text = f"{found.free_bytes / 1e6:,.0f} MB free"
    if found.free_bytes < FREE_PROBLEM_BYTES:
        return problem(text, "make room: `bzd purge`, `journalctl --vacuum-size=50M`, `apt clean`")
    if found.free_bytes < FREE_WARNING_BYTES:
        return warning(text, "make room, or shorten store.retention_days")
    return ok(text)


def wear(facts: Facts) -> Finding:
    """Whether the SD card is being worn out."""
    found = facts.store
    if found.mode is None:
        return unknown("there is no state directory to look at", "mend the store first")
    if found.written_bytes is None:
        return ok("the store is on no SD card")
    if found.uptime_s < SETTLED_S:
        return ok("too soon after boot to tell")
    daily = found.written_bytes / found.uptime_s * DAY_S
    text = f"{daily / 1e6:,.0f} MB a day are written to the card"
    if daily > WRITTEN_WARNING_BYTES:
        return warning(
            f"{text}: it may be worn out in {WORN_BYTES / daily / 365:.1f} years",
            "find who writes: `iotop -ao`; often the journal (Storage=volatile) or swap",
        )
    return ok(text)


def service(facts: Facts) -> Finding:
    """Whether the badge runs, and will after a reboot."""
    found = facts.service
    if not found.installed:
        return warning("the service is not installed", "`sudo /opt/bzd/bin/bzd install-service --now`")
    if not found.active:
        return problem(
            f"the service is {found.state}", "`systemctl start bzd`; `journalctl -u bzd -b` says why it ended"
        )
    if not found.enabled:
        return warning("the service runs, but will not after a reboot", "`systemctl enable bzd`")
    if found.restarts >= RESTARTS_WARNING:
        return warning(f"the service had to be started again {found.restarts} times", "`journalctl -u bzd` says why")
    return ok(f"the service runs: {found.status}" if found.status else "the service runs")


def beside(facts: Facts) -> Finding:
    """Whether what is done for the badge now and then was done: fetching key files, and the command of a warning."""
    if facts.service.failed:
        units = " and ".join(facts.service.failed)
        return warning(
            f"the last run of {units} failed", f"`journalctl {' '.join(f'-u {unit}' for unit in facts.service.failed)}`"
        )
    return ok("no failed run")
