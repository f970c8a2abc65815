# SPDX-License-Identifier: Apache-2.0
"""Fetches one file after the other from one server: GET over HTTP/1.1 (RFC 9110, RFC 9112), and nothing else of it."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from functools import cache
from typing import NamedTuple

from bzd.errors import FeedError
from bzd.feed.address import Address, redirected
from bzd.feed.pace import Limit, PacedSocket, dial

USER_AGENT = "bzd"
"""No version and no platform: what all badges say."""
MAX_REDIRECTS = 5
"""What curl's and browsers' users meet is one or two; RFC 9110 section 15.4 asks only that loops are noticed."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16
_DRAINED = 1 << 16
"""Bytes of a file that is known already which are read to keep a connection: about what is on its way anyway, and less
than a new handshake is worth."""
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
"""An ETag (RFC 9110 section 8.8.3) of usual length; others are taken for none."""
_STALE = (http.client.RemoteDisconnected, http.client.BadStatusLine, ConnectionError, ssl.SSLEOFError)
"""How a connection fails that the server has closed meanwhile, or on which it sent more than it said."""
_PACKED_HINT = "the server has to send the file as it is"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file from the last time.

    Attributes:
        size: its bytes.
        last_modified: what the server said, unix seconds; None if it did not.
        etag: what the server said; empty if it did not.
        as_of: a time, unix seconds, at which no newer version was there; None if it is not to be asked by that.
    """

    size: int
    last_modified: float | None = None
    etag: str = ""
    as_of: float | None = None

    def condition(self, *, exact: bool) -> dict[str, str]:
        """The fields that ask for the file only if it has changed; none if that cannot be asked (see `bzd.feed`).

        Args:
            exact: by what the server said of the file, which can be unique to this badge.
        """
        if exact:
            modified = {} if self.last_modified is None else _since(self.last_modified)
            return modified | ({"If-None-Match": self.etag} if self.etag else {})
        if self.as_of is None or (self.last_modified is not None and self.last_modified > self.as_of):
            return {}
        return _since(self.as_of)

    def is_that(self, size: int | None, last_modified: float | None, etag: str) -> bool:
        """Whether an answer with such a head is the file that is known."""
        if last_modified is None or last_modified != self.last_modified or size != self.size:
            return False
        return not (etag and self.etag) or etag == self.etag


class Answer(NamedTuple):
    """What came of asking for a file.

    Attributes:
        changed: whether its bytes were received; else it is what was known.
        size: bytes received.
        last_modified: as in `Known`.
        etag: as in `Known`.
        date: the server's clock, unix seconds; None if it did not say.
    """

    changed: bool
    size: int
    last_modified: float | None
    etag: str
    date: float | None


class Connection:
    """A connection to one server, made when it is needed and kept for the next file.

    Args:
        to: any address there.
        limit: makes the limit of a transfer; for tests.
    """

    def __init__(self, to: Address, limit: Callable[[], Limit] = Limit) -> None:
        self._limit = limit
        self._http = http.client.HTTPConnection(to.host, to.port)
        self._http.default_port = http.client.HTTPS_PORT if to.scheme == "https" else http.client.HTTP_PORT
        self._http.auto_open = 0
        self._paced: PacedSocket

    def close(self) -> None:
        """End it."""
        self._http.close()

    def get(
        self,
        address: Address,
        write: Callable[[memoryview], object],
        *,
        most: int,
        known: Known | None = None,
        exact: bool = False,
    ) -> Answer:
        """Fetch a file.

        Args:
            address: where it is; of the same server.
            write: takes its bytes, piece by piece.
            most: bytes that it may have.
            known: what is known of it; it is received only if it has changed.
            exact: see `Known.condition`.

        Raises:
            FeedError: if it cannot be had whole, or the server does what none may do; some bytes may have been written.
        """
        condition = known.condition(exact=exact) if known else {}
        limit = self._limit()
        for _ in range(MAX_REDIRECTS + 1):
            with _explained(address):
                response = self._ask(address, condition, limit)
            try:
                if response.status not in _REDIRECTS:
                    answer = _answer(address, response, known, conditional=bool(condition))
                    return answer._replace(size=_receive(address, response, write, most)) if answer.changed else answer
                address = redirected(address, response.getheader("Location"))
            finally:
                if not response.isclosed():  # what is left of it would pass for the next answer
                    response.close()
                    self.close()
        raise FeedError(f"{address} redirects more than {MAX_REDIRECTS} times")

    def _ask(self, address: Address, condition: Mapping[str, str], limit: Limit) -> http.client.HTTPResponse:
        if self._http.sock is not None:
            try:
                return self._request(address, condition, limit)
            except _STALE:
                self.close()
        return self._request(address, condition, limit)

    def _request(self, address: Address, condition: Mapping[str, str], limit: Limit) -> http.client.HTTPResponse:
        try:
            if self._http.sock is None:
                self._http.sock = self._paced = _connected(address, limit)
            self._paced.limit = limit
            self._http.putrequest("GET", address.path, skip_accept_encoding=True)
            for name, value in {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **condition}.items():
                self._http.putheader(name, value)
            self._http.endheaders()
            return self._http.getresponse()
        except BaseException:
            self.close()
            raise


def _answer(address: Address, response: http.client.HTTPResponse, known: Known | None, *, conditional: bool) -> Answer:
    """What the head of an answer says."""
    last_modified, date = (_time(response.getheader(name)) for name in ("Last-Modified", "Date"))
    etag = _ETAG.fullmatch(response.getheader("ETag") or "")
    answer = Answer(True, 0, last_modified, etag[0] if etag else "", date)
    if response.status == http.HTTPStatus.NOT_MODIFIED and conditional:
        with _explained(address):
            response.readinto(bytearray(1))  # none follow; this is how `http.client` is told that it is read
        return answer._replace(changed=False)
    if response.status != http.HTTPStatus.OK:
        meaning = http.client.responses.get(response.status, "which means nothing")
        raise FeedError(f"{address}: the server says {response.status}, {meaning.lower()}")
    _check_form(address, response)
    if known is None or not known.is_that(response.length, answer.last_modified, answer.etag):
        return answer
    if known.size <= _DRAINED:
        _receive(address, response, len, known.size)
    return answer._replace(changed=False)


def _check_form(address: Address, response: http.client.HTTPResponse) -> None:
    """Refuse a body that is packed, or that could be cut off unseen."""
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise FeedError(f"{address} comes packed, though that was not asked for", _PACKED_HINT)
    if response.getheader("Transfer-Encoding", "chunked").lower() != "chunked":
        raise FeedError(f"{address} comes in a form that was not asked for", _PACKED_HINT)
    if response.length is None and not response.chunked:
        raise FeedError(f"{address} comes without its length, so that nobody knows when it is whole", _PACKED_HINT)


def _receive(
    address: Address, response: http.client.HTTPResponse, write: Callable[[memoryview], object], most: int
) -> int:
    """Pass on the body, piece by piece: `read` would trust a length of any size. Gives the number of bytes."""
    length, size = response.length, 0
    if length is not None and length > most:
        raise _too_large(address, most)
    buffer = memoryview(bytearray(_CHUNK))
    while True:
        with _explained(address):
            number = response.readinto(buffer)
        if not number:
            break
        size += number
        if size > most:
            raise _too_large(address, most)
        write(buffer[:number])
    if length is not None and size != length:
        raise FeedError(f"{address} ended after {size} of {length} bytes")
    return size


def _too_large(address: Address, most: int) -> FeedError:
    return FeedError(f"{address} is larger than {most >> 20} MB", "no key file and no index is that large")


def _connected(address: Address, limit: Limit) -> PacedSocket:
    plain = dial(address.host, address.port, limit)
    if address.scheme == "http":
        return PacedSocket(plain, limit)
    try:
        plain.settimeout(limit.next())
        # The time-out is that of the whole handshake (ssl.SSLSocket.do_handshake).
        return PacedSocket(_context().wrap_socket(plain, server_hostname=address.host), limit)
    except BaseException:
        plain.close()
        raise


@cache
def _context() -> ssl.SSLContext:
    """Certificates of the system's store, names checked, TLS 1.2 at least (ssl.create_default_context)."""
    return ssl.create_default_context()


@contextmanager
def _explained(address: Address) -> Iterator[None]:
    """Turn what goes wrong on the way into an error that names the address."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise FeedError(
            f"{address}: the server is not who it should be: {error.verify_message}",
            "is the badge's clock right? a private authority's certificate belongs into the system's store",
        ) from error
    except ssl.SSLError as error:
        raise FeedError(f"{address}: no secure connection: {error.reason or error}") from error
    except socket.gaierror as error:
        raise FeedError(f"{address}: the name is not known here: {error.strerror}") from error
    except TimeoutError as error:
        raise FeedError(f"{address}: the server does not answer, or too slowly") from error
    except OSError as error:
        raise FeedError(f"{address} cannot be reached: {error.strerror or error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise FeedError(f"{address}: what the server says is no HTTP: {type(error).__name__}") from error


def _since(time: float) -> dict[str, str]:
    return {"If-Modified-Since": formatdate(time, usegmt=True)}


def _time(text: str | None) -> float | None:
    """The unix seconds of a date as HTTP has it; None for what is none, or far from any."""
    try:
        seconds = parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
    return seconds if 0 <= seconds < 1 << 32 else None
