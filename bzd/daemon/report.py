# SPDX-License-Identifier: Apache-2.0
"""How a badge is, for people and programs: the object in `status.json`, a sentence, and Prometheus metrics.

No ID, key or address is in any of them. Who is near now is a number and signal strengths.
"""

from __future__ import annotations

import os
from contextlib import suppress
from math import isinf
from pathlib import Path
from typing import Any

import bzd
from bzd.clock import rfc3339
from bzd.daemon.badge import Badge
from bzd.daemon.timekeeping import TimeKeeper
from bzd.store.recent import SUFFIX
from bzd.store.state import STORE_FILE

SCHEMA = "bzd.status/1"
"""`schema` of `status.json`."""


def status(badge: Badge, keeping: TimeKeeper, state: Path, started: float, config_error: str | None) -> dict[str, Any]:
    """How a badge is.

    Args:
        badge: the badge.
        keeping: its time.
        state: its state directory.
        started: boottime of its start in seconds.
        config_error: what is wrong with a configuration that was not taken, None if nothing.
    """
    boot, wall = keeping.boottime(), keeping.wall()
    return {
        "schema": SCHEMA,
        "version": bzd.__version__,
        "running": True,
        "pid": os.getpid(),
        "words": words(badge),
        "updated": rfc3339(wall),
        "updated_boottime": round(boot, 3),
        "uptime_s": round(boot - started, 3),
        "radio": _radio(badge, boot, wall),
        "paused": badge.paused,
        "paused_until": _until(badge, boot, wall),
        "sightings_per_minute": badge.neighbours.per_minute(boot),
        "neighbours": [
            {"rssi": round(one.rssi), "ago_s": round(boot - one.heard, 1)} for one in badge.neighbours.near(boot)
        ],
        "contacts_today": badge.keeper.counts.contacts if badge.keeper.counts.day == keeping.day() else 0,
        "contacts_waiting": badge.keeper.waiting,
        "store": {"path": str(state), "bytes": store_bytes(state)},
        "troubles": dict(badge.troubles.present),
        "clock": {"synced": keeping.synced, "now": rfc3339(wall), "boottime": round(boot, 3)},
        "dropped": drops(badge),
        "config_error": config_error,
    }


def words(badge: Badge) -> str:
    """How a badge is, in one sentence; nothing about who is near."""
    radio = badge.radio.state
    troubles = [*radio.troubles.values(), *badge.troubles.present.values()]
    if badge.paused:
        return "; ".join(["paused: off the air, nothing is logged", *badge.troubles.present.values()])
    if troubles:
        return "; ".join(troubles)
    listening = f"listening ({radio.mode})" if radio.scanning else "not listening now" if radio.mode else "starting"
    unproven = ", this radio not yet tried for leaks" if radio.scanning and radio.verdict is None else ""
    return f"{listening}, {'advertising' if radio.advertising else 'silent'}{unproven}"


def drops(badge: Badge) -> dict[str, int]:
    """What was heard and not kept, by reason."""
    scan, pipeline = badge.radio.state.scan, badge.pipeline.counts
    tracker, quota = badge.pipeline.tracker.counts, badge.keeper.quota
    return {
        "phantom_reports": scan.phantom,
        "cached_reports": scan.cached,
        "malformed_reports": scan.malformed,
        "overrun_reports": badge.overrun,
        "implausible_rssi": pipeline.implausible + pipeline.unmeasured,
        "own_ids": pipeline.own,
        "too_few_sightings": tracker.too_few,
        "too_weak": tracker.too_weak,
        "evicted_ids": tracker.evicted,
        "over_hourly_quota": quota.refused + quota.pushed_out,
        "unstored_contacts": badge.keeper.counts.unstored,
    }


def store_bytes(state: Path) -> int:
    """What the store takes on the disk, its log and what is recent included."""
    total = 0
    for suffix in ("", "-wal", SUFFIX):
        with suppress(OSError):
            total += (state / f"{STORE_FILE}{suffix}").stat().st_size
    return total


def metrics(found: dict[str, Any], *, social: bool) -> str:
    """Prometheus's text format of what `status` gave (https://prometheus.io/docs/instrumenting/exposition_formats/).

    Args:
        found: what `status` gave.
        social: with counts of neighbours and contacts; over time they show who sits with whom.
    """
    radio = found["radio"]
    lines = [
        _metric(
            "bzd_written_timestamp_seconds",
            "gauge",
            "when this was written; an old one is of a badge that died",
            _unix(found),
        ),
        _metric("bzd_advertising", "gauge", "whether a rolling ID is on air", int(radio["advertising"])),
        _metric("bzd_scanning", "gauge", "whether the radio listens now", int(radio["scanning"])),
        _metric("bzd_paused", "gauge", "whether the wearer paused the badge", int(found["paused"])),
        _metric("bzd_troubles", "gauge", "things that are wrong now", len(radio["troubles"]) + len(found["troubles"])),
        _metric("bzd_radio_restarts_total", "counter", "losses of bluetoothd or adapter", radio["restarts"]),
        _metric("bzd_rotations_total", "counter", "rolling IDs put on air", radio["rotations"]),
        _metric("bzd_refusals_total", "counter", "advertisements that bluetoothd refused", radio["refusals"]),
        _metric("bzd_clock_synced", "gauge", "whether the clock is known to be right", int(found["clock"]["synced"])),
        _metric("bzd_store_bytes", "gauge", "size of the store", found["store"]["bytes"]),
        _metric(
            "bzd_recipients_changed", "gauge", "whether others can read than at bzd init", int(_others_read(found))
        ),
        "# HELP bzd_dropped_total heard and not kept, by reason\n# TYPE bzd_dropped_total counter",
        *(f'bzd_dropped_total{{reason="{reason}"}} {count}' for reason, count in found["dropped"].items()),
    ]
    if social:
        lines += [
            _metric("bzd_neighbours", "gauge", "badges near now", len(found["neighbours"])),
            _metric("bzd_contacts_today", "gauge", "contacts kept since UTC midnight", found["contacts_today"]),
            _metric("bzd_sightings_per_minute", "gauge", "sightings of the last minute", found["sightings_per_minute"]),
        ]
    return "\n".join(lines) + "\n"


def _unix(found: dict[str, Any]) -> float:
    """When the status was taken, by the wall clock."""
    from datetime import datetime  # noqa: PLC0415  only where metrics are wanted

    return datetime.fromisoformat(found["updated"]).timestamp()


def _others_read(found: dict[str, Any]) -> bool:
    return bool(found.get("sealed_to", {}).get("changed"))


def _metric(name: str, kind: str, text: str, value: float) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}"


def _radio(badge: Badge, boot: float, wall: float) -> dict[str, Any]:
    state = badge.radio.state
    heard = badge.heard_at
    return {
        "adapter": state.adapter,
        "mode": state.mode,
        "verdict": state.verdict,
        "advertising": state.advertising,
        "scanning": state.scanning,
        "protocol": badge.config.advertise.protocol,
        "last_heard": None if heard is None else rfc3339(wall - (boot - heard)),
        "last_heard_ago_s": None if heard is None else round(boot - heard, 1),
        "rotations": state.rotations,
        "refusals": state.refusals,
        "restarts": state.restarts,
        "resets": state.resets,
        "rotation_gap_s": state.rotation_gap_s,
        "active_instances": state.active_instances,
        "reports": state.scan.reports,
        "troubles": dict(state.troubles),
    }


def _until(badge: Badge, boot: float, wall: float) -> str | None:
    until = badge.paused_until
    return None if until is None or isinf(until) else rfc3339(wall + until - boot)
