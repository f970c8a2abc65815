# SPDX-License-Identifier: Apache-2.0
"""Matches by itself, if the identity is on the badge, and warns.

Every few minutes the daemon looks into the folder that key files are fetched into. What is new there is matched by a
process of its own (`errand`, `match_worker`), which keeps in the store what it finds; the daemon learns no more than on
which days the risk was high. From that it makes the warning: a file in /run/bzd that says that there is one and
nothing else, and a line in the journal that says no more. The group `bzd` may see the file, as it may see the status;
what it is about is in the store, for whoever can open that.

Whether there is a warning is found out anew when the service starts, at every UTC midnight and once an hour, so that it
ends with the day that it is about, and follows what `bzd match --feed` found.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from bzd.config import Config
from bzd.daemon import errand, runtime
from bzd.daemon.folder import Folder
from bzd.daemon.timekeeping import TimeKeeper
from bzd.store import state as layout

LOOK_S = 120.0
"""How often the folder is looked at: authorities publish a few times a day, and a look costs a few system calls."""
EVALUATE_S = 3600.0
"""How often it is found out anew whether there is a warning; it takes a second or two of a small board's time."""
RETRY_S = 600.0
"""After what the matching process could not do, it is tried again after this."""
FIRST_LOOK_S = 5.0
"""After the start, so that the radio comes first."""
REFUSED_SHOWN = 20
"""Files that cannot be used, of which the status gives the reason; of more the number."""
BY_OTHERS = "not by itself: whoever holds the identity matches, with `bzd match`"
"""What the status says of a badge without an identity."""

_log = logging.getLogger(__name__)


