# SPDX-License-Identifier: Apache-2.0
"""What systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bzd.daemon.notify import Notifier


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket such as systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.setblocking(False)
        yield channel


def _environment(channel: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(channel.getsockname()), **more}


def _heard(channel: socket.socket) -> list[str]:
    found: list[str] = []
    while True:
        try:
            found.append(channel.recv(4096).decode())
        except BlockingIOError:
            return found


def test_a_status_is_told_when_it_changes(channel: socket.socket) -> None:
    """Saying the same again is silence; the journal of a badge is not a ticker."""
    notifier = Notifier(_environment(channel))
    notifier.ready("well")
    notifier.status("well")
    notifier.status("unwell")
    notifier.stopping()
    assert _heard(channel) == ["READY=1\nSTATUS=well", "STATUS=unwell", "STOPPING=1\nSTATUS=stopping"]


@pytest.mark.parametrize(
    ("more", "fed"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 1),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 1),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
    ],
)
def test_a_watchdog_is_fed_if_there_is_one(channel: socket.socket, more: dict[str, str], fed: int) -> None:
    """Of this process, and not at every turn of the loop."""
    notifier = Notifier(_environment(channel, **more))
    for _ in range(5):
        notifier.alive()
    assert _heard(channel) == ["WATCHDOG=1"] * fed


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    """Neither without a socket nor with one that is gone."""
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "@gone"}):
        Notifier(environment).ready("well")
