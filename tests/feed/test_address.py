# SPDX-License-Identifier: Apache-2.0
"""Which addresses are fetched, and what an index and a redirect may name."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import FeedError
from bzd.feed.address import MAX_LINES, parse, parse_index, redirected

INDEX = parse("https://cdn.example.com/24h/region/index.txt")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/keys/index.txt", "https://example.org/keys/index.txt"),
        ("HTTPS://Example.ORG:443/a?b=c", "https://example.org/a?b=c"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org.:8443/x.zip", "https://example.org:8443/x.zip"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ("http://127.9.9.9/", "http://127.9.9.9/"),
        ("http://[::1]/", "http://[::1]/"),
        ("http://localhost/", "http://localhost/"),
    ],
)
def test_addresses(text: str, shown: str) -> None:
    """Https anywhere, plain http on this machine."""
    assert str(parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("http://example.org/", "http://localhost.example.org/", "http://127.0.0.1.example.org/", "http://0.0.0.0/"),
        *("file:///etc/passwd", "ftp://example.org/x.zip", "data:,x", "example.org/x.zip", "//example.org/x.zip", ""),
        *(
            "https:///x.zip",
            "https://user:secret@example.org/",
            "https://example.org/#x",
            "https://[::1",
            "https://a:b/",
        ),
        *("https://example.org:0/", "https://example.org:99999/", "https://exa mple.org/", "https://bücher.example/"),
        *("https://example.org/\r\nCookie: x", "https://example.org/\x00", "https://example.org\\@evil.example/"),
        *("https://[fe80::1%25eth0]/", "https://example.org/" + "x" * 3000),
    ],
)
def test_what_is_not_fetched(text: str) -> None:
    """Every other scheme, plain http to others, credentials, and what programs read differently."""
    with pytest.raises(FeedError):
        parse(text)


@pytest.mark.parametrize(("path", "archive"), [("x.zip", True), ("X.ZIP?a", True), ("zip", False), ("?x.zip", False)])
def test_archives_and_indexes(path: str, archive: bool) -> None:  # noqa: FBT001  parametrised
    """What the path ends in decides."""
    assert parse(f"https://example.org/{path}").is_archive is archive


def test_the_index_of_the_exposure_notification_server() -> None:
    """Its own example: three archives, relative to what is above the index's folder."""
    data = b"region/file1.zip\nregion/file21.zip\nregion/other_export_.zip\n"
    archives, left_out = parse_index(data, INDEX)
    base = "https://cdn.example.com/24h/region/"
    assert list(map(str, archives)) == [base + name for name in ("file1.zip", "file21.zip", "other_export_.zip")]
    assert left_out == ()


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("a.zip", "/24h/region/a.zip"),
        ("./a.zip", "/24h/region/a.zip"),
        ("sub/a.zip", "/24h/region/sub/a.zip"),
        ("24h/region/a.zip", "/24h/region/a.zip"),
        ("region/region/a.zip", "/24h/region/region/a.zip"),
        ("region.zip", "/24h/region/region.zip"),
        ("1-2_x~.+@=,.ZIP", "/24h/region/1-2_x~.+@=,.ZIP"),
    ],
)
def test_lines_of_an_index(line: str, path: str) -> None:
    """They are relative to its folder, or repeat the end of it."""
    archives, _ = parse_index(f"\ufeff{line}\r\n\r\n{line}\n".encode(), INDEX)
    assert [of.path for of in archives] == [path]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "../a.zip",
            "x/../../a.zip",
            "x/./a.zip",
            "/24h/region/a.zip",
            "//evil.example/a.zip",
            "a//b.zip",
            "..zip/..",
        ),
        *("https://evil.example/a.zip", "file:a.zip", "%2e%2e/a.zip", "a%2Fb.zip", "a\\b.zip", "..\\a.zip", "a\0b.zip"),
        *(
            "a\tb.zip",
            "a.zip?x=y.zip",
            "a.zip#x.zip",
            "a b.zip",
            "ä.zip",
            "a.txt",
            "a.zip/",
            "~user:x.zip",
            "...",
            "<p>",
        ),
        *("\u202egpj.zip", "x" * 3000 + ".zip"),
    ],
)
def test_lines_that_are_left_out(line: str) -> None:
    """Whatever leaves the folder, or could be read in two ways, is not asked for; the rest is."""
    archives, left_out = parse_index(f"good.zip\n{line}\n".encode(), INDEX)
    assert [of.path for of in archives] == ["/24h/region/good.zip"]
    assert len(left_out) == 1


@pytest.mark.parametrize("data", [b"\xff\xfea\x00", b"<!doctype html>\n<title>log in</title>", b"PK\x03\x04"])
def test_what_is_no_index(data: bytes) -> None:
    """A page of a hotel's network, an archive, or UTF-16 is told."""
    with pytest.raises(FeedError, match="is no index"):
        parse_index(data, INDEX)


def test_an_empty_index_and_a_long_one() -> None:
    """Nothing published is no error; more lines than anybody has is one."""
    assert parse_index(b"\n", INDEX) == ((), ())
    lines = "".join(f"{number}.zip\n" for number in range(MAX_LINES + 1)).encode()
    with pytest.raises(FeedError, match="at most"):
        parse_index(lines, INDEX)
    assert len(parse_index(lines.removesuffix(f"{MAX_LINES}.zip\n".encode()), INDEX).archives) == MAX_LINES


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(alphabet=st.sampled_from("a./\\%2eE:?#@ \r\x00z_-~ip"), max_size=24), max_size=5),
    st.sampled_from(["/index.txt", "/a/index.txt", "/a/a/i", "/"]),
)
def test_no_line_leaves_the_folder(lines: list[str], path: str) -> None:
    """However it is written and however a server decodes it: same origin, within the folder, an archive."""
    index = parse(f"https://example.org:8443{path}")
    try:
        archives, _ = parse_index("\n".join(lines).encode(), index)
    except FeedError:
        return
    folder = path.rpartition("/")[0] + "/"
    for archive in archives:
        resolved = urlsplit(urljoin(str(index), unquote(str(archive))))
        assert (resolved.scheme, resolved.netloc) == ("https", "example.org:8443")
        assert resolved.path.startswith(folder)
        assert resolved.path.lower().endswith(".zip")
        assert not resolved.query + resolved.fragment
        assert parse(str(archive)) == archive


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_index_or_an_error(data: bytes) -> None:
    """Nothing else can happen."""
    try:
        archives, _ = parse_index(data, INDEX)
    except FeedError:
        return
    assert all(archive.origin == INDEX.origin for archive in archives)


def test_redirects() -> None:
    """Within the server they are followed, relative or absolute; anywhere else they are not."""
    here = parse("https://example.org/a/x.zip")
    assert str(redirected(here, "y.zip")) == "https://example.org/a/y.zip"
    assert str(redirected(here, "https://example.org/b")) == "https://example.org/b"
    for location in (
        *(
            None,
            "http://example.org/a",
            "https://example.org:444/",
            "https://evil.example/",
            "//evil.example/",
            "file:///x",
        ),
        *("ftp://example.org/", "https://user@example.org/", "/\r\nx", "https://[", "javascript:x", "\xff"),
    ):
        with pytest.raises(FeedError):
            redirected(here, location)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_redirect_stays_or_is_refused(location: str) -> None:
    """Nothing else can happen."""
    here = parse("https://example.org/a/x.zip")
    try:
        target = redirected(here, location)
    except FeedError:
        return
    assert target.origin == here.origin
