# SPDX-License-Identifier: Apache-2.0
"""Servers on this machine: an honest one of files, with and without TLS, and one that says what a test tells it to."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Asked(NamedTuple):
    """A request: what for, and its fields in order."""

    path: str
    fields: tuple[tuple[str, str], ...]

    @property
    def since(self) -> str | None:
        """The condition, if there is one."""
        return dict(self.fields).get("If-Modified-Since")


class Site:
    """A folder that is served.

    Attributes:
        folder: its root.
        url: its address, ending in a slash.
        asked: the requests so far.
        statuses: what each was answered.
        headers: fields to add to each answer.
        ahead_s: seconds by which its clock is ahead of the machine's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.asked: list[Asked] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.ahead_s = 0.0

    def put(self, name: str, data: bytes, modified: float) -> str:
        """Publish a file; gives its address."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (modified, modified))
        return self.url + name

    def paths(self) -> list[str]:
        """What was asked for since the last call."""
        found = [asked.path for asked in self.asked]
        self.asked.clear()
        self.statuses.clear()
        return found


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, site: Site) -> None:
        self.site = site
        super().__init__(*arguments, directory=str(site.folder))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.site.asked.append(Asked(self.path, tuple(self.headers.items())))
        super().do_GET()

    def send_response(self, code: int, message: str | None = None) -> None:
        self.site.statuses.append(code)
        super().send_response(code, message)

    def end_headers(self) -> None:
        for name, value in self.site.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.site.ahead_s if timestamp is None else timestamp)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what is tested here."""


@contextmanager
def serving(site: Site, context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site that answers while the block runs."""
    with _Server(("127.0.0.1", 0), partial(_Handler, site=site)) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        site.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def certificate(path: Path, name: str, days: int) -> tuple[Path, ssl.SSLContext]:
    """A certificate that vouches for itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


Script = Callable[[socket.socket, int], None]
"""What a server does with its connections: the connection, which has said nothing yet, and its number from 0."""


def accept(listener: socket.socket, script: Script) -> None:
    """Run a script on each connection, until the listener is closed."""
    number = 0
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, script, number), daemon=True).start()
        number += 1


def _serve(connection: socket.socket, script: Script, number: int) -> None:
    with connection:
        try:
            script(connection, number)
        except OSError:
            return


def request(connection: socket.socket) -> bytes:
    """The next request, up to its empty line; empty at the end."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        data += piece
    return data


def saying(*answers: bytes, wait: bool = True) -> Script:
    """Answers one request after the other, the last answer again and again; then the connection stays open or not."""

    def script(connection: socket.socket, _: int) -> None:
        for number in range(1000):
            if not request(connection):
                return
            connection.sendall(answers[min(number, len(answers) - 1)])
            if not wait:
                return

    return script


def ok(body: bytes, *fields: str, length: int | None = None) -> bytes:
    """An answer with a body."""
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
