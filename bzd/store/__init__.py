# SPDX-License-Identifier: Apache-2.0
"""The sealed store."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bzd.store.appender import Appender, open_appender
    from bzd.store.copying import backup
    from bzd.store.creating import StoreInfo, create, inspect
    from bzd.store.draft import Handle
    from bzd.store.purging import PurgeResult, purge
    from bzd.store.reader import Reader, open_reader
    from bzd.store.salvaging import SalvageResult, salvage

_HOME = {
    "Appender": "appender",
    "open_appender": "appender",
    "StoreInfo": "creating",
    "create": "creating",
    "inspect": "creating",
    "Handle": "draft",
    "Reader": "reader",
    "open_reader": "reader",
    "backup": "copying",
    "PurgeResult": "purging",
    "purge": "purging",
    "SalvageResult": "salvaging",
    "salvage": "salvaging",
}
"""Where each public name lives; imported at first use, so that `bzd --help` loads neither SQLite nor OpenSSL."""

__all__ = [
    "Appender",
    "Handle",
    "PurgeResult",
    "Reader",
    "SalvageResult",
    "StoreInfo",
    "backup",
    "create",
    "inspect",
    "open_appender",
    "open_reader",
    "purge",
    "salvage",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
