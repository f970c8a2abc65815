# SPDX-License-Identifier: Apache-2.0
"""`bzd match --feed` and `--download`: from a server's folder to a warning."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.signing import SigningKey
from bzd.model import Contact, ScanInstance
from bzd.protocols import gaen
from tests.feed.servers import Site, serving

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill

NOW = time.time()
"""The clock of these tests, since a server's goes by itself."""
MIDNIGHT = NOW // 86400 * 86400 - 86400
"""When yesterday began."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of files."""
    (tmp_path / "site").mkdir()
    with serving(Site(tmp_path / "site")) as served:
        yield served


class Authority:
    """Publishes signed key files, and an index of them."""

    def __init__(self, site: Site, public: Path) -> None:
        self.site = site
        self._key = SigningKey.generate()
        public.write_bytes(self._key.public_pem())

    def publish(self, name: str, *keys: DiagnosisKey, signed: bool = True) -> str:
        """Publish an archive; gives the address of the index of all there are."""
        data = write_key_file(KeyFile(keys), self._key if signed else None)
        self.site.put(f"keys/{name}", data, NOW - 2 * 86400)
        names = sorted(path.name for path in (self.site.folder / "keys").glob("*.zip"))
        return self.site.put("keys/index.txt", "\n".join(names).encode(), NOW)


@pytest.fixture
def authority(site: Site, tmp_path: Path) -> Authority:
    """Who publishes, with `ha.pub`."""
    return Authority(site, tmp_path / "ha.pub")


@pytest.fixture
def match(bzd: Bzd, tmp_path: Path) -> Bzd:
    """Run `bzd match` with the authority's public key."""
    return lambda *words: bzd("match", "--verify-key", tmp_path / "ha.pub", *words, now=NOW)


