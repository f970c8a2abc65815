# SPDX-License-Identifier: Apache-2.0
"""One file from one server: honest ones, and those that stall, lie, or never end."""

from __future__ import annotations

import gc
import socket
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bzd.errors import FeedError
from bzd.feed.address import parse
from bzd.feed.pace import Limit
from bzd.feed.transfer import Answer, Connection, Known
from tests.feed.servers import Script, Site, ok, request, saying

Hostile = Callable[[Script], str]

MODIFIED = 1_700_000_000.0
MOST = 1 << 20
TRANSFER_S, STALL_S = 1.0, 0.4
"""A second stands for ten minutes."""


def get(url: str, *, known: Known | None = None, exact: bool = False, most: int = MOST) -> tuple[Answer, bytes]:
    """Fetch a file by a connection of its own."""
    data = bytearray()
    with closing(Connection(parse(url), lambda: Limit(TRANSFER_S, STALL_S))) as connection:
        answer = connection.get(parse(url), data.extend, most=most, known=known, exact=exact)
    return answer, bytes(data)


def test_a_file(site: Site) -> None:
    """Comes whole, with what the server says of it, and is asked for with nothing that tells badges apart."""
    url = site.put("x.zip", b"keys" * 50_000, MODIFIED)
    answer, data = get(url)
    assert data == b"keys" * 50_000
    assert answer[:4] == (True, len(data), MODIFIED, "")
    assert answer.date is not None
    host = url.split("/")[2]
    assert site.asked == [("/x.zip", (("Host", host), ("User-Agent", "bzd"), ("Accept-Encoding", "identity")))]


def test_one_connection_serves_all_files(site: Site, hostile: Hostile) -> None:
    """It is kept from one file to the next; where a server closes it after each, another is made."""
    connections = []

    def script(connection: socket.socket, number: int) -> None:
        connections.append(number)
        saying(ok(b"x"), ok(b"x"))(connection, number)

    for server, files in ((hostile(script), 3), (hostile(saying(ok(b"x"), wait=False)), 3)):
        with closing(Connection(parse(server))) as connection:
            for _ in range(files):
                assert connection.get(parse(server), len, most=9).size == 1
    assert connections == [0]
    assert site.asked == []


def test_asking_for_news(site: Site) -> None:
    """Only by a midnight that all badges share, and only of a file that was older then; exactly only on request."""
    url = site.put("x.zip", b"keys", MODIFIED)
    midnight = MODIFIED // 86400 * 86400 + 86400
    for known, exact, since, status in (
        (Known(9, MODIFIED, '"e"', midnight), False, "Wed, 15 Nov 2023 00:00:00 GMT", 304),
        (Known(9, None, '"e"', midnight), False, "Wed, 15 Nov 2023 00:00:00 GMT", 304),
        (Known(9, MODIFIED, '"e"', midnight - 86400), False, None, 200),
        (Known(9, MODIFIED, '"e"', None), False, None, 200),
        (Known(9, MODIFIED, "", None), True, "Tue, 14 Nov 2023 22:13:20 GMT", 304),
    ):
        site.paths()
        answer, data = get(url, known=known, exact=exact)
        assert (site.asked[0].since, site.statuses) == (since, [status])
        assert (answer.changed, data) == (status == 200, b"keys" if status == 200 else b"")
        assert "If-None-Match" not in dict(site.asked[0].fields)
    get(url, known=Known(9, None, '"e"', None), exact=True)
    assert dict(site.asked[-1].fields)["If-None-Match"] == '"e"'


def test_what_is_known_is_not_received_again(site: Site, hostile: Hostile) -> None:
    """Also where the server passes over the condition: the head tells. A small file is read over, a large one cut."""
    for size in (100, 10_000_000):
        url = site.put(f"{size}.zip", bytes(size), MODIFIED)
        answer, data = get(url, known=Known(size, MODIFIED), most=1 << 24)
        assert (answer.changed, data, answer.last_modified) == (False, b"", MODIFIED)
    answer, _ = get(url, known=Known(size - 1, MODIFIED), most=1 << 24)
    assert answer.changed
    marked = hostile(saying(ok(b"xyz", "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT", 'ETag: "new"')))
    assert get(marked, known=Known(3, MODIFIED, '"old"'))[0].changed
    assert not get(marked, known=Known(3, MODIFIED, '"new"'))[0].changed
    assert not get(marked, known=Known(3, MODIFIED, ""))[0].changed


