# SPDX-License-Identifier: Apache-2.0
"""Configuration: TOML and `--set section.key=value` into frozen dataclasses, and where each value came from.

Each option carries its documentation, unit and bounds beside its default, so that `bzd config` and the errors can
quote them. An unknown section or key is an error that names the nearest known one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bzd import board
from bzd.errors import ConfigError
from bzd.option import checked, nearest, option

_FILE_BYTES = 32768
"""Largest configuration file that is read, several times all options with comments. Python's TOML parser takes time
with the square of the length of a dotted key: some 0.5 s for this, minutes for megabytes."""
_TX_POWER = "advertise.tx_power_dbm"
"""The one option whose default is the board's."""


@dataclass(frozen=True, slots=True)
class RadioConfig:
    """`[radio]`: which radio."""

    adapter: str = option(
        "hci0", "the Bluetooth adapter, as bluetoothd names it: hci and a number", like="hci[0-9]{1,5}"
    )


@dataclass(frozen=True, slots=True)
class ScanConfig:
    """`[scan]`: how the radio listens."""

    period_s: float = option(
        0.0,
        "seconds from one listening to the next; 0 listens all the time. Phones listen 4 s every 210 to 300 s (GAEN)",
        low=0,
        high=3600,
    )
    window_s: float = option(
        4.0,
        "with a scan period, seconds of each listening (GAEN: 4 s)",
        low=1,
        high=3600,
    )
    mode: str = option(
        "auto",
        "how bluetoothd is made to report: full gives every report, but needs bluetoothd's experimental features; "
        "active one report per device in 10 s; passive sends nothing, and reports only great changes; auto takes the "
        "first of full, active and passive that there is and that does not give the badge away",
        choices=("auto", "full", "active", "passive"),
    )


@dataclass(frozen=True, slots=True)
class AdvertiseConfig:
    """`[advertise]`: what the badge broadcasts."""

    protocol: str = option("gaen", "the protocol of the rolling IDs", choices=("gaen", "bluezone"))
    tx_power_dbm: int = option(
        board.FITTED_DBM,
        "radiated power at which others are told that the badge sends (GAEN's metadata). What they hear at 1 m "
        "(ranging.rssi_1m_dbm, -50 for a Pi 3) plus match.path_loss_1m_db, 60; by default that of the board, as "
        "far as known; calibrate it for the board in its case",
        low=-127,
        high=127,
    )


@dataclass(frozen=True, slots=True)
class ProximityConfig:
    """`[proximity]`: from sightings to contacts."""

    instance_gap_s: float = option(
        25.0,
        "a scan instance closes after this many seconds without a sighting. Google joins sightings up to 25.5 s apart, "
        "and BlueZ's active scan reports a device once in 10.3 s",
        low=1,
        high=300,
    )
    instance_max_s: float = option(60.0, "a scan instance closes after this many seconds", low=1, high=300)
    instance_stands_for_max_s: float = option(
        300.0,
        "with a scan period, the most seconds one instance stands for (GAEN: 5 minutes)",
        low=1,
        high=3600,
    )
    max_gap_s: float = option(
        360.0,
        "two scan instances further apart than this many seconds are two contacts; more than GAEN's longest "
        "scan period of 5 minutes",
        low=1,
        high=86400,
    )
    min_sightings: int = option(
        2,
        "contacts with fewer sightings are dropped: one alone may be a corrupted read. Duration is judged only after "
        "matching has joined the pieces of a meeting",
        low=1,
        high=100000,
    )
    min_rssi_dbm: int = option(
        -95,
        "contacts whose strongest sighting is weaker are dropped. Coarse on purpose: a phone's tx power is known only "
        "after matching",
        low=-126,
        high=20,
    )
    max_tracked: int = option(
        4096,
        "rolling IDs tracked at once; beyond it the weakest and oldest go, counted",
        low=16,
        high=1000000,
    )
    max_contacts_per_hour: int = option(
        1000,
        "contacts stored per hour of their start; beyond it the shortest go, counted. Twice the 500 badges that were "
        "seen to saturate bluetoothd",
        low=1,
        high=1000000,
    )