class Warnings:
    """Watches the folder, has it matched, and tells.

    Args:
        state: the state directory.
        folder: where the file for a warning is kept; None keeps none.
        time: both clocks.
        config: the configuration.
    """

    def __init__(self, state: Path, folder: Path | None, time: TimeKeeper, config: Config) -> None:
        self._state = state
        self._warning = None if folder is None else folder / runtime.WARNING_FILE
        self._time = time
        self._config = config
        self._files = Folder(Path(config.match.feed_folder))
        self._there = False
        self._look_at = time.boottime() + FIRST_LOOK_S
        self._evaluate_at = 0.0
        self._judged_by = (time.synced, time.day())
        self._task: asyncio.Task[None] | None = None
        self._at = ""
        self._high: set[str] | None = None
        """Days of a warning; None before they are known."""
        self._trouble: str | None = None
        """What keeps it from matching, as of the last time."""
        self._error: str | None = None
        """The same, of this time."""
        self._by_itself = layout.usual_identity(state) is not None
        if not self._by_itself:
            self._show(warn=False)

    @property
    def busy(self) -> bool:
        """Whether the matching process is at work."""
        return self._task is not None and not self._task.done()

    def configure(self, config: Config) -> None:
        """From now on by this configuration; files that were refused are tried again."""
        self._config = config
        # Another one, so that what is being matched by the old configuration settles nothing here.
        self._files = Folder(Path(config.match.feed_folder))
        self._look_at = self._evaluate_at = 0.0

    def tick(self) -> None:
        """Do what is due; takes no time."""
        boot = self._time.boottime()
        if self.busy or boot < self._look_at:
            return
        self._look_at = boot + LOOK_S
        self._by_itself = layout.usual_identity(self._state) is not None
        if not self._by_itself:
            self._show(warn=False)
            return
        self._follow_clock()
        names = self._due(boot)
        if names or boot >= self._evaluate_at:
            self._evaluate_at = boot + EVALUATE_S
            self._task = asyncio.get_running_loop().create_task(self._match(names, boot))

    async def settled(self) -> None:
        """Wait until the matching process, if it is at work, has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """End the matching process, if it is at work; what it had not kept yet it will find again."""
        if self._task is not None:
            self._task.cancel()
        await self.settled()

    def status(self) -> dict[str, Any]:
        """How matching is, for `status.json`; nothing about whether anything was found."""
        return {
            "by_itself": self._by_itself,
            "words": self._words(),
            "matched": self._files.matched,
            "refused": {_printable(name): why for name, why in islice(self._files.refused.items(), REFUSED_SHOWN)},
            "trouble": self._trouble,
        }

    def _words(self) -> str:
        of = self._config.match
        if not self._by_itself:
            return BY_OTHERS
        if not of.feed_folder:
            return "no folder of key files is configured (match.feed_folder)"
        if not of.verify_keys:
            return "match.verify_keys names no public key to trust key files by"
        if not self._there:
            return f"nothing yet: {of.feed_folder} cannot be read, which key files are fetched into"
        refused = f", {len(self._files.refused)} cannot be used" if self._files.refused else ""
        return f"by itself: {self._files.matched} key files matched{refused}"

    def _follow_clock(self) -> None:
        """When the clock becomes right, or another day, all is judged anew: files were, by a time that was not so."""
        judged_by = (self._time.synced, self._time.day())
        if judged_by != self._judged_by:
            self._files.forget()
            self._evaluate_at = 0.0
        self._judged_by = judged_by

    def _due(self, boot: float) -> list[str]:
        of = self._config.match
        if not (of.feed_folder and of.verify_keys):
            return []
        self._there = self._files.look()
        return self._files.due(boot)

    async def _match(self, names: list[str], boot: float) -> None:
        request = {
            "state": str(self._state),
            "folder": str(self._files.path),
            "names": names,
            "now": self._time.wall(),
            "clock_right": self._time.synced,
            "config": dataclasses.asdict(self._config),
        }
        self._at, files = "", self._files
        self._error = None
        try:
            wrong = await errand.run(request, lambda said: self._hear(said, files, boot))
        except OSError as error:
            wrong = f"cannot be started: {error.strerror}"
        except (KeyError, TypeError, ValueError):
            wrong = "said what makes no sense"
        if wrong and self._at:
            # Only what it was busy with is to blame; the rest goes on.
            self._refuse(files, self._at, f"the matching process {wrong}")
            self._look_at = 0.0
        elif wrong:
            self._error = f"the matching process {wrong}"
        if self._error is not None:
            self._look_at = max(self._look_at, boot + RETRY_S)
            self._evaluate_at = 0.0
            if self._error != self._trouble:
                _log.warning("cannot match: %s", self._error)
        self._trouble = self._error

    def _hear(self, said: Mapping[str, Any], files: Folder, boot: float) -> None:
        if "at" in said:
            self._at = said["at"]
        elif "read" in said:
            self._at = ""
            self._settle(files, said, boot)
        elif "refused" in said:
            self._at = ""
            self._refuse(files, said["refused"], said["why"])
        elif "high" in said:
            self._judge(set(said["high"]), set(said["withdrawn"]))
        elif "busy" in said:
            self._evaluate_at = 0.0
        elif "again" in said:
            self._look_at = self._evaluate_at = 0.0
        elif "error" in said:
            self._error = _printable(f"{said['error']}; {said['hint']}")

    @staticmethod
    def _settle(files: Folder, said: Mapping[str, Any], boot: float) -> None:
        files.settle(said["read"], inf if said["again_s"] is None else boot + said["again_s"])
        if said["new"]:
            left_out = "".join(f"; {text}" for text in said["said"])
            _log.info("matched key file %s%s", _printable(said["read"]), left_out)

    @staticmethod
    def _refuse(files: Folder, name: str, why: str) -> None:
        why = _printable(why)
        if files.refuse(name, why):
            _log.warning("key file %s is not used: %s", _printable(name), why)

    def _judge(self, high: set[str], withdrawn: set[str]) -> None:
        """Tell what is news about the days of a warning; the days themselves are nobody's business here."""
        known, before = self._high is not None, self._high or set()
        stood = bool(before) if known else self._shown
        taken_back = withdrawn & before if known else withdrawn if stood else set()
        if taken_back:
            _log.warning("a warning is withdrawn: the key of a case was revoked; `sudo bzd status` says more")
        if high - before and (known or not stood):
            _log.warning("there is a warning: a case was near; `sudo bzd status` says more")
        if stood and not high and not taken_back:
            _log.info("the warning is over: what it was about is no longer kept")
        self._high = high
        self._show(warn=bool(high))

    @property
    def _shown(self) -> bool:
        return self._warning is not None and self._warning.exists()

    def _show(self, *, warn: bool) -> None:
        """Make or remove the file; only if that is not so yet, since others watch it."""
        if self._warning is None or warn == self._shown:
            return
        try:
            if warn:
                runtime.write(self._warning, runtime.WARNING_TEXT)
            else:
                self._warning.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("cannot change %s: %s", self._warning, error.strerror)


def _printable(text: str) -> str:
    """A file's name, or what is wrong with it, as part of a line: a stranger may have chosen it, and its every byte."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
