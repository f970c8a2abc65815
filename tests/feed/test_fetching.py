# SPDX-License-Identifier: Apache-2.0
"""Feeds into a folder: only what is new, whatever fails, and nothing for ever."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bzd.clock import FixedClock
from bzd.errors import BusyError, DiskFullError, FeedError, OutputError
from bzd.feed import fetching
from bzd.feed import folder as folders
from bzd.feed.fetching import AGREEMENT_S, Fetched, Fetching, Terms
from bzd.feed.folder import Folder, opened
from tests.feed.servers import Script, Site, ok, request, saying

Hostile = Callable[[Script], str]
DAY_S = 86400.0
KEEP_S = 15 * DAY_S


class Badge:
    """Fetches into one folder, by a clock of its own that begins right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FixedClock(time.time())

    def fetch(self, *feeds: str, exact: bool = False) -> Fetched:
        """Fetch these feeds."""
        with opened(self.folder) as folder:
            return Fetching(folder, self.clock, Terms(KEEP_S, exact, transfer_s=2, stall_s=0.5)).fetch(feeds)

    def holds(self) -> dict[str, bytes]:
        """What is in the folder, by the beginning of its name; all that is not for others is left away."""
        return {path.name.split(".")[0]: path.read_bytes() for path in sorted(self.folder.glob("*.zip"))}


@pytest.fixture
def badge(tmp_path: Path) -> Badge:
    """A badge that has fetched nothing yet."""
    return Badge(tmp_path / "feed")


def publish(site: Site, files: dict[str, bytes], age_s: float = 3 * DAY_S) -> str:
    """Put files and an index of all archives of the site on it; gives the index's address."""
    for name, data in files.items():
        site.put(f"keys/{name}", data, time.time() - age_s)
    names = sorted(path.name for path in (site.folder / "keys").glob("*.zip"))
    return site.put("keys/index.txt", "".join(f"{name}\n" for name in names).encode(), time.time())


def names(paths: Sequence[Path]) -> list[str]:
    """What files are called by those who published them."""
    return [path.name.split(".")[0] for path in paths]


def test_only_what_is_new(site: Site, badge: Badge) -> None:
    """At first all; then news are asked for, by a midnight, and what is new or has changed is received."""
    index = publish(site, {"1.zip": b"one", "2.zip": b"two"})
    first = badge.fetch(index)
    assert (names(first.files), names(first.new), first.failures) == (["1", "2"], ["1", "2"], [])
    assert (badge.holds(), site.statuses) == ({"1": b"one", "2": b"two"}, [200, 200, 200])
    site.paths()
    publish(site, {"3.zip": b"three"})
    second = badge.fetch(index)
    assert (names(second.files), names(second.new)) == (["1", "2", "3"], ["3"])
    assert (list(site.statuses), site.paths()) == (
        [200, 304, 304, 200],
        ["/keys/index.txt", "/keys/1.zip", "/keys/2.zip", "/keys/3.zip"],
    )
    publish(site, {"1.zip": b"ONE"}, age_s=0)
    third = badge.fetch(index)
    assert (names(third.new), badge.holds()["1"]) == (["1"], b"ONE")
    assert badge.fetch(index).new == []


def test_a_file_that_looks_older_than_the_last_look(site: Site, badge: Badge) -> None:
    """Prepared a day before it was uploaded, with its time: noticed on the next day at the latest."""
    index = publish(site, {"today.zip": b"monday"})
    badge.fetch(index)
    publish(site, {"today.zip": b"tuesday"}, age_s=2 * DAY_S)
    later(site, badge, DAY_S)
    assert names(badge.fetch(index).new) == ["today"]


def test_an_archive_by_itself(site: Site, badge: Badge) -> None:
    """Needs no index; published anew it is fetched anew."""
    url = publish(site, {"today.zip": b"monday"}).replace("index.txt", "today.zip")
    assert names(badge.fetch(url).new) == ["today"]
    assert badge.fetch(url).new == []
    publish(site, {"today.zip": b"tuesday"}, age_s=0)
    assert names(badge.fetch(url).new) == ["today"]
    assert (badge.holds(), names(badge.fetch(url).files)) == ({"today": b"tuesday"}, ["today"])