@dataclass(frozen=True, slots=True)
class RangingConfig:
    """`[ranging]`: from RSSI to closeness. RSSI is not metres; these constants only make the error honest."""

    near_m: float = option(
        2.0, "closer than this many metres is near (the public-health rule of 2020)", low=0.1, high=100
    )
    rssi_1m_dbm: float = option(
        -50.0,
        "RSSI at 1 m in dBm: two Raspberry Pi 3 in line of sight (fitted to NIST's Device A, tried on Device B). "
        "Worn on bodies it is some 10 dB less; of a phone it is its tx power less about 60 dB (DP-3T's experiment 5)",
        low=-126,
        high=20,
    )
    exponent: float = option(
        2.0,
        "path-loss exponent: 2 is free space and what NIST's Raspberry Pi show within 4 m (1.93)",
        low=0.5,
        high=10,
    )
    smoothing_s: float = option(
        90.0,
        "an instance's level is the median of the instances that begin within this many seconds of it; "
        "0 takes each by itself",
        low=0,
        high=3600,
    )


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """`[store]`: the sealed store."""

    retention_days: int = option(14, "contacts and keys older than this many days are purged", low=1, high=3650)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """`[metrics]`: for those who watch many badges."""

    textfile: str = option(
        "",
        "file that the daemon writes for Prometheus's node exporter (its name must end in .prom); empty writes none. "
        "The service may write to /run/bzd, and elsewhere what `ReadWritePaths=` in `systemctl edit bzd` opens",
    )
    social: bool = option(
        False,
        "also how many badges are near and how many contacts there were; over time that shows who sits with whom",
    )


