# SPDX-License-Identifier: Apache-2.0
"""What a check came to."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How it is, from good to bad."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be looked at: by this user, on this machine."""
    WARNING = "warning"
    """The badge works, but less well or less safely than it could."""
    PROBLEM = "problem"
    """The badge does not work, or gives its wearer away."""


class Finding(NamedTuple):
    """What a check came to.

    Attributes:
        verdict: how it is.
        text: what was found, lower case, without a full stop.
        remedy: what to do about it; empty where nothing is to be done.
    """

    verdict: Verdict
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """A finding that is as it should be."""
    return Finding(Verdict.OK, text)


def unknown(text: str, remedy: str = "run it again with sudo") -> Finding:
    """A finding that there is none."""
    return Finding(Verdict.UNKNOWN, text, remedy)


def warning(text: str, remedy: str) -> Finding:
    """A finding that could be better."""
    return Finding(Verdict.WARNING, text, remedy)


def problem(text: str, remedy: str) -> Finding:
    """A finding that must not stay so."""
    return Finding(Verdict.PROBLEM, text, remedy)