def test_nothing_tells_badges_apart(site: Site, tmp_path: Path) -> None:
    """Two that polled at other times of a day ask for the same in the same words, however the server marked them."""
    index = publish(site, {"1.zip": b"one", "2.zip": b"two"})
    asked = []
    for number in range(2):
        site.headers = {"Set-Cookie": f"badge={number}", "ETag": f'"badge-{number}"'}
        badge = Badge(tmp_path / f"badge-{number}")
        # The clock may be off by minutes, but not over the end of the day, which is some minutes after midnight for
        # whoever fetches, so that the test may run at any hour.
        early = (time.time() - AGREEMENT_S) % DAY_S < DAY_S / 2
        badge.clock.time += 100 * number if early else -100 * number
        badge.fetch(index)
        site.paths()
        badge.fetch(index)
        asked.append(list(site.asked))
    assert asked[0] == asked[1]
    text = repr(asked).lower()
    assert all({name for name, _ in of.fields} <= ALLOWED for of in asked[0])
    assert not any(word in text for word in ("badge", "cookie", "python", "linux", os.uname().nodename.lower()))


ALLOWED = {"Host", "User-Agent", "Accept-Encoding", "If-Modified-Since"}


def test_exactly_on_request(site: Site, badge: Badge) -> None:
    """With `feed_exact` the server hears what it said, also of a file of today."""
    site.headers = {"ETag": '"mark"'}
    url = site.put("x.zip", b"x", time.time() - 10)
    badge.fetch(url, exact=True)
    site.paths()
    badge.fetch(url, exact=True)
    assert dict(site.asked[0].fields)["If-None-Match"] == '"mark"'
    assert badge.fetch(url).files == badge.fetch(url, exact=True).files


def test_what_fails_costs_the_rest_nothing(site: Site, hostile: Hostile, badge: Badge) -> None:
    """A file that is missing, an index that is none, a server that is gone: said, and tried again next time."""
    index = publish(site, {"1.zip": b"one", "2.zip": b"two"})
    site.put("keys/index.txt", b"1.zip\nabsent.zip\n../../etc/x.zip\n2.zip\n", time.time())
    bad = hostile(saying(ok(b"<html>")))
    fetched = badge.fetch(bad, index)
    assert (names(fetched.files), fetched.left_out) == (["1", "2"], 1)
    assert [word in str(error) for error, word in zip(fetched.failures, ("no index", "404"), strict=True)] == [True] * 2
    assert "/keys/absent.zip" in site.paths()
    badge.fetch(index)
    assert "/keys/absent.zip" in site.paths()
    (site.folder / "keys/index.txt").unlink()
    offline = badge.fetch(index)
    assert (names(offline.files), offline.new, len(offline.failures)) == (["1", "2"], [], 1)
    assert badge.fetch(site.url + "other/index.txt").files == []
    with pytest.raises(FeedError, match="not https"):
        badge.fetch(index, "http://example.org/")


def test_a_feed_of_failures_is_left(hostile: Hostile, badge: Badge) -> None:
    """After some, the rest waits for next time: a thousand stalls would take hours."""
    lines = b"".join(b"%d.zip\n" % number for number in range(1000))
    asked = []

    def script(connection: object, number: int) -> None:
        asked.append(number)
        saying(*([ok(lines), b"no\r\n"] if number == 0 else [b"no\r\n"]))(connection, number)  # type: ignore[arg-type]

    fetched = badge.fetch(hostile(script))
    assert "995 files are left" in str(fetched.failures[-1])
    assert len(asked) < 10


def test_never_a_part_of_a_file(hostile: Hostile, badge: Badge) -> None:
    """A file that ends early, never ends, or changes for the worse leaves what was there, or nothing."""

    def script(connection: object, _: int) -> None:
        body = ok(b"PK half", length=20) if worse else ok(b"PK whole")
        saying(body, wait=False)(connection, 0)  # type: ignore[arg-type]

    worse = True
    url = hostile(script) + "x.zip"
    assert (len(badge.fetch(url).failures), badge.holds()) == (1, {})
    worse = False
    assert (badge.fetch(url).failures, badge.holds()) == ([], {"x": b"PK whole"})
    worse = True
    fetched = badge.fetch(url)
    assert (names(fetched.files), names(fetched.new), badge.holds()) == (["x"], [], {"x": b"PK whole"})
    assert {path.name for path in badge.folder.iterdir()} == {fetched.files[0].name, folders.NOTES}


