# SPDX-License-Identifier: Apache-2.0
"""`bzd run` in a process of its own, with a state directory, an adapter and a runtime directory of its own."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bzd.model import Contact, DailyKey
from bzd.store import create, open_reader, requests
from bzd.store.identity import Identity
from tests.e2e.guest import hurried
from tests.e2e.guest.badge import BZD
from tests.e2e.guest.bed import HOMES, ended

_START_S = 45.0
"""Seconds that it may take until it is on air; 5 as a rule, several times that on a busy host."""
_PATIENCE_S = 40.0
"""Seconds to wait for anything else."""
_STOP_S = 20.0
_POLL_S = 0.2


class Daemon:
    """A badge.

    Args:
        name: its label.
        adapter: its Bluetooth adapter.
        settings: of the configuration, `section.key=value` each.
        home: where its files are kept; a new folder if not given. A store that is there is taken.
        hurry: how many times as fast its clocks run, see `hurried`.

    Attributes:
        state: its state directory, with the identity in it.
        log: what it said on stderr.
    """

    def __init__(self, name: str, adapter: str, *settings: str, home: Path | None = None, hurry: float = 1) -> None:
        self.name = name
        self.home = home or Path(tempfile.mkdtemp(prefix=f"{name}.", dir=HOMES))
        self.state, self.log = self.home / "state", self.home / "log"
        self._runtime = Path(tempfile.mkdtemp(prefix=f"{name}.", dir="/run"))
        if hurry == 1:
            self._words = [BZD, "run", "--state", str(self.state), "--adapter", adapter]
            self._words += [word for setting in settings for word in ("--set", setting)]
        else:
            self._words = hurried.words(hurry, self.state, adapter, settings)
        self._process: asyncio.subprocess.Process | None = None
        if not self.state.exists():
            identity = Identity.generate()
            create(self.state, recipients=[identity.public], label=name, identity=identity, now=time.time())

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it, and wait until it listens and is on air.

        Raises:
            TimeoutError: if it does not; the message holds what it said.
        """
        with self.log.open("ab") as log:
            environment = os.environ | {"RUNTIME_DIRECTORY": str(self._runtime)}
            self._process = await asyncio.create_subprocess_exec(*self._words, stderr=log, env=environment)
        await self.until(lambda status: status["radio"]["advertising"] and status["radio"]["scanning"], _START_S)

    async def stop(self) -> float:
        """End it as systemd does; the seconds that it took.

        Raises:
            TimeoutError: if it does not end; it is killed then.
        """
        if self._process is None:
            return 0.0
        process, self._process, began = self._process, None, time.monotonic()
        if process.returncode is None:
            process.terminate()
        if not await ended(process, _STOP_S):
            raise TimeoutError(f"{self.name} did not end in {_STOP_S:g} s; {self.said()[-8:]}")
        return time.monotonic() - began

    def status(self) -> dict[str, Any]:
        """What `status.json` says of this process; empty while it says nothing."""
        try:
            found: dict[str, Any] = json.loads((self._runtime / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if found.get("pid") == self.pid else {}

    @property
    def callbacks(self) -> int:
        """How many reports have reached it."""
        return int(self.status().get("radio", {}).get("reports", 0))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def rotations(self) -> int:
        """How many IDs it has put on air."""
        return int(self.status().get("radio", {}).get("rotations", 0))

    async def until(self, condition: Callable[[dict[str, Any]], Any], seconds: float = _PATIENCE_S) -> float:
        """Wait until a condition holds of its status; the seconds that it took.

        Raises:
            TimeoutError: if it does not in time, or the daemon has ended; the message holds what it said.
        """
        began = time.monotonic()
        while not ((status := self.status()) and condition(status)):
            ended = self._process is None or self._process.returncode is not None
            if ended or time.monotonic() - began > seconds:
                what = "ended" if ended else f"waited {seconds:g} s"
                raise TimeoutError(f"{self.name}: {what}: {status.get('words')}; {self.said()[-8:]}")
            await asyncio.sleep(_POLL_S)
        return time.monotonic() - began

    async def hear_more(self, reports: int = 10, seconds: float = _PATIENCE_S) -> None:
        """Wait until so many further reports have reached it.

        Raises:
            TimeoutError: if they do not in time.
        """
        before = self.callbacks
        await self.until(lambda _: self.callbacks >= before + reports, seconds)

    async def ask(self, verb: str) -> str:
        """Have it do something, as `bzd pause` does; its answer."""
        return await asyncio.to_thread(requests.ask, self.state, verb)

    def said(self) -> list[str]:
        """The lines of its log."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def problems(self) -> Sequence[str]:
        """What its store complains of when all of it is read."""
        with open_reader(self.state, [self._identity()]) as reader:
            for _ in reader.contacts():
                pass
            return list(reader.problems)

    def contacts(self) -> Sequence[Contact]:
        """What is in its store, in order of start.

        Raises:
            ValueError: if the store complains of anything.
        """
        with open_reader(self.state, [self._identity()]) as reader:
            contacts = list(reader.contacts())
            if reader.problems:
                raise ValueError(f"{self.name}: {reader.problems}")
        return contacts

    def keys(self) -> Sequence[DailyKey]:
        """Its own daily keys, those of a wrong clock left out."""
        with open_reader(self.state, [self._identity()]) as reader:
            return list(reader.keys())

    def _identity(self) -> Identity:
        return Identity.loads((self.state / "identity.key").read_bytes())
