# SPDX-License-Identifier: Apache-2.0
"""The sealed store."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bzd.store.appender import Appender, open_appender
    from bzd.store.creating import StoreInfo, create, inspect
    from bzd.store.draft import Handle
    from bzd.store.reader import Reader, open_reader

_HOME = {
    "Appender": "appender",
    "open_appender": "appender",
    "StoreInfo": "creating",
    "create": "creating",
    "inspect": "creating",
    "Handle": "draft",
    "Reader": "reader",
    "open_reader": "reader",
}
"""Where each public name lives; imported at first use, so that `bzd --help` loads neither SQLite nor OpenSSL."""

__all__ = ["Appender", "Handle", "Reader", "StoreInfo", "create", "inspect", "open_appender", "open_reader"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