def test_what_is_old_goes_and_does_not_come_back(site: Site, badge: Badge) -> None:
    """After the time to keep, files go, though the index still names them; what changes or is new comes."""
    index = publish(site, {"1.zip": b"one"})
    badge.fetch(index)
    later(site, badge, KEEP_S - 60)
    assert badge.fetch(index).removed == 0
    publish(site, {"2.zip": b"two"})
    later(site, badge, 120)
    assert (badge.fetch(index).removed, badge.holds()) == (1, {"2": b"two"})
    badge.fetch(index)
    site.paths()
    for _ in range(2):
        fetched = badge.fetch(index)
        assert (names(fetched.files), fetched.new) == (["2"], [])
    statuses = list(site.statuses)
    assert [status for path, status in zip(site.paths(), statuses, strict=True) if "1.zip" in path] == [304, 304]
    publish(site, {"1.zip": b"ONE"}, age_s=-KEEP_S)
    assert names(badge.fetch(index).new) == ["1"]
    (site.folder / "keys/1.zip").unlink()
    publish(site, {})
    later(site, badge, KEEP_S + DAY_S)
    badge.fetch(index)
    badge.fetch(index)
    with opened(badge.folder) as folder:
        assert [Path(url).name for url in folder.notes] == ["2.zip"]


def later(site: Site, badge: Badge, seconds: float) -> None:
    """Time goes by for both."""
    badge.clock.time += seconds
    site.ahead_s += seconds


def test_a_clock_that_is_wrong_removes_nothing(site: Site, badge: Badge) -> None:
    """Nor does it ask by a time that the server does not share."""
    index = publish(site, {"1.zip": b"one"})
    badge.fetch(index)
    badge.clock.time += 100 * DAY_S
    site.paths()
    assert badge.fetch(index).removed == 0
    badge.clock.time -= 200 * DAY_S
    assert (badge.fetch(index).removed, badge.holds()) == (0, {"1": b"one"})


def test_what_came_by_a_wrong_clock_is_kept_from_when_it_is_right(site: Site, badge: Badge) -> None:
    """Or a badge that started in 1970 would lose at once what it fetched."""
    index = publish(site, {"1.zip": b"one"})
    right = badge.clock.time
    badge.clock.time = 1000.0
    badge.fetch(index)
    assert [asked.since for asked in site.asked] == [None, None]
    badge.clock.time = right
    assert (badge.fetch(index).removed, badge.holds()) == (0, {"1": b"one"})
    later(site, badge, KEEP_S + 60)
    assert badge.fetch(index).removed == 1


def test_files_that_others_took_or_left(site: Site, badge: Badge) -> None:
    """What somebody removed or cut comes again; what was left half is overwritten; strange files stay."""
    index = publish(site, {"1.zip": b"one", "2.zip": b"two"})
    one, two = badge.fetch(index).files
    one.unlink()
    two.write_bytes(b"t")
    for name in (folders.PART, "mine.zip", "mine.0123456789abcdef.txt"):
        (badge.folder / name).write_bytes(b"left")
    assert names(badge.fetch(index).new) == ["1", "2"]
    assert badge.holds() == {"1": b"one", "2": b"two", "mine": b"left"}
    stray = badge.folder / "stray.0123456789abcdef.zip"
    stray.write_bytes(b"of before the notes were lost")
    later(site, badge, KEEP_S + 3600)
    assert badge.fetch(index).removed == 3
    assert set(badge.holds()) == {"mine"}


def test_notes_that_are_damaged(site: Site, badge: Badge) -> None:
    """Whatever stands there, the worst is that a file is fetched once more."""
    index = publish(site, {"1.zip": b"one"})
    badge.fetch(index)
    notes = badge.folder / folders.NOTES
    line = notes.read_bytes().splitlines()[-1]
    for damage in (b"", b"\xff\x00", line[:-9], b"[" * 100_000, line.replace(b'"size":3', b'"size":"3"'), b"{}\n" * 9):
        notes.write_bytes(damage + b"\n" + damage)
        assert badge.fetch(index).failures == []
        assert badge.holds() == {"1": b"one"}
        badge.fetch(index)
    outside = badge.folder.parent / "outside.zip"
    outside.write_bytes(b"")
    notes.write_bytes(line.replace(b'"file":"1.', b'"file":"../1.').replace(b'"fetched":', b'"fetched":1,"x":'))
    badge.fetch(index)
    assert outside.exists()


