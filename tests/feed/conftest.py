# SPDX-License-Identifier: Apache-2.0
"""The servers that feeds are fetched from in tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bzd.feed import transfer
from tests.feed.servers import Script, Site, accept, certificate, serving


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An honest server, over plain http."""
    (tmp_path / "site").mkdir()
    with serving(Site(tmp_path / "site")) as served:
        yield served


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Makes honest servers over TLS, trusted as the system's store trusts, unless told otherwise."""
    with ExitStack() as stack:

        def make(*, trusted: bool = True, name: str = "127.0.0.1", days: int = 1) -> Site:
            folder = tmp_path / f"secure-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            path, context = certificate(folder.with_suffix(".pem"), name, days)
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(path))  # openssl-env(7)
            transfer._context.cache_clear()
            return stack.enter_context(serving(Site(folder), context))

        yield make
    transfer._context.cache_clear()


@pytest.fixture
def hostile() -> Iterator[Callable[[Script], str]]:
    """Makes servers that do anything at all; gives an address ending in a slash."""
    listeners: list[tuple[socket.socket, threading.Thread]] = []

    def make(script: Script) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=accept, args=(listener, script), daemon=True)
        thread.start()
        listeners.append((listener, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield make
    for listener, thread in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
