# SPDX-License-Identifier: Apache-2.0
"""Each check: silent on a healthy badge, and right about each fault that it knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bzd.doctor.checks import CHECKS, examine, healthy
from bzd.doctor.facts import Facts, RadioFacts, ServiceFacts, StoreFacts, SystemFacts
from bzd.doctor.finding import Verdict
from bzd.radio.adapter import Adapter
from bzd.radio.setup import Setup
from bzd.radio.verdict import ADVERTISING, Outcome
from bzd.radio.verdict import Verdict as RadioVerdict
from bzd.store.machine import Home

ON = Adapter(powered=True, connectable=False)
SETUP = Setup("6.12.75+rpt-rpi-v8", "5.82", "legacy advertising")
WAYS = (ADVERTISING, "full", "active", "passive")


def verdict(*outcomes: Outcome) -> RadioVerdict:
    """On advertising, full, active and passive."""
    return RadioVerdict(SETUP, 1_790_000_000.0, dict(zip(WAYS, outcomes, strict=True)))


CLEAN, LEAKY, LINKED = Outcome.CLEAN, Outcome.LEAKY, Outcome.LINKED
HEALTHY = Facts(
    RadioFacts(
        "hci0",
        "",
        "5.82",
        ON,
        monitors=True,
        advertises=True,
        active_instances=1,
        kernel_log=("Bluetooth: hci0: up",),
        setup=SETUP,
        verdict=verdict(CLEAN, CLEAN, CLEAN, CLEAN),
    ),
    SystemFacts("6.12.75+rpt-rpi-v8", 1_800_000_000.0, synchronised=True),
    StoreFacts(
        Path("/var/lib/bzd"),
        recipients=("1111", "2222"),
        home=Home.OWN,
        mode=0o700,
        owner="bzd",
        free_bytes=20_000_000_000,
        written_bytes=50_000_000,
        uptime_s=86400.0,
    ),
    ServiceFacts(
        installed=True, state="active", enabled=True, status="on air", core_limit="0", user="bzd", on_air=True
    ),
)


def faulty(part: str, **changes: Any) -> Facts:
    """A healthy badge but for something."""
    return replace(HEALTHY, **{part: replace(getattr(HEALTHY, part), **changes)})


def test_a_healthy_badge_is_told_nothing_to_do() -> None:
    """Every check is content, and none gives advice."""
    findings = examine(HEALTHY)
    assert {name: finding for name, finding in findings.items() if finding.verdict is not Verdict.OK} == {}
    assert not any(finding.remedy for finding in findings.values())
    assert healthy(findings)


RADIO, SYSTEM, STORE, SERVICE = "radio", "system", "store", "service"
FAULTS = [
    ("kernel", Verdict.PROBLEM, faulty(SYSTEM, kernel="6.12.93+rpt-rpi-v8"), "7473"),
    ("kernel", Verdict.PROBLEM, faulty(SYSTEM, kernel="6.18.34+rpt-rpi-2712"), "7473"),
    ("kernel", Verdict.PROBLEM, faulty(SYSTEM, kernel="6.12.92+deb13-amd64"), "full-upgrade"),
    ("kernel", Verdict.PROBLEM, faulty(SYSTEM, kernel="6.1.175-v8+"), "6.1.176"),
    ("kernel", Verdict.WARNING, faulty(SYSTEM, kernel="5.4.83-v7+"), "5.10"),
    ("bluez", Verdict.PROBLEM, faulty(RADIO, bluez="5.43"), "5.66"),
    ("bluez", Verdict.WARNING, faulty(RADIO, bluez="5.55"), "5.66"),
    ("bluez", Verdict.WARNING, faulty(RADIO, bluez="5.87"), "bluez#2282"),
    ("bluez", Verdict.UNKNOWN, faulty(RADIO, bluez=""), "bluetoothctl"),
    ("bluetoothd", Verdict.PROBLEM, faulty(RADIO, trouble="bluetoothd is not running", adapter=None), "systemctl"),
    ("adapter", Verdict.UNKNOWN, faulty(RADIO, trouble="bluetoothd is not running", adapter=None), "first"),
    ("bluetoothd", Verdict.WARNING, faulty(RADIO, keeps_strangers=True), "TemporaryTimeout"),
    ("adapter", Verdict.PROBLEM, faulty(RADIO, adapter=None), "radio.adapter"),
    ("adapter", Verdict.PROBLEM, faulty(RADIO, adapter=Adapter(powered=False)), "power on"),
    ("adapter", Verdict.PROBLEM, faulty(RADIO, blocked=True), "rfkill"),
    ("adapter", Verdict.PROBLEM, faulty(RADIO, adapter=Adapter(powered=False, blocked=True)), "rfkill"),
    ("address privacy", Verdict.PROBLEM, faulty(RADIO, adapter=Adapter(powered=True, connectable=True)), "btmgmt"),
    ("address privacy", Verdict.PROBLEM, faulty(RADIO, adapter=Adapter(powered=True, discoverable=True)), "off"),
    ("address privacy", Verdict.PROBLEM, faulty(RADIO, privacy="device"), "Privacy = off"),
    ("address privacy", Verdict.UNKNOWN, faulty(RADIO, adapter=Adapter(powered=True)), "sudo"),
    ("address privacy", Verdict.UNKNOWN, faulty(RADIO, adapter=None), "first"),
    ("address privacy", Verdict.UNKNOWN, faulty(RADIO, privacy=None), "sudo"),
    ("leaks", Verdict.WARNING, faulty(RADIO, verdict=None), "doctor --radio"),
    (
        "leaks",
        Verdict.WARNING,
        faulty(RADIO, verdict=RadioVerdict(SETUP, 0.0, {ADVERTISING: CLEAN, "active": CLEAN})),
        "--radio",
    ),
    ("leaks", Verdict.WARNING, faulty(RADIO, verdict=verdict(CLEAN, LEAKY, LEAKY, CLEAN)), "auto takes another"),
    ("leaks", Verdict.PROBLEM, faulty(RADIO, verdict=verdict(CLEAN, LEAKY, LEAKY, LINKED)), "only advertises"),
    ("leaks", Verdict.PROBLEM, faulty(RADIO, verdict=verdict(LINKED, CLEAN, CLEAN, CLEAN)), "silent"),
    ("leaks", Verdict.UNKNOWN, faulty(RADIO, verdict=None, verdict_denied=True), "sudo"),
    ("leaks", Verdict.UNKNOWN, faulty(RADIO, adapter=None, setup=None), "first"),
    ("advertising", Verdict.PROBLEM, faulty(RADIO, advertises=False), "Low Energy"),
    ("advertising", Verdict.PROBLEM, faulty(RADIO, active_instances=0), "bzd status"),
    ("advertising", Verdict.PROBLEM, faulty(RADIO, tried="Invalid Parameters"), "journalctl"),
    ("advertising", Verdict.PROBLEM, faulty(SERVICE, on_air=False), "bzd status"),
    ("advertising", Verdict.UNKNOWN, faulty(SERVICE, on_air=None), "sudo"),
    ("other advertisers", Verdict.WARNING, faulty(RADIO, active_instances=2), "find the program"),
    ("other advertisers", Verdict.WARNING, faulty(SERVICE, on_air=False), "find the program"),
    ("other advertisers", Verdict.WARNING, faulty(RADIO, tried="", active_instances=1), "find the program"),
    ("other advertisers", Verdict.UNKNOWN, faulty(RADIO, active_instances=None), "adapter"),
    ("sampling", Verdict.WARNING, faulty(RADIO, monitors=False), "--experimental"),
    ("sampling", Verdict.WARNING, faulty(RADIO, scan_mode="active"), "scan.mode = auto"),
    ("sampling", Verdict.WARNING, faulty(RADIO, scan_mode="passive"), "scan.mode = auto"),
    ("kernel log", Verdict.WARNING, faulty(RADIO, kernel_log=("Bluetooth: hci0: command 0x0c03 tx timeout",)), "power"),
    (
        "kernel log",
        Verdict.WARNING,
        faulty(RADIO, kernel_log=("Bluetooth: hci0: Opcode 0x2005 failed: -16",)),
        "--radio",
    ),
    ("kernel log", Verdict.WARNING, faulty(RADIO, kernel_log=("Opcode 0x2005 failed: -16", "tx timeout")), "--radio"),
    ("kernel log", Verdict.UNKNOWN, faulty(RADIO, kernel_log=None), "sudo"),
    ("wi-fi", Verdict.WARNING, faulty(SYSTEM, board="Raspberry Pi 4 Model B Rev 1.4", wifi_mhz=2437), "5 GHz"),
    ("wi-fi", Verdict.WARNING, faulty(SYSTEM, board="Raspberry Pi 4 Model B Rev 1.4", wifi_mhz=0), "5 GHz"),
    ("clock", Verdict.PROBLEM, faulty(SYSTEM, now=86400.0), "time server"),
    ("clock", Verdict.WARNING, faulty(SYSTEM, synchronised=False), "set-ntp"),
    ("clock", Verdict.UNKNOWN, faulty(SYSTEM, synchronised=None), "timedatectl"),
    ("swap", Verdict.WARNING, faulty(SYSTEM, swaps=("/var/swap",)), "swapoff"),
    ("swap", Verdict.WARNING, faulty(SYSTEM, swaps=("/dev/zram0 on /dev/loop0",)), "Mechanism=zram"),
    ("core dumps", Verdict.WARNING, faulty(SYSTEM, core_handler="/usr/share/apport/apport"), "core_pattern"),
    ("core dumps", Verdict.PROBLEM, faulty(SERVICE, core_limit="infinity"), "LimitCORE=0"),
    ("store", Verdict.PROBLEM, faulty(STORE, trouble="there is no store", remedy="bzd init"), "bzd init"),
    ("store", Verdict.UNKNOWN, faulty(STORE, denied=True), "sudo"),
    ("recipients", Verdict.WARNING, faulty(STORE, recipients=("1111",)), "second public key"),
    ("recipients", Verdict.WARNING, faulty(STORE, changes=("it is sealed to 3 public keys",)), "fingerprints"),
    ("permissions", Verdict.PROBLEM, faulty(STORE, mode=0o755), "chmod 0700"),
    ("permissions", Verdict.PROBLEM, faulty(STORE, owner="root"), "chown -R bzd:"),
    ("permissions", Verdict.PROBLEM, faulty(STORE, store_owner="root"), "chown -R bzd:"),
    ("permissions", Verdict.UNKNOWN, faulty(STORE, mode=None, denied=True), "sudo"),
    ("permissions", Verdict.UNKNOWN, faulty(STORE, mode=None), "store first"),
    ("origin", Verdict.PROBLEM, faulty(STORE, home=Home.OTHER), "copied"),
    ("origin", Verdict.UNKNOWN, faulty(STORE, denied=True), "sudo"),
    ("free space", Verdict.PROBLEM, faulty(STORE, free_bytes=1000), "purge"),
    ("free space", Verdict.WARNING, faulty(STORE, free_bytes=500_000_000), "retention"),
    ("free space", Verdict.PROBLEM, faulty(STORE, read_only=True), "card is failing"),
    ("card wear", Verdict.UNKNOWN, faulty(STORE, mode=None, written_bytes=None), "store first"),
    ("card wear", Verdict.WARNING, faulty(STORE, written_bytes=5_000_000_000), "iotop"),
    ("service", Verdict.WARNING, replace(HEALTHY, service=ServiceFacts()), "install-service"),
    ("fetching and warning", Verdict.WARNING, faulty(SERVICE, failed=("bzd-feed.service",)), "-u bzd-feed.service"),
    ("service", Verdict.PROBLEM, faulty(SERVICE, state="failed"), "journalctl"),
    ("service", Verdict.WARNING, faulty(SERVICE, enabled=False), "enable"),
    ("service", Verdict.WARNING, faulty(SERVICE, restarts=7), "journalctl"),
]


@pytest.mark.parametrize(("name", "verdict", "facts", "advice"), FAULTS)
def test_each_fault_is_found_with_its_remedy(name: str, verdict: Verdict, facts: Facts, advice: str) -> None:
    """The check that it is about says so and advises; the verdict decides whether the badge counts as healthy."""
    findings = examine(facts)
    assert findings[name].verdict is verdict
    assert advice in findings[name].remedy
    assert findings[name].text
    assert all(bool(each.remedy) is (each.verdict is not Verdict.OK) for each in findings.values())
    if verdict is not Verdict.PROBLEM:
        others = {other: finding for other, finding in findings.items() if finding.verdict is Verdict.PROBLEM}
        assert healthy(findings) is not bool(others)


def test_every_check_has_a_fault_that_it_finds() -> None:
    """No check is always content."""
    assert set(CHECKS) == {name for name, *_ in FAULTS}


@pytest.mark.parametrize(
    "release",
    [
        *("6.1.0-56-amd64", "6.1.176-v8+", "6.12.75+rpt-rpi-v8", "6.12.87+rpt-rpi-v8", "6.12.94+deb13-amd64"),
        *("6.12.117+deb13-amd64", "6.18.33+rpt-rpi-2712", "6.18.36+rpt-rpi-v8", "6.18.37+rpt-rpi-v8"),
    ],
)
def test_good_kernels_are_good(release: str) -> None:
    """Those that were reported to work, the first with the mended code, and one that the test bed runs."""
    assert examine(faulty(SYSTEM, kernel=release))["kernel"].verdict is Verdict.OK


@pytest.mark.parametrize(
    "service",
    [
        replace(HEALTHY.service, status="paused until 12:00", on_air=None),
        replace(HEALTHY.service, on_air=False, paused=True),
        ServiceFacts(by_hand=True, on_air=False, paused=True),
    ],
)
def test_a_paused_badge_may_be_silent(service: ServiceFacts) -> None:
    """Its wearer wanted that, whether the service told or the badge itself."""
    facts = replace(faulty(RADIO, active_instances=0), service=service)
    assert examine(facts)["advertising"].verdict is Verdict.OK


def test_a_badge_that_runs_at_a_terminal_is_no_other_advertiser() -> None:
    """Testers run it by hand."""
    facts = replace(HEALTHY, service=ServiceFacts(by_hand=True, on_air=True))
    findings = examine(facts)
    assert findings["other advertisers"].verdict is Verdict.OK
    assert findings["advertising"].text == "the badge is on air"


def test_a_badge_whose_word_may_not_be_read_counts_as_one_advertiser() -> None:
    """Somebody outside its group is not told of another that may not be."""
    assert examine(faulty(SERVICE, on_air=None))["other advertisers"].verdict is Verdict.OK


def test_wifi_out_of_the_way_is_no_matter() -> None:
    """Off, at 5 GHz, or on a board whose radios have antennas of their own."""
    pi = "Raspberry Pi Zero 2 W Rev 1.0"
    for board, mhz in ((pi, None), (pi, 5180), ("", 2437), ("Some Board", 0)):
        assert examine(faulty(SYSTEM, board=board, wifi_mhz=mhz))["wi-fi"].verdict is Verdict.OK


def test_a_card_is_not_judged_by_what_booting_wrote() -> None:
    """In the first hour a day's writing cannot be told."""
    assert examine(faulty(STORE, written_bytes=10**9, uptime_s=60.0))["card wear"].verdict is Verdict.OK
