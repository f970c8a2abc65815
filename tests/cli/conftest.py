# SPDX-License-Identifier: Apache-2.0
"""Runs command lines as the entry point does, in this process or in one of their own."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bzd.cli.entry import run
from bzd.clock import FixedClock
from bzd.model import Contact, ScanInstance
from bzd.store import open_appender

NOW = 1_800_000_000.0
"""The wall clock of every test: 2027-01-15 08:00:00 UTC."""


@dataclass(frozen=True)
class Result:
    """What a command line came to."""

    code: int
    raw: bytes
    raw_err: bytes

    @property
    def out(self) -> str:
        """What it wrote to stdout."""
        return self.raw.decode()

    @property
    def err(self) -> str:
        """What it wrote to stderr."""
        return self.raw_err.decode()

    @property
    def json(self) -> Any:
        """What it wrote to stdout, as one JSON value."""
        return json.loads(self.raw)

    @property
    def jsonl(self) -> list[Any]:
        """What it wrote to stdout, as JSON Lines."""
        return [json.loads(line) for line in self.raw.splitlines()]


Bzd = Callable[..., Result]
Process = Callable[..., Result]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No state, configuration, or time zone of whoever runs the tests; a home of their own."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    systemd = ("STATE_DIRECTORY", "CONFIGURATION_DIRECTORY")
    for name in ("BZD_STATE", "BZD_CONFIG", "BZD_DEBUG", *systemd, "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bzd.cli.options.SYSTEM_STATE", tmp_path / "no-system-state")
    monkeypatch.setattr("bzd.cli.options.SYSTEM_CONFIG", tmp_path / "no-system-config")
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def east(_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours east of Greenwich (POSIX counts westward)."""
    monkeypatch.setenv("TZ", "EAST-2")
    time.tzset()


@pytest.fixture
def bzd(monkeypatch: pytest.MonkeyPatch) -> Bzd:
    """Run a command line in this process, from arguments to exit code, with streams that are no terminal."""

    def call(*arguments: object, stdin: bytes = b"", now: float = NOW) -> Result:
        given, out, err = (io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") for data in (stdin, b"", b""))
        with monkeypatch.context() as streams:
            streams.setattr(sys, "stdin", given)
            streams.setattr(sys, "stdout", out)
            streams.setattr(sys, "stderr", err)
            code = run([str(argument) for argument in arguments], FixedClock(now))
        return Result(code, *(_written(stream) for stream in (out, err)))

    return call


def _written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    stream.seek(0)
    return bytes(stream.buffer.read())


@pytest.fixture
def process() -> Process:
    """Run `python -m bzd` as a process of its own."""

    def call(*arguments: object, cwd: Path | None = None) -> Result:
        command = [sys.executable, "-W", "error", "-m", "bzd", *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, timeout=60, cwd=cwd, stdin=subprocess.DEVNULL)
        return Result(done.returncode, done.stdout, done.stderr)

    return call


Fill = Callable[..., Path]


@pytest.fixture
def fill(bzd: Bzd, tmp_path: Path) -> Fill:
    """Make a store and append contacts to it; gives its state directory."""

    def make(
        *contacts: Contact, name: str = "state", label: str | None = None, recipients: Sequence[Path] = ()
    ) -> Path:
        state = tmp_path / name
        sealed_to = [word for path in recipients for word in ("--recipient", path)]
        assert bzd("init", "--state", state, "--label", label or name, *sealed_to).code == 0
        with open_appender(state) as appender:
            appender.commit(add=contacts)
        return state

    return make


@pytest.fixture
def contact() -> Callable[..., Contact]:
    """Make a contact some time before now, of one scan instance."""

    def make(ago_s: float = 3600.0, *, seconds: float = 300.0, number: int = 1, **changes: Any) -> Contact:
        start = NOW - ago_s
        scans = (ScanInstance(0.0, seconds, 20, -60.5, -55),)
        plain = Contact("gaen", bytes([number] * 16), b"abcd", start, start + seconds, 120.0, 1.5, True, scans)
        return dataclasses.replace(plain, **changes)

    return make


Keys = Callable[..., Path]


@pytest.fixture
def keys(bzd: Bzd, tmp_path: Path) -> Keys:
    """Make an identity; gives the path of its public key, beside which the identity lies as `.key`."""

    def make(name: str = "admin", *words: object) -> Path:
        assert bzd("keygen", "-o", tmp_path / f"{name}.key", *words).code == 0
        return tmp_path / f"{name}.pub"

    return make
