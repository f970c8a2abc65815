# SPDX-License-Identifier: Apache-2.0
"""The search on all cores: keys in jobs, one process per core, answers as they come.

Workers are started afresh rather than forked, since the caller may run threads (a progress bar does) and a fork copies
locks that nobody will ever open.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from bzd import lineage
from bzd.matching.keys import DiagnosisKey
from bzd.matching.search import Found, Group, Haystack, Search, groups

JOB_KEYS = 8192
"""Keys of a job: some 50 ms of work, against 2 ms to send them."""
PARALLEL_FROM = 100_000
"""Fewer keys are done sooner by this process alone: each worker takes about 0.2 s of its core to start."""

Progress = Callable[[int], None]
"""Told the number of keys done since it was last told."""

_search: list[Search] = []
"""The search of a worker process, made once when it starts."""


def search_all(
    haystacks: Mapping[str, Haystack],
    keys: Sequence[DiagnosisKey],
    *,
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Found]:
    """Every rolling ID of the keys that is held, in order of key and interval; the same with any number of processes.

    Args:
        haystacks: what the stores hold, by name of protocol.
        keys: the keys; places are places in it.
        processes: how many to use; None uses all cores if there are enough keys to gain from it.
        progress: told of keys done.
    """
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if len(keys) >= PARALLEL_FROM else 1
    work = list(jobs(keys))
    tell = progress or (lambda _: None)
    if processes > 1 and len(work) > 1:
        try:
            return sorted(_spread(haystacks, work, min(processes, len(work)), tell))
        except BrokenProcessPool:
            # Workers cannot start where the main program cannot be imported again, and may be killed for memory.
            tell = lambda _: None  # noqa: E731  what was told already is not told twice
    return sorted(_alone(haystacks, work, tell))


def jobs(keys: Sequence[DiagnosisKey]) -> Iterator[list[Group]]:
    """The keys' groups cut and put together so that each job has about `JOB_KEYS` keys."""
    job: list[Group] = []
    room = JOB_KEYS
    for group in groups(keys):
        at = 0
        while at < len(group.keys):
            end = at + room
            piece = group._replace(keys=group.keys[at:end], places=group.places[at:end])
            job.append(piece)
            at, room = end, room - len(piece.keys)
            if room <= 0:
                yield job
                job, room = [], JOB_KEYS
    if job:
        yield job


def _alone(haystacks: Mapping[str, Haystack], work: Sequence[list[Group]], tell: Progress) -> Iterator[Found]:
    search = Search(haystacks)
    for job in work:
        for group in job:
            yield from search.search(group)
        tell(_size(job))


class _Packed(NamedTuple):
    """A group on its way to a worker: keys joined and places left out, since each would be sent as an object."""

    protocol: str
    first: int
    intervals: int
    keys: bytes
    number: int


def _packed(group: Group) -> _Packed:
    return _Packed(group.protocol, group.first, group.intervals, b"".join(group.keys), len(group.keys))


def _unpacked(sent: _Packed) -> Group:
    size = len(sent.keys) // sent.number
    keys = [sent.keys[at : at + size] for at in range(0, len(sent.keys), size)]
    return Group(sent.protocol, sent.first, sent.intervals, keys, range(sent.number))


def _spread(
    haystacks: Mapping[str, Haystack], work: Sequence[list[Group]], processes: int, tell: Progress
) -> Iterator[Found]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (dict(haystacks), os.getpid())) as pool:
        pending = {pool.submit(_do, [_packed(group) for group in job]): job for job in work}
        for done in as_completed(pending):
            job = pending[done]
            for group, found in done.result():
                yield found._replace(place=job[group].places[found.place])
            tell(_size(job))


def _start_worker(haystacks: Mapping[str, Haystack], parent: int) -> None:
    # Workers hold both ends of their queue, and would wait at it for ever, with all IDs that were heard in memory.
    lineage.die_with_parent(parent)
    # An interrupt goes to the whole foreground group; the parent ends the workers, which need not each complain.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _search.append(Search(haystacks))


def _do(job: Sequence[_Packed]) -> list[tuple[int, Found]]:
    """What is found, each with the number of its group; its place is that in its group."""
    return [(number, found) for number, sent in enumerate(job) for found in _search[0].search(_unpacked(sent))]


def _size(job: Sequence[Group]) -> int:
    return sum(len(group.keys) for group in job)