def test_notes_do_not_grow(site: Site, badge: Badge) -> None:
    """A year of polls leaves no more than twice the lines that are needed."""
    index = publish(site, {"1.zip": b"one", "2.zip": b"two"})
    for _ in range(30):
        badge.fetch(index)
        later(site, badge, DAY_S)
        publish(site, {"2.zip": os.urandom(9)}, age_s=-site.ahead_s)
    assert len((badge.folder / folders.NOTES).read_bytes().splitlines()) <= 5


def test_a_poll_without_news_writes_nothing(site: Site, badge: Badge) -> None:
    """Flash wears out: four polls a day for years must not write."""
    index = publish(site, {f"{number}.zip": b"x" for number in range(20)})
    badge.fetch(index)
    before = {path: path.stat() for path in (badge.folder, *badge.folder.iterdir())}
    badge.fetch(index)
    assert {path: path.stat().st_mtime_ns for path in before} == {path: of.st_mtime_ns for path, of in before.items()}


def test_room(site: Site, hostile: Hostile, badge: Badge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its share of the folder nor the disk is filled by a server, and another one's feed is fetched still."""
    index = publish(site, {f"{number}.zip": bytes(1 << 20) for number in range(4)})
    monkeypatch.setattr(folders, "MAX_FILE", 1 << 20)
    monkeypatch.setattr(fetching, "MAX_FOLDER", 6 << 20)
    other = hostile(saying(ok(b"other"))) + "other.zip"
    fetched = badge.fetch(index, other)
    assert (names(fetched.files), len(fetched.failures)) == (["0", "1", "2", "other"], 1)
    assert "its files take 3 MB" in str(fetched.failures[0])
    monkeypatch.setattr(folders, "RESERVE", 1 << 60)
    with pytest.raises(DiskFullError, match="would stay free"):
        badge.fetch(index)


def test_one_at_a_time(site: Site, badge: Badge) -> None:
    """Two would write one part."""
    with opened(badge.folder), pytest.raises(BusyError):
        badge.fetch(publish(site, {"1.zip": b"one"}))
    assert badge.fetch(publish(site, {})).failures == []


def test_names_are_harmless(tmp_path: Path) -> None:
    """Whatever an address is: one name each, no path, no dot or dash in front, an archive."""
    from bzd.feed.address import Address  # noqa: PLC0415  beside its only use
    from bzd.feed.notes import FILE  # noqa: PLC0415  as above

    paths = [
        "/.zip",
        "/-rf.zip",
        "/a%2Fb.zip",
        "/" + "x" * 900 + ".zip",
        "/a.zip?b.zip",
        "/..zip",
        "/a.b.zip",
        "/A.ZIP",
    ]
    found = [Folder.name(Address("https", "example.org", 443, path)) for path in paths]
    assert len(set(found)) == len(paths)
    assert all(FILE.fullmatch(name) and name[0] != "-" for name in found)
    assert not (tmp_path / found[0]).exists()


def test_a_link_is_not_followed(site: Site, badge: Badge) -> None:
    """Whoever may write into the folder leads nobody out of it."""
    index = publish(site, {"1.zip": b"one"})
    target = badge.folder.parent / "precious"
    target.write_bytes(b"mine")
    badge.folder.mkdir()
    (badge.folder / folders.PART).symlink_to(target)
    (path,) = badge.fetch(index).files
    path.unlink()
    path.symlink_to(target)
    badge.fetch(index)
    assert (target.read_bytes(), path.is_symlink(), path.read_bytes()) == (b"mine", False, b"one")
    (badge.folder / folders.NOTES).unlink()
    (badge.folder / folders.NOTES).symlink_to(target)
    with pytest.raises(OutputError, match=r"cannot write .*\.feed\.jsonl"):
        badge.fetch(index)
    assert target.read_bytes() == b"mine"
    (badge.folder / folders.NOTES).unlink()
    badge.folder.rename(badge.folder.with_name("elsewhere"))
    badge.folder.symlink_to("elsewhere")
    with pytest.raises(OutputError):
        badge.fetch(index)


def test_a_thousand_files_over_one_connection(hostile: Hostile, badge: Badge) -> None:
    """The limit of lines is no limit of speed."""
    lines = b"".join(b"%d.zip\n" % number for number in range(300))
    connections = []

    def script(connection: object, number: int) -> None:
        connections.append(number)
        while asked := request(connection):  # type: ignore[arg-type]
            connection.sendall(ok(lines if b"index" in asked else asked[:20]))  # type: ignore[attr-defined]

    assert len(badge.fetch(hostile(script) + "index.txt").new) == 300
    assert connections == [0]
