# SPDX-License-Identifier: Apache-2.0
"""Web addresses of feeds: which are fetched, and what an index or a redirect may name."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from bzd.errors import FeedError

MAX_LINES = 4096
"""Lines of an index: a server that writes one file an hour for each of ten regions has 3600 in 15 days, after which
keys are deleted (Exposure Notification server, internal/export/config.go: TTL 336 h)."""
MAX_INDEX = 1 << 20
"""Bytes of an index: so many lines of 256."""

_ADDRESS_LENGTH = 2048
_PORTS = {"https": 443, "http": 80}
_PLAIN = re.compile(r"[A-Za-z0-9._~+@=,-]+")
"""A part of a path that an index may name: nothing that can be written in several ways, so that it is what it seems."""
_ARCHIVE = ".zip"
_SHOWN = 60
_HINT = "a feed is an https address of a .zip file, or of an index that names such files"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is.

    Attributes:
        scheme: `https`, or `http` on this machine.
        host: name or IP address, small letters, without brackets.
        port: TCP port.
        path: path from the root on, with the query if there is one.
    """

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two addresses share that are of one server (RFC 6454 section 4)."""
        return self.scheme, self.host, self.port

    @property
    def is_archive(self) -> bool:
        """Whether it is a key file; else it is an index."""
        return self.path.partition("?")[0].lower().endswith(_ARCHIVE)


def parse(text: str) -> Address:
    """An address of a feed.

    Raises:
        FeedError: if it is none, or of a kind that is not fetched.
    """
    shown = text[:_SHOWN]
    if not _is_plain(text):
        raise FeedError(f"{shown!r} is no web address", _HINT)
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise FeedError(f"{shown!r} is no web address: {error}", _HINT) from error
    if not host or "%" in host or port == 0 or parts.username is not None or parts.fragment:
        raise FeedError(f"{shown!r} is no web address of a feed", _HINT)
    _check_scheme(parts, host, shown)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], path)


def _is_plain(text: str) -> bool:
    """Whether it has only what addresses are written with; `urllib` would pass over some of the rest."""
    return len(text) <= _ADDRESS_LENGTH and text.isascii() and text.isprintable() and not set(' \\"<>^`{|}') & set(text)


def _check_scheme(parts: SplitResult, host: str, shown: str) -> None:
    if parts.scheme not in _PORTS:
        raise FeedError(f"{shown!r} is not fetched: it is no https address", _HINT)
    if parts.scheme == "http" and not _is_this_machine(host):
        raise FeedError(f"{shown!r} is not fetched: it is not https", "plain http is taken of this machine alone")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redirected(address: Address, location: str | None) -> Address:
    """Where a redirect leads.

    Args:
        address: what was asked for.
        location: the redirect's Location, absolute or relative.

    Raises:
        FeedError: if it leads nowhere, or to another origin: whom a badge asks is decided where it is configured.
    """
    if location is None:
        raise FeedError(f"{address} is a redirect that leads nowhere")
    try:
        target = parse(urljoin(str(address), location) if _is_plain(location) else location)
    except (FeedError, ValueError) as error:
        raise FeedError(f"{address} leads to what is not fetched: {location[:_SHOWN]!r}") from error
    if target.origin != address.origin:
        raise FeedError(
            f"{address} leads to another server: {str(target)[:_SHOWN]!r}", "name that one, if it is to be trusted"
        )
    return target


class Index(NamedTuple):
    """What an index names.

    Attributes:
        archives: addresses in its order, each once.
        left_out: lines that name nothing that is fetched.
    """

    archives: tuple[Address, ...]
    left_out: tuple[str, ...]


def parse_index(data: bytes, address: Address) -> Index:
    """The archives that an index names.

    A line is relative to the index's folder. Where it begins with the names of the last folders that the index is in,
    it is counted from above them: the index.txt of the Exposure Notification server does so, whose clients are
    told the base apart. In both cases it stays within the folder.

    Args:
        data: the index.
        address: where it is from.

    Raises:
        FeedError: if it is no text, or too long, or names no archive at all though it has lines.
    """
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise FeedError(f"{address} is no index: it is no text", _HINT) from error
    lines = [line for line in lines if line]
    if len(lines) > MAX_LINES:
        raise FeedError(f"{address} has {len(lines)} lines; at most {MAX_LINES} are read", _HINT)
    named = {line: _named(line, address) for line in lines}
    archives = tuple(dict.fromkeys(found for found in named.values() if found is not None))
    left_out = tuple(line for line, found in named.items() if found is None)
    if left_out and not archives:
        raise FeedError(f"{address} is no index of key files: {left_out[0][:_SHOWN]!r}", _HINT)
    return Index(archives, left_out)


def _named(line: str, index: Address) -> Address | None:
    """What a line names; None if that is no archive within the index's folder."""
    parts = line.removeprefix("./").split("/")
    plain = all(_PLAIN.fullmatch(part) and part.strip(".") for part in parts)
    if not plain or not line.lower().endswith(_ARCHIVE) or len(line) > _ADDRESS_LENGTH:
        return None
    folder = index.path.partition("?")[0].rpartition("/")[0].split("/")
    shared = next((n for n in range(min(len(parts) - 1, len(folder)), 0, -1) if folder[-n:] == parts[:n]), 0)
    return Address(index.scheme, index.host, index.port, "/".join([*folder, *parts[shared:]]))
