# SPDX-License-Identifier: Apache-2.0
"""What the badges of the virtual crowd log, sealed into stores and read back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from bzd.config import Config
from bzd.errors import OutputError
from bzd.model import Contact
from bzd.pipeline import Pipeline, PipelineCounts
from bzd.radio.crowd import Crowd, Member

TRACE_NAME = "you.btsnoop"
"""The trace of what the first badge heard, beside the stores."""


class Logged(NamedTuple):
    """What one badge made of the hour: its contacts in order of start, and how many reports they come from."""

    contacts: list[Contact]
    counts: PipelineCounts


def log(crowd: Crowd, member: Member, config: Config) -> Logged:
    """Run what one member hears through the pipeline, as its badge would."""
    pipeline = Pipeline(config, own_ids=frozenset(member.rolling_ids))
    contacts = [*pipeline.feed(crowd.heard_by(member)), *pipeline.finish()]
    return Logged(sorted(contacts, key=lambda contact: (contact.start, contact.rolling_id)), pipeline.counts)


def seal(member: Member, logged: Logged, state: Path, now: float) -> list[Contact]:
    """Make a store with an identity of its own, seal contacts and daily key into it, and read the contacts back.

    Args:
        member: whose badge it is; its name becomes the label.
        logged: what the badge logged.
        state: the state directory to make.
        now: the wall clock, UTC unix seconds.

    Returns:
        The contacts as the store gives them.
    """
    from bzd import store  # noqa: PLC0415  sealing loads cryptography and sqlite3; `bzd demo --help` needs neither
    from bzd.store.identity import Identity  # noqa: PLC0415  likewise

    identity = Identity.generate()
    store.create(state, recipients=[identity.public], label=member.name, identity=identity, now=now)
    with store.open_appender(state) as appender:
        appender.commit(logged.contacts)
        appender.add_keys([member.key])
    with store.open_reader(state, [identity]) as reader:
        return list(reader.contacts())


def keep(crowd: Crowd, config: Config, folder: Path, now: float) -> tuple[list[Contact], PipelineCounts]:
    """Leave one store per badge, and the trace of the first, in a new folder; all of it or nothing.

    Returns:
        The contacts of the first badge as its store gives them, and the counts of its pipeline.

    Raises:
        OutputError: if there is something in the folder already, or it cannot be made.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} exists and is not empty", "name a folder that does not exist yet")
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.absolute().parent) as made:
            inside = Path(made) / folder.name
            inside.mkdir(mode=0o700)
            result = _fill(crowd, config, inside, now)
            inside.replace(folder)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror or error}") from error
    return result


def _fill(crowd: Crowd, config: Config, folder: Path, now: float) -> tuple[list[Contact], PipelineCounts]:
    from bzd.traces.writer import BtsnoopWriter  # noqa: PLC0415  only --keep needs it

    you = crowd.members[0]
    (folder / TRACE_NAME).touch(mode=0o600)
    with (folder / TRACE_NAME).open("wb") as file:
        writer = BtsnoopWriter(file)
        for advertisement in crowd.heard_by(you):
            writer.write(advertisement)
    logged = log(crowd, you, config)
    contacts = seal(you, logged, folder / you.name, now)
    for member in crowd.members[1:]:
        seal(member, log(crowd, member, config), folder / member.name, now)
    return contacts, logged.counts
