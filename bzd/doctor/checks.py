# SPDX-License-Identifier: Apache-2.0
"""All checks, in the order in which a fault would hide others."""

from __future__ import annotations

from collections.abc import Callable

from bzd.doctor import radio_checks, system_checks
from bzd.doctor.facts import Facts
from bzd.doctor.finding import Finding, Verdict

CHECKS: dict[str, Callable[[Facts], Finding]] = {
    "kernel": radio_checks.kernel,
    "bluez": radio_checks.bluez,
    "bluetoothd": radio_checks.bluetoothd,
    "adapter": radio_checks.adapter,
    "address privacy": radio_checks.privacy,
    "leaks": radio_checks.leaks,
    "advertising": radio_checks.advertising,
    "other advertisers": radio_checks.others,
    "sampling": radio_checks.sampling,
    "kernel log": radio_checks.kernel_log,
    "wi-fi": radio_checks.wifi,
    "clock": system_checks.clock,
    "store": system_checks.store,
    "recipients": system_checks.recipients,
    "permissions": system_checks.permissions,
    "origin": system_checks.origin,
    "free space": system_checks.space,
    "card wear": system_checks.wear,
    "swap": system_checks.swap,
    "core dumps": system_checks.core_dumps,
    "service": system_checks.service,
    "fetching and warning": system_checks.beside,
}
"""Name to check."""


def examine(facts: Facts) -> dict[str, Finding]:
    """What every check came to, by name."""
    return {name: check(facts) for name, check in CHECKS.items()}


def healthy(findings: dict[str, Finding]) -> bool:
    """Whether there is no problem; warnings are none."""
    return all(finding.verdict is not Verdict.PROBLEM for finding in findings.values())
