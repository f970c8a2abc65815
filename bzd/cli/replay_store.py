# SPDX-License-Identifier: Apache-2.0
"""Replaying into a sealed store: files as a whole or not at all, pipes as they come, and no trace twice.

A trace is named by the SHA-256 of its content, whatever it is called, gzipped or not, from a file or through a pipe.
Files are hashed before anything is added. A pipe tells its hash at its end: one that turns out to be in the store
already is taken out again. What came through a pipe until a signal or a power cut stays, under no hash.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bzd.cli import output, replay_source
from bzd.cli.replay_run import Keeping, Request, play
from bzd.cli.replay_sink import Store
from bzd.cli.replay_summary import Replayed
from bzd.config import LoadedConfig
from bzd.errors import BzdError, InputError, OutputError
from bzd.protocols import rolling_ids_of
from bzd.proximity.quota import HourlyQuota
from bzd.store import Appender, open_appender, open_reader
from bzd.store.segments import Provisional
from bzd.store.state import load_identities
from bzd.traces.trace import content_sha256


def replay_into(state: Path, request: Request, loaded: LoadedConfig) -> int | None:
    """Replay into the store of a state directory.

    Returns:
        The number of the signal that ended it early; None if none did.

    Raises:
        OutputError: if it is a live badge's own store, without `--force`.
        InputError: if a trace cannot be read or is none.
        StateError, StoreError, BusyError, DiskFullError: what the store raises.
    """
    with open_appender(state) as appender:
        if appender.has_own_keys() and not request.force:
            raise OutputError(
                f"{state} is the store of a live badge: it holds daily keys of its own",
                "make a store for recordings with `bzd init --state DIR`, or add --force",
            )
        hashes = _new_files(request, appender)
        traces = tuple(path for path in dict.fromkeys(request.traces) if path in hashes or replay_source.is_pipe(path))
        if not traces:
            return None
        return _replay(replace(request, traces=traces), hashes, loaded, appender, state)


def _own_ids(state: Path) -> frozenset[bytes]:
    """The IDs that the badge broadcasts itself, if the identity that opens its keys lies at hand without passphrase."""
    try:
        with open_reader(state, load_identities(state)) as reader:
            keys = list(reader.keys())
    except BzdError:
        output.warning("the keys of this badge cannot be opened here: its own IDs, if heard, count as somebody else's")
        return frozenset()
    return frozenset(rolling_id for key in keys for rolling_id in rolling_ids_of(key))


def _new_files(request: Request, appender: Appender) -> dict[str, bytes]:
    """The files to replay with their SHA-256; those that the store has already are named and left out."""
    new: dict[str, bytes] = {}
    for path in request.traces:
        if replay_source.is_pipe(path):
            continue
        sha256 = content_sha256(path)
        if sha256 in new.values():
            output.note(f"{path} is the same as another of these traces; it is replayed once")
        elif appender.known_trace(sha256) and not request.force:
            output.note(f"{path} was replayed into this store before; nothing is added (--force replays it again)")
        else:
            new[path] = sha256
    return new


def _replay(
    request: Request, hashes: dict[str, bytes], loaded: LoadedConfig, appender: Appender, state: Path
) -> int | None:
    quota = HourlyQuota(loaded.config.proximity.max_contacts_per_hour)
    sink = Store(appender, quota)
    # A pipe cannot be repeated, so what came of it stays; in real time somebody may be watching.
    lasting = Provisional.NO if request.piped else Provisional.SHOWN if request.live else Provisional.HIDDEN
    appender.begin_replay(lasting)
    own_ids = _own_ids(state) if appender.has_own_keys() else frozenset[bytes]()
    replayed = play(request, loaded, sink, Keeping(sink.flush, own_ids))
    if replayed.signal and not request.piped:
        appender.discard_replay()
        output.note(f"interrupted: nothing was added, {state} is as it was")
        return replayed.signal
    if not request.force and any(sha in hashes.values() or appender.known_trace(sha) for sha in replayed.pipe_hashes):
        appender.discard_replay()
        _tell_came_twice(replayed)
        return None
    sink.finish()
    appender.finish_replay({*hashes.values(), *replayed.pipe_hashes})
    replayed.tell(loaded.config.proximity, quota, f"sealed in {state}")
    if replayed.signal:
        output.note("interrupted: what was read until then is in the store")
    return replayed.signal


def _tell_came_twice(replayed: Replayed) -> None:
    """A pipe brought what is in the store already, or one of the files beside it.

    Raises:
        InputError: if other traces came with it: they were merged, and cannot be told apart any more.
    """
    if len(replayed.traces) > 1:
        raise InputError(
            "a pipe brought a trace that is in this store already or comes with it as a file; nothing was added",
            "replay the other traces without it, or everything again with --force",
        )
    output.note("this was replayed into this store before; nothing is added (--force replays it again)")