@dataclass(frozen=True, slots=True)
class MatchConfig:
    """`[match]`: the keys of cases against this badge's contacts."""

    verify_keys: tuple[str, ...] = option(
        (),
        "public keys that key files must verify with, each [ID[:VERSION]=]FILE as with --verify-key",
    )
    feed: tuple[str, ...] = option(
        (),
        "addresses that publish key files: an archive if one ends in .zip, else an index of one relative path a line",
    )
    feed_exact: bool = option(
        False,
        "ask a feed for news by what it said of each file (ETag, Last-Modified) and not by the day of the last look. "
        "Saves traffic with nginx, but by such marks a feed can follow one badge",
    )
    rule: str = option(
        "near",
        "when a day's risk is high: near, narrow-v1, narrow-v2, wide, swisscovid, cwa, or a TOML file of weights "
        "(`pydoc bzd.matching.rules`)",
    )
    tolerance_s: float = option(
        7200.0,
        "seconds by which an ID may be heard too early or too late (GAEN: two hours). Whoever records IDs can replay "
        "them for so long; 600 suits badges whose clocks agree",
        low=0,
        high=86400,
    )
    day_offset_s: float = option(
        0.0,
        "seconds by which a day is ahead of UTC's when minutes are summed up; 25200 in Vietnam",
        low=-43200,
        high=50400,
    )
    path_loss_1m_db: float = option(
        60.0,
        "attenuation at 1 m, in dB: of phones in DP-3T's experiment 5, and of two Raspberry Pi 3 within 2 dB",
        low=0,
        high=150,
    )
    rssi_correction_db: float = option(
        0.0, "dB to add to every RSSI that this kind of badge measures", low=-100, high=100
    )
    calibration: str = option(
        "", "CSV of device models with their RSSI corrections (`pydoc bzd.matching.calibration`); empty for none"
    )
    model: str = option("", "model of the badge in that CSV; its correction is added to rssi_correction_db")
    feed_folder: str = option(
        "/var/lib/bzd-feed",
        "folder that key files are fetched into (`bzd-feed.service`); a badge with an identity of its own matches what "
        "comes there and warns. Empty: it does not look",
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All sections."""

    radio: RadioConfig = field(default_factory=RadioConfig)
    scan: ScanConfig = field(default_factory=ScanConfig)
    advertise: AdvertiseConfig = field(default_factory=AdvertiseConfig)
    proximity: ProximityConfig = field(default_factory=ProximityConfig)
    ranging: RangingConfig = field(default_factory=RangingConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    match: MatchConfig = field(default_factory=MatchConfig)


@dataclass(frozen=True, slots=True)
class Setting:
    """One option as it is in force: `section.key`, its value, where it came from, and what it means."""

    name: str
    value: Any
    origin: str
    doc: str


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The configuration in force and where each value came from.

    Attributes:
        config: the values.
        origins: `section.key` to the file, flag or board that set it; absent for other defaults.
    """

    config: Config
    origins: Mapping[str, str]

    def settings(self) -> Iterator[Setting]:
        """Every option in force, in order of declaration."""
        for section in fields(Config):
            values = getattr(self.config, section.name)
            for entry in fields(values):
                name = f"{section.name}.{entry.name}"
                origin = self.origins.get(name, "default")
                yield Setting(name, getattr(values, entry.name), origin, entry.metadata["doc"])


def load(path: Path | None = None, overrides: Sequence[str] = (), *, model: str = "") -> LoadedConfig:
    """Read the configuration.

    Args:
        path: a TOML file, or None for the defaults.
        overrides: `section.key=value`, where value is TOML or else taken as a string; they win over the file.
        model: the board's name, on which some defaults depend; empty for any other machine.

    Raises:
        ConfigError: naming the file, the key and the nearest known key.
    """
    values: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    if path is not None:
        for section, key, value in _read(path):
            values.setdefault(section, {})[key] = _checked(section, key, value, str(path))
            origins[f"{section}.{key}"] = str(path)
    for override in overrides:
        section, key, value = _parse_override(override)
        values.setdefault(section, {})[key] = _checked(section, key, value, "--set")
        origins[f"{section}.{key}"] = "--set"
    if _TX_POWER not in origins and (power := board.tx_power(model)) is not None:
        values.setdefault("advertise", {})["tx_power_dbm"] = power.dbm
        origins[_TX_POWER] = f"default on a {model}: {power.source}"
    return LoadedConfig(_made(values), origins)


def of(values: Mapping[str, Mapping[str, Any]], origin: str) -> Config:
    """The configuration with these values by section and key, such as `dataclasses.asdict` gives, and defaults.

    Raises:
        ConfigError: naming the origin, the key and the nearest known key.
    """
    return _made(
        {
            section: {key: _checked(section, key, value, origin) for key, value in of_section.items()}
            for section, of_section in values.items()
        }
    )


def _made(values: Mapping[str, Mapping[str, Any]]) -> Config:
    sections = {entry.name: _section_type(entry.name)(**values.get(entry.name, {})) for entry in fields(Config)}
    return Config(**sections)


def _read(path: Path) -> Iterator[tuple[str, str, Any]]:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES + 1)
        if len(content) > _FILE_BYTES:
            raise ConfigError(f"{path} is no configuration: it is larger than {_FILE_BYTES} bytes", "check the path")
        # With the byte order mark that some editors of Windows begin a file with.
        document = tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "mend the line it names") from error
    for section, table in document.items():
        if not isinstance(table, dict):
            _section_type(section, str(path))
            raise ConfigError(f"{path}: {section} must be a section: [{section}]")
        for key, value in table.items():
            yield section, key, value


def _parse_override(text: str) -> tuple[str, str, Any]:
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot):
        raise ConfigError(f"--set takes section.key=value, not {text!r}", "for example --set proximity.max_gap_s=600")
    try:
        return section, key, tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return section, key, value


def _section_type(name: str, origin: str = "--set") -> Any:
    known = {entry.name: entry.default_factory for entry in fields(Config)}
    if name not in known:
        raise ConfigError(f"{origin}: unknown section [{name}]{nearest(name, known)}")
    return known[name]


def _checked(section: str, key: str, value: Any, origin: str) -> Any:
    known = {entry.name: entry for entry in fields(_section_type(section, origin))}
    if key not in known:
        raise ConfigError(f"{origin}: unknown key {section}.{key}{nearest(key, known)}")
    return checked(known[key], f"{section}.{key}", value, origin)
