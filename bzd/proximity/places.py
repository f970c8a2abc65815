# SPDX-License-Identifier: Apache-2.0
"""The bounded table of runs, and who goes when it is full.

Whoever broadcasts random IDs can fill any table. What he cannot do cheaply is to keep many IDs on the air for minutes,
so that places are given by how long somebody has been here. There are three queues, each in order of last sighting:

==========  ========================================  =================
queue       holds                                     share
==========  ========================================  =================
once        IDs with one sighting                     at least 1/8
young       IDs with two or more                      at least 1/8
neighbours  IDs heard for a minute or longer          at most 6/8
==========  ========================================  =================

When the table is full, the lowest queue that has more than its share loses one: of its eight that have been silent
longest, the weakest. So IDs heard once push out one another, and not those heard twice; neither push out neighbours. A
newcomer becomes a neighbour only if there is room among them or one of them has fallen silent; so not even an
attacker who keeps thousands of IDs alive pushes out a neighbour who is being heard. What remains open to him:
newcomers then share a quarter of the table with the rest of his IDs, and last as long as they are heard more often.

Every step takes constant time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from bzd.proximity.run import Run, RunKey

_NEIGHBOUR_MS = 60_000
"""Heard for this long is a neighbour: the longest scan instance, and far longer than a random ID can afford."""
_SHARES = 8
_SAMPLE = 8
"""The silent ones among which the weakest is sought."""
_PEAK = attrgetter("peak")


class Places:
    """Runs by key.

    Args:
        capacity: most runs at once.
        silent: milliseconds of silence after which a neighbour makes room for another.

    Attributes:
        runs: all runs.
        once: the queue of newcomers, in which a run begins.
    """

    def __init__(self, capacity: int, silent: int) -> None:
        self._capacity = capacity
        self._share = capacity // _SHARES
        self._silent = silent
        self.runs: dict[RunKey, Run] = {}
        self.once: OrderedDict[RunKey, Run] = OrderedDict()
        self._young: OrderedDict[RunKey, Run] = OrderedDict()
        self._neighbours: OrderedDict[RunKey, Run] = OrderedDict()
        self._queues = (self.once, self._young, self._neighbours)

    def victim(self) -> Run | None:
        """The run that goes before another can be added; None while there is room."""
        if len(self.runs) < self._capacity:
            return None
        return _weakest(next((queue for queue in self._queues if len(queue) > self._share), self._neighbours))

    def add(self, run: Run) -> None:
        """Add a newcomer."""
        self.runs[run.key] = run
        run.queue[run.key] = run

    def remove(self, run: Run) -> None:
        """Remove a run."""
        del self.runs[run.key]
        del run.queue[run.key]

    def promote(self, run: Run, now: int) -> Run | None:
        """Move a run up that has just been heard again; the neighbour that has to go for it, if any."""
        if run.queue is self.once:
            self._move(run, self._young)
        elif run.queue is self._young and now - run.began >= _NEIGHBOUR_MS:
            return self._settle(run, now)
        run.queue.move_to_end(run.key)
        return None

    def last_heard_before(self, time: int) -> Iterator[Run]:
        """Runs whose last sighting was before a time in milliseconds, which the caller removes as they come."""
        for queue in self._queues:
            while queue:
                run = next(iter(queue.values()))
                if run.last >= time:
                    break
                yield run

    def longest_silent(self) -> int | None:
        """The earliest last sighting of all runs in milliseconds, None without runs."""
        heads = (next(iter(queue.values())) for queue in self._queues if queue)
        return min((run.last for run in heads), default=None)

    def _settle(self, run: Run, now: int) -> Run | None:
        longest_silent = next(iter(self._neighbours.values()), None)
        if longest_silent is None or len(self._neighbours) < self._capacity - 2 * self._share:
            self._move(run, self._neighbours)
            return None
        if now - longest_silent.last <= self._silent:
            run.queue.move_to_end(run.key)
            return None
        self._move(run, self._neighbours)
        return longest_silent

    def _move(self, run: Run, queue: OrderedDict[RunKey, Run]) -> None:
        del run.queue[run.key]
        run.queue = queue
        queue[run.key] = run


def _weakest(queue: OrderedDict[RunKey, Run]) -> Run:
    """The weakest of those that have been silent longest."""
    return min(islice(queue.values(), _SAMPLE), key=_PEAK)