def test_redirects_are_followed_within_the_server(hostile: Hostile) -> None:
    """A few; a loop is told, and a way out is not taken."""
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 3\r\nLocation: %s\r\n\r\nxyz"

    def script(connection: socket.socket, _: int) -> None:
        path = request(connection).split()[1]
        targets = {
            b"/a": b"/b",
            b"/b": b"c",
            b"/loop": b"/loop",
            b"/away": b"https://example.org/",
            b"/file": b"file:///x",
        }
        connection.sendall(moved % targets[path] if path in targets else ok(b"here"))
        request(connection)

    url = hostile(script)
    assert get(url + "a")[1] == b"here"
    for path, said in (("loop", "redirects more than"), ("away", "another server"), ("file", "not fetched")):
        with pytest.raises(FeedError, match=said):
            get(url + path)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ok(b"short", length=6), "ended after 5 of 6|too slowly"),
        (ok(b"", length=MOST + 1), "larger than 1 MB"),
        (ok(b"", length=10**30), "larger than 1 MB"),
        (ok(b"x", "Content-Encoding: gzip"), "comes packed"),
        (ok(b"x", "Transfer-Encoding: gzip, chunked"), "form that was not asked for"),
        (b"HTTP/1.1 200 OK\r\n\r\nwho knows", "without its length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nwho knows", "without its length"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: five\r\n\r\nwho knows", "without its length"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "says 304"),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", "says 206"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "says 204"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "says 404, not found"),
        (b"HTTP/1.1 999 \x1b[2J\r\nContent-Length: 0\r\n\r\n", "says 999, which means nothing"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "leads nowhere"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no HTTP|cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "no HTTP|too slowly"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "no HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "no HTTP|too slowly"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 -1 OK\r\n\r\n", "no HTTP"),
    ],
)
@pytest.mark.parametrize("wait", [True, False])
def test_wrong_answers(hostile: Hostile, answer: bytes, said: str, wait: bool) -> None:  # noqa: FBT001  parametrised
    """Each is an error of its own, at once or within the time allowed, whether the server then waits or goes."""
    began = time.monotonic()
    with pytest.raises(FeedError, match=said) as caught:
        get(hostile(saying(answer, wait=wait)))
    assert time.monotonic() - began < TRANSFER_S + STALL_S
    assert str(caught.value).isprintable()