def key(number: int, report_type: ReportType = ReportType.UNKNOWN) -> DiagnosisKey:
    """A key of yesterday."""
    return DiagnosisKey(number.to_bytes(16, "big"), int(MIDNIGHT) // 600, 144, report_type=report_type)


def heard(of: DiagnosisKey) -> list[Contact]:
    """Twenty minutes with the owner of a key."""
    start = MIDNIGHT + 9 * 3600
    (rolling_id,) = gaen.PROTOCOL.rolling_ids(of.key, int(start // 600), 1)
    scans = tuple(ScanInstance(60.0 * n, 60.0, 6, -50.0, -50) for n in range(20))
    aem = gaen.seal(of.key, rolling_id, gaen.Metadata(10))
    return [Contact("gaen", rolling_id, aem, start, start + 1200, 0.0, 1.0, True, scans)]


def test_from_a_server_to_a_warning(match: Bzd, fill: Fill, authority: Authority, site: Site) -> None:
    """What is new is fetched once, and the answer holds as long as the feed does."""
    state, url = fill(*heard(key(1))), authority.publish("1.zip", key(2))
    assert match("--state", state, "--feed", url).out.startswith("No encounter")
    authority.publish("2.zip", key(1))
    site.paths()
    done = match("--state", state, "--feed", url, "--exit-code")
    assert (done.code, "within 2 m of a case for 20 minutes (high risk)" in done.out) == (10, True)
    assert "key files of feeds: 2, 1 of them new" in done.err
    assert [status for status in site.statuses if status == 200] == [200, 200]
    again = match("--state", state, "--feed", url, "--exit-code")
    assert (again.code, again.out) == (10, done.out)
    assert "0 of them new" in again.err
    assert "of 0 files on 1 contact of 1 store; 2 files had been tried before" in again.err


def test_what_was_found_is_kept(match: Bzd, fill: Fill, authority: Authority, site: Site, tmp_path: Path) -> None:
    """It holds when the feed has dropped the file, until the key is withdrawn; FILEs add to it for this once."""
    state, url = fill(*heard(key(1)), *heard(key(2))), authority.publish("1.zip", key(1))
    assert match("--state", state, "--feed", url, "--exit-code").code == 10
    (site.folder / "keys/1.zip").unlink()
    url = authority.publish("2.zip", key(9))
    assert match("--state", state, "--feed", url, "--exit-code").code == 10
    other = tmp_path / "other.zip"
    authority.publish("other.zip", key(2))
    (site.folder / "keys/other.zip").rename(other)
    authority.publish("2.zip", key(9))

    def encounters(*more: object) -> int:
        return len(match("--state", state, "--feed", url, "--jsonl", *more).jsonl)

    assert [encounters(), encounters(other), encounters()] == [1, 2, 1]
    authority.publish("3.zip", key(1, ReportType.REVOKED))
    withdrawn = match("--state", state, "--feed", url, "--exit-code")
    assert (withdrawn.code, "key has been withdrawn" in withdrawn.out) == (0, True)


def test_what_is_not_verified_is_not_kept(bzd: Bzd, match: Bzd, fill: Fill, authority: Authority) -> None:
    """Nor what a tolerance of this one run found: the badge would warn by it."""
    state, url = fill(*heard(key(1))), authority.publish("1.zip", key(1), signed=False)
    words = ["match", "--state", state, "--feed", url, "--exit-code"]
    assert bzd(*words, "--allow-unsigned", now=NOW).code == 10
    assert match(*words[1:]).code == 4
    (authority.site.folder / "keys/1.zip").unlink()
    authority.publish("2.zip", key(1))
    assert match(*words[1:], "--set", "match.tolerance_s=1200").code == 10
    assert "tried 1 key of 1 file" in match(*words[1:]).err


def test_an_exported_store(match: Bzd, fill: Fill, authority: Authority, tmp_path: Path) -> None:
    """Is left as it is, with nothing beside it; a folder that may not be written to as well."""
    from bzd.store import backup  # noqa: PLC0415  beside its only use

    state, url = fill(*heard(key(1))), authority.publish("1.zip", key(1))
    (tmp_path / "copies").mkdir()
    backup(state, tmp_path / "copies" / "badge.bzd")
    words = ["--state", tmp_path / "copies" / "badge.bzd", "--identity", state / "identity.key", "--feed", url]
    assert match(*words, "--exit-code").code == 10
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["badge.bzd"]


def test_what_does_not_verify(match: Bzd, bzd: Bzd, fill: Fill, authority: Authority, site: Site) -> None:
    """Is refused and said; without a key to verify with, nothing is asked for at all."""
    state, url = fill(*heard(key(1))), authority.publish("1.zip", key(1), signed=False)
    authority.publish("2.zip", key(2))
    done = match("--state", state, "--feed", url)
    assert (done.code, "No encounter" in done.out, "1 of 2 files were refused" in done.err) == (4, True, True)
    site.paths()
    blind = bzd("match", "--state", state, "--feed", url, now=NOW)
    assert (blind.code, "no key to verify it with" in blind.err, site.paths()) == (4, True, [])
    assert bzd("match", "--state", state, "--feed", url, "--allow-unsigned", "--exit-code", now=NOW).code == 10


def test_what_cannot_be_fetched(match: Bzd, fill: Fill, authority: Authority, site: Site) -> None:
    """What there is is matched, and the exit code says that it may not be all."""
    state, url = fill(*heard(key(1))), authority.publish("1.zip", key(1))
    assert match("--state", state, "--feed", url, "--feed", f"{site.url}absent.zip", "--exit-code").code == 14
    (site.folder / "keys/1.zip").unlink()
    done = match("--state", state, "--feed", url)
    assert (done.code, "high risk" in done.out, "404" in done.err) == (14, True, True)
    (site.folder / "keys/index.txt").unlink()
    offline = match("--state", state, "--feed", url)
    assert (offline.code, offline.out) == (14, done.out)
    nothing = match("--state", state, "--feed", f"{site.url}absent.zip")
    assert (nothing.code, nothing.out) == (14, "")
    site.paths()
    absent = match("--state", state / "absent", "--feed", url)
    assert (absent.code, site.paths()) == (6, [])
    wrong = match("--state", state, "--feed", "http://example.org/")
    assert (wrong.code, "not https" in wrong.err) == (14, True)


def test_the_configured_feed(bzd: Bzd, fill: Fill, authority: Authority, site: Site, tmp_path: Path) -> None:
    """Is taken where no FILE and no --feed is named."""
    state, url = fill(*heard(key(1))), authority.publish("1.zip", key(1))
    config = tmp_path / "bzd.toml"
    config.write_text(f'[match]\nfeed = "{url}"\nverify_keys = "{tmp_path / "ha.pub"}"\n')
    words = ["match", "--state", state, "--config", config, "--exit-code"]
    assert bzd(*words, now=NOW).code == 10
    site.paths()
    other = tmp_path / "other.zip"
    other.write_bytes((site.folder / "keys/1.zip").read_bytes())
    assert (bzd(*words, other, now=NOW).code, site.paths()) == (10, [])
    assert bzd("match", "--config", config, "--list", "--json", now=NOW).json["files"][0]["keys"] == 1


def test_downloading(bzd: Bzd, match: Bzd, fill: Fill, authority: Authority, tmp_path: Path) -> None:
    """Fetches only: no key, no store; the folder is matched as any other; without a feed there is nothing to do."""
    url, folder = authority.publish("1.zip", key(1)), tmp_path / "fetched"
    done = bzd("match", "--download", folder, "--feed", url, now=NOW)
    assert (done.code, done.out, done.err) == (0, "", "bzd: key files of feeds: 1, 1 of them new\n")
    (path,) = folder.glob("*.zip")
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o644, 0o755)
    assert match("--state", fill(*heard(key(1))), folder, "--exit-code").code == 10
    idle = bzd("match", "--download", folder)
    assert (idle.code, "no feed is named" in idle.err) == (0, True)
    assert bzd("match", "--download", folder, "--feed", f"{url}.zip", now=NOW).code == 14
    for more in (["--list"], [path], ["--json"], ["--bluezone", path], ["--exit-code"]):
        assert bzd("match", "--download", folder, "--feed", url, *more).code == 2
    assert bzd("match", "--download", path, "--feed", url).code == 5


def test_killed_at_any_moment(site: Site, authority: Authority, tmp_path: Path) -> None:
    """What had its name is whole and is not received again; the next run brings the rest."""
    for number in range(40):
        url = authority.publish(f"{number:02}.zip", *(key(other) for other in range(number * 100, number * 100 + 100)))
    folder = tmp_path / "fetched"
    words = [sys.executable, "-m", "bzd", "match", "--download", str(folder), "--feed", url]
    for delay in (0.16, 0.2, 0.24, 0.28, 0.32, 0.4, 0.5):
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        there = {f"/keys/{path.name.split('.')[0]}.zip": path.read_bytes() for path in folder.glob("*.zip")}
        assert all(data == (site.folder / name[1:]).read_bytes() for name, data in there.items())
        site.paths()
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert "key files of feeds: 40, " in done.stderr
    received = {path for path, status in zip([a.path for a in site.asked], site.statuses, strict=True) if status == 200}
    # One more than what was missing, if the last run died between a file and what is noted of it.
    assert len(received & there.keys()) <= 1
    assert not list(folder.glob(".part"))
