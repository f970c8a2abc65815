# SPDX-License-Identifier: Apache-2.0
"""What a configuration says of matching: how contacts become encounters, by which rule, and which files are trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bzd.config import Config
from bzd.errors import ConfigError
from bzd.matching.calibration import find, read_calibration
from bzd.matching.encounters import Joining
from bzd.matching.matcher import TOLERANCE_S
from bzd.matching.rules import DEFAULT_RULE, RULES, Rule, load_rule
from bzd.matching.signing import VerifyKey, parse_verify_key


@dataclass(frozen=True, slots=True)
class How:
    """How to match.

    Attributes:
        joining: how contacts become encounters.
        rule: when a day's risk is high.
        tolerance_s: seconds by which an ID may be heard too early or too late.
        day_offset_s: seconds by which a day is ahead of UTC's.
        retention_s: seconds after which nothing is kept of a day.
        trusted: public keys that key files must verify with.
        allow_unsigned: take files without a signature, and any file where no key is trusted.
        processes: see `bzd.matching.parallel.search_all`.
    """

    joining: Joining
    rule: Rule = RULES[DEFAULT_RULE]
    tolerance_s: float = TOLERANCE_S
    day_offset_s: float = 0.0
    retention_s: float = 14 * 86400.0
    trusted: tuple[VerifyKey, ...] = ()
    allow_unsigned: bool = False
    processes: int | None = None


def configured(config: Config) -> How:
    """How to match under a configuration.

    Raises:
        ConfigError: if the rule or the calibration cannot be read, or does not know the model.
        InputError: if a public key cannot be read.
    """
    of = config.match
    return How(
        joining=configured_joining(config),
        rule=load_rule(of.rule),
        tolerance_s=of.tolerance_s,
        day_offset_s=of.day_offset_s,
        retention_s=config.store.retention_days * 86400.0,
        trusted=tuple(parse_verify_key(text) for text in of.verify_keys),
    )


def configured_joining(config: Config) -> Joining:
    """How contacts become encounters under a configuration.

    Raises:
        ConfigError: if the calibration cannot be read, or does not know the model.
    """
    of, correction = config.match, config.match.rssi_correction_db
    if of.calibration:
        row = find(read_calibration(Path(of.calibration)), model=of.model) if of.model else None
        if row is None:
            raise ConfigError(f"{of.calibration} has no model {of.model!r}", "match.model names one that it has")
        correction += row.rssi_correction
    return Joining(config.proximity, config.ranging, config.scan.period_s, correction, of.path_loss_1m_db)