def test_nobody_there(hostile: Hostile) -> None:
    """A port that is closed, a server that hangs up, a name that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    for url in (closed, hostile(lambda connection, _: connection.close()), "https://nobody.invalid/"):
        with pytest.raises(FeedError, match=r"cannot be reached|is no HTTP|not known"):
            get(url)


def drip(first: bytes, pause: float = 0.05) -> Script:
    """Begins well, and then sends a byte now and then, for ever."""

    def script(connection: socket.socket, _: int) -> None:
        request(connection)
        connection.sendall(first)
        while True:
            time.sleep(pause)
            connection.sendall(b"7")

    return script


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nTrailer: ",
    ],
)
def test_a_byte_now_and_then(hostile: Hostile, first: bytes) -> None:
    """Never pausing long enough to be a stall, it is ended by the time for the whole file."""
    began = time.monotonic()
    with pytest.raises(FeedError, match="too slowly"):
        get(hostile(drip(first)))
    assert time.monotonic() - began < TRANSFER_S + 2 * STALL_S


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n", ok(b"half", length=8)])
def test_a_stall(hostile: Hostile, first: bytes) -> None:
    """Nothing at all for a while ends it sooner."""
    began = time.monotonic()
    with pytest.raises(FeedError, match="too slowly"):
        get(hostile(drip(first, pause=60)))
    assert STALL_S * 0.9 < time.monotonic() - began < TRANSFER_S


@pytest.mark.parametrize(
    "endless",
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(1 << 16) + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", bytes(1 << 16)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(1 << 16) + b"\r\n"),
    ],
)
def test_an_endless_answer(hostile: Hostile, endless: tuple[bytes, bytes]) -> None:
    """A body, a trailer or a head without end is cut off, in little memory."""

    def script(connection: socket.socket, _: int) -> None:
        request(connection)
        connection.sendall(endless[0])
        while True:
            connection.sendall(endless[1])

    url = hostile(script)
    tracemalloc.start()
    try:
        with pytest.raises(FeedError):
            get(url)
        assert tracemalloc.get_traced_memory()[1] < 1 << 21
    finally:
        tracemalloc.stop()


def test_more_than_was_said(hostile: Hostile) -> None:
    """What follows the end of a file is not part of it, and the next one is asked for all the same."""
    lie = ok(b"good") + ok(b"forged")

    def script(connection: socket.socket, _: int) -> None:
        while asked := request(connection):
            connection.sendall(lie if b"/lie" in asked else ok(b"true"))

    url = hostile(script)
    with closing(Connection(parse(url))) as connection:
        for path, body in (("lie", b"good"), ("next", b"true")):
            data = bytearray()
            connection.get(parse(url + path), data.extend, most=MOST)
            assert bytes(data) == body


def test_a_read_only_in_part_ends_the_connection(hostile: Hostile) -> None:
    """What is left of an answer that was refused does not pass for the next one."""
    url = hostile(saying(ok(bytes(100)), ok(b"next")))
    with closing(Connection(parse(url))) as connection:
        with pytest.raises(FeedError, match="larger"):
            connection.get(parse(url), len, most=50)
        assert connection.get(parse(url), len, most=100).size == 100


def test_tls(secure: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of the system's store and the right name is needed; nothing is asked of anybody else."""
    good = secure()
    assert get(good.put("x.zip", b"keys", MODIFIED))[1] == b"keys"
    for site in (secure(name="example.org"), secure(days=-1)):
        with pytest.raises(FeedError, match="not who it should be"):
            get(site.put("x.zip", b"keys", MODIFIED))
        assert site.asked == []
    stranger = secure(trusted=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(FeedError, match="not who it should be"):
        get(stranger.put("x.zip", b"keys", MODIFIED))
    assert stranger.asked == []


def test_what_speaks_no_tls(hostile: Hostile) -> None:
    """Plain http at an https address, nothing at all during the handshake, or a byte of it now and then."""
    plain = b"HTTP/1.1 400 Bad Request\r\n\r\n"

    def slow(connection: socket.socket, _: int) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 kB
        while True:
            time.sleep(0.05)
            connection.sendall(b"\x02")

    for script in (drip(b"", pause=60), lambda connection, _: connection.sendall(plain), slow):
        began = time.monotonic()
        with pytest.raises(FeedError, match=r"no secure connection|too slowly|cannot be reached"):
            get(hostile(script).replace("http:", "https:"))
        assert time.monotonic() - began < TRANSFER_S + STALL_S


PIECES = (
    *(
        b"HTTP/1.1 ",
        b"200",
        b"304",
        b"302",
        b" OK",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"Content-Length: ",
        b"5",
        b"-1",
        b"0",
    ),
    *(
        b"Transfer-Encoding: chunked",
        b"Location: ",
        b"//",
        b"x.zip",
        b"Date: ",
        b"Last-Modified: ",
        b"99999999999999",
        b",",
    ),
    *(
        b"Tue, 14 Nov 2023 22:13:20 GMT",
        b"Tue, 99 Foo 0000 99:99:99 +9999",
        b'ETag: "',
        b'"',
        b"abcde",
        b"\xff",
        b"\0",
        b" ",
    ),
    *(b"Content-Encoding: ", b"identity", b"ffffffffffffffff", b"Connection: close", b"HTTP/1.0 "),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.sampled_from(PIECES) | st.binary(max_size=9), max_size=14), begun=st.booleans())
def test_any_bytes_are_an_answer_or_an_error(hostile: Hostile, said: list[bytes], begun: bool) -> None:  # noqa: FBT001
    """Whatever a server says, with a condition asked or without: a file, none, or the one error, and soon."""
    answer = (b"HTTP/1.1 200 OK\r\n" if begun else b"") + b"".join(said)
    known = Known(5, MODIFIED, '"e"', MODIFIED + 9)
    began = time.monotonic()
    with suppress(FeedError):
        found, data = get(hostile(saying(answer, wait=False)), known=known)
        assert len(data) == found.size
    assert time.monotonic() - began < TRANSFER_S + STALL_S


def test_nothing_stays_open(hostile: Hostile) -> None:
    """Neither after an answer nor after an error; what stayed open would be a warning here."""
    for answer in (
        ok(b"x"),
        ok(b"x", length=2),
        b"HTTP/1.1 500 Oh\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
    ):
        url = hostile(saying(answer))
        with suppress(FeedError):
            get(url)
    gc.collect()
