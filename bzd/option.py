# SPDX-License-Identifier: Apache-2.0
"""One option of the configuration: its default, what it means, and which values fit it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, field
from typing import Any

from bzd.errors import ConfigError


def option(  # noqa: PLR0913  what an option may be
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    like: str = "",
) -> Any:
    """A dataclass field that is an option.

    Args:
        default: its value where nothing else is said, whose type is the option's.
        doc: what it means, with unit and source.
        low: least number, None without bounds.
        high: greatest number.
        choices: all texts that it may be; any without.
        like: regular expression that a text has to match as a whole; any without.
    """
    metadata = {"doc": doc, "low": low, "high": high, "choices": tuple(choices), "like": like}
    return field(default=default, metadata=metadata)


def checked(entry: Field[Any], name: str, value: Any, origin: str) -> Any:
    """The value as the option has it: whole numbers become floats, one string a list, where that is its type.

    Args:
        entry: a field that `option` made.
        name: of the option, `section.key`.
        value: what was given.
        origin: who gave it, for the error.

    Raises:
        ConfigError: naming origin and option, if it does not fit.
    """
    default = entry.default
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(default, tuple):
        return _strings(name, value, origin)
    if type(value) is not type(default):
        wanted = {float: "a number", int: "a whole number", str: "a string", bool: "true or false"}
        raise ConfigError(f"{origin}: {name} must be {wanted[type(default)]}, not {value!r}")
    _reject_nul(name, value, origin)
    choices = entry.metadata["choices"]
    if choices and value not in choices:
        raise ConfigError(f"{origin}: {name} must be one of {', '.join(choices)}, not {value!r}")
    like = entry.metadata["like"]
    if like and not re.fullmatch(like, str(value), re.ASCII):
        raise ConfigError(f"{origin}: {name} must look like {default!r}, not {value!r}")
    low, high = entry.metadata["low"], entry.metadata["high"]
    if low is not None and not low <= value <= high:
        raise ConfigError(f"{origin}: {name} must be from {low} to {high}, not {value}")
    return value


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """Words that name what is known and most like `name`; empty where nothing is."""
    import difflib  # noqa: PLC0415  only where a name is wrong

    close = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"; the nearest is {close[0]}" if close else ""


def _strings(name: str, value: Any, origin: str) -> tuple[str, ...]:
    """A list of strings; one string stands for a list of one."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(text, str) for text in values):
        raise ConfigError(f"{origin}: {name} must be a list of strings, not {value!r}")
    for text in values:
        _reject_nul(name, text, origin)
    return tuple(values)


def _reject_nul(name: str, value: Any, origin: str) -> None:
    """No text may hold a NUL: a path with one is no OSError but a ValueError, wherever it comes to be used."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{origin}: {name} must not hold a NUL character: {value!r}")
