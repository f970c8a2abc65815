# SPDX-License-Identifier: Apache-2.0
"""Replaying into a sealed store: the whole replay or nothing of it, and no trace twice."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from bzd.cli import output, replay_source
from bzd.cli.replay_run import Request, play
from bzd.cli.replay_sink import Store
from bzd.config import LoadedConfig
from bzd.errors import InputError, OutputError
from bzd.proximity.quota import HourlyQuota
from bzd.store import Appender, open_appender

_PIPE_DOMAIN = b"bzd.advertisements/1"
"""Begins the hash of a pipe, which is that of its advertisements, since nobody else reads its bytes."""


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


def _new_files(request: Request, appender: Appender) -> dict[str, bytes]:
    """The files to replay with their SHA-256; those that the store has already are named and left out."""
    new: dict[str, bytes] = {}
    for path in request.traces:
        if replay_source.is_pipe(path):
            continue
        sha256 = _file_sha256(path)
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
    digest = hashlib.sha256(_PIPE_DOMAIN) if request.piped else None
    appender.begin_replay()
    replayed = play(request, loaded, sink, digest)
    if replayed.signal and not request.piped:
        output.note(f"interrupted: nothing was added, {state} is as it was")
        return replayed.signal
    known = set(hashes.values())
    if digest is not None and replayed.pipeline.counts.reports:
        if appender.known_trace(digest.digest()) and not request.force:
            output.note("this was replayed into this store before; nothing is added (--force replays it again)")
            return replayed.signal
        known.add(digest.digest())
    sink.finish()
    appender.finish_replay(known)
    replayed.tell(loaded.config.proximity, quota, f"sealed in {state}")
    if replayed.signal:
        output.note("interrupted: what was read until then is in the store")
    return replayed.signal


def _file_sha256(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
