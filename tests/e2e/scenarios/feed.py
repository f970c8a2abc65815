# SPDX-License-Identifier: Apache-2.0
"""Key files are fetched by a service that has the network and nothing else, into a folder that the badge may read."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.guest import bluez
from tests.e2e.guest.badge import BZD, call, doctor
from tests.e2e.guest.bed import Bed

CONTROLLERS = ("legacy",)
QUICK = False
LIMIT_S = 240.0

_SITE = Path("/root/site")
_FETCHED = Path("/var/lib/bzd-feed")
_CONFIG = Path("/etc/bzd/bzd.toml")
_CERTIFICATE = Path("/etc/ssl/feed-test.pem")
_FETCHER, _POLLS = "bzd-feed.service", "bzd-feed.timer"
_DROPIN = Path(f"/run/systemd/system/{_FETCHER}.d/test.conf")
_EXPOSURE_MAX = 1.2
_ARCHIVE = b"PK\x03\x04 stands for an archive; whether it is one is not the fetcher's business"


async def run(bed: Bed) -> None:
    """Run it."""
    _SITE.mkdir()
    for name in ("1.zip", "2.zip"):
        (_SITE / name).write_bytes(_ARCHIVE + name.encode())
    (_SITE / "index.txt").write_text("1.zip\n2.zip\n")
    await _install(bed)
    with _serving() as port:
        await _fetch(bed, f"http://127.0.0.1:{port}/index.txt")
    await _secure(bed)
    await _confined(bed)
    await _polls(bed)
    await bluez.run(BZD, "install-service", "--uninstall", "--delete-data")
    bed.check("uninstalled, what was fetched is gone with it", not _FETCHED.exists())
    bed.check("so is its user", (await call("id", "bzd-feed")).status != 0)


async def _install(bed: Bed) -> None:
    await bluez.run(BZD, "install-service")
    enabled = await call("systemctl", "is-enabled", _POLLS)
    bed.check("without a feed nothing is fetched", enabled.out.strip() == "disabled", enabled.out.strip())
    idle = await call("systemctl", "start", _FETCHER)
    said = await _journal()
    bed.check("started all the same, it says so", (idle.status, "no feed is named" in said) == (0, True), said[-200:])
    level = await bluez.run("systemd-analyze", "security", "--no-pager", _FETCHER)
    level = level.partition("Overall exposure level")[2].partition(":")[2].split()[0]
    bed.check(f"exposure is at most {_EXPOSURE_MAX}", float(level) <= _EXPOSURE_MAX, level)


async def _fetch(bed: Bed, url: str) -> None:
    _CONFIG.write_text(f'[match]\nfeed = ["{url}"]\n')
    await bluez.run(BZD, "install-service")
    enabled = await call("systemctl", "is-enabled", _POLLS)
    bed.check("with one it is", enabled.out.strip() == "enabled", enabled.out.strip())
    started = await call("systemctl", "start", _FETCHER)
    bed.check("it fetches", started.status == 0, (await _journal())[-300:])
    paths = sorted(_FETCHED.glob("*.zip"))
    bed.check("what was published is there", [path.read_bytes()[-5:] for path in paths] == [b"1.zip", b"2.zip"], paths)
    owner = (await bluez.run("id", "-u", "bzd-feed")).strip()
    bed.check("it is the fetcher's", {str(path.stat().st_uid) for path in paths} == {owner})
    badge = ("setpriv", "--reuid=bzd", "--regid=bzd", "--clear-groups")
    read = await call(*badge, "cat", *map(str, paths))
    written = await call(*badge, "touch", str(_FETCHED / "mine"))
    bed.check("the badge may read it, and not write", (read.status, written.status != 0) == (0, True), read.err)
    before = [path.stat().st_mtime_ns for path in paths]
    await bluez.run("systemctl", "start", _FETCHER)
    bed.check("what is there is not fetched again", [path.stat().st_mtime_ns for path in paths] == before)


async def _secure(bed: Bed) -> None:
    """TLS works inside the sandbox: the right certificate is taken, another refused."""
    await bluez.run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", "/root/key.pem", "-out", str(_CERTIFICATE)),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE, "/root/key.pem")
    (_SITE / "index.txt").write_text("3.zip\n")
    (_SITE / "3.zip").write_bytes(_ARCHIVE + b"3.zip")
    with _serving(context) as port:
        _CONFIG.write_text(f'[match]\nfeed = ["https://127.0.0.1:{port}/index.txt"]\n')
        stranger = await call("systemctl", "start", _FETCHER)
        said = await _journal()
        refused = stranger.status != 0 and "not who it should be" in said
        bed.check("a certificate that nobody vouches for is refused", refused, said[-300:])
        told = await _doctor()
        bed.check("doctor tells that nothing was fetched", "bzd-feed.service failed" in told, told)
        await _override(f"Environment=SSL_CERT_FILE={_CERTIFICATE}")
        known = await call("systemctl", "start", _FETCHER)
        there = [path.name for path in _FETCHED.glob("3.*.zip")]
        bed.check(
            "one that the system trusts is taken", (known.status, len(there)) == (0, 1), (await _journal())[-300:]
        )
        told = await _doctor()
        bed.check("doctor is content then", told == "no failed run", told)


async def _confined(bed: Bed) -> None:
    """What whoever takes the fetcher over finds: no store, no identity, no bus."""
    trial = _FETCHED / "trial"
    await _override("ExecStart=", f"ExecStart=/bin/sh -c 'cat {_CONFIG} > {trial}'")
    outcome = await call("systemctl", "start", _FETCHER)
    wrote = outcome.status == 0 and trial.read_text() == _CONFIG.read_text()
    bed.check("a shell in its place reads the configuration and writes beside what was fetched", wrote, outcome.err)
    trial.unlink(missing_ok=True)
    hidden = ("/var/lib/bzd", "/etc/machine-id", "/run/dbus", "/run/bzd", "/root", "/var/lib/bluetooth", "/etc/ssh")
    lacking = [Path(path) for path in hidden if not Path(path).exists()]
    for folder in lacking:
        folder.mkdir()
    for path in hidden:
        await _override("ExecStart=", f"ExecStart=/bin/sh -c 'ls {path}/ || cat {path}'")
        outcome = await call("systemctl", "start", _FETCHER)
        bed.check(f"it cannot see {path}", outcome.status != 0)
    for folder in lacking:
        folder.rmdir()
    await _override(
        "ExecStart=", "ExecStart=/bin/sh -c 'echo x > /etc/bzd/x || echo x > /var/lib/x || echo x > /opt/bzd/x'"
    )
    outcome = await call("systemctl", "start", _FETCHER)
    bed.check("it can write nowhere else", outcome.status != 0)
    _DROPIN.unlink()
    await bluez.run("systemctl", "daemon-reload")


async def _polls(bed: Bed) -> None:
    """The next instant is drawn anew each time, from hours."""
    drawn = set()
    for _ in range(4):
        await bluez.run("systemctl", "restart", _POLLS)
        drawn.add((await bluez.run("systemctl", "show", "--property=NextElapseUSecRealtime", _POLLS)).strip())
    bed.check("its next poll is drawn anew each time", len(drawn) == 4, sorted(drawn))


async def _doctor() -> str:
    _, findings = await doctor()
    return findings["fetching and warning"]["text"]


async def _override(*lines: str) -> None:
    _DROPIN.parent.mkdir(parents=True, exist_ok=True)
    _DROPIN.write_text("\n".join(["[Service]", *lines, ""]))
    await bluez.run("systemctl", "daemon-reload")


async def _journal() -> str:
    await asyncio.sleep(0.5)
    return await bluez.run("journalctl", "--no-pager", "-o", "cat", "-u", _FETCHER)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A web server of this machine; gives its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=os.fspath(_SITE))) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
