# SPDX-License-Identifier: Apache-2.0
"""What `bzd match` does with feeds: fetch them, into a folder of the state directory or another one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import match_progress, options, output
from bzd.config import Config
from bzd.errors import FeedError, StateError

if TYPE_CHECKING:  # http and ssl take 45 ms to load
    from bzd.cli.match_run import Wanted
    from bzd.feed.fetching import Fetched

FOLDER = "feed"
"""Where in the state directory is kept what was fetched, so that it is fetched once."""

_DAY_S = 86400.0
_MARGIN_DAYS = 1
"""Days that a fetched file is kept beyond the retention: keys are published two hours after they ended, and match what
was heard up to two hours later; the rest is for the badge that was off when its retention ended."""
_SHOWN = 5
"""Failures that are said one by one; of more, the number is said."""


def download(ctx: click.Context, feeds: Sequence[str], folder: Path, config: Config) -> None:
    """Fetch feeds into a folder, and say what came of it.

    Raises:
        FeedError: once all was tried, if something could not be fetched.
        OutputError, BusyError: if the folder cannot be written.
    """
    if not feeds:
        output.note("no feed is named, so there is nothing to fetch: --feed, or match.feed in the configuration")
        return
    _require_all(_fetch(ctx, feeds, Path(os.path.realpath(folder)), config))


@contextmanager
def fetched(ctx: click.Context, feeds: Sequence[str], config: Config, *, stores: bool) -> Iterator[Fetched | None]:
    """The key files of feeds, those that were fetched earlier included; they are there as long as the block runs.

    They are kept in the first state directory of this command line that can be written to; without one, they are
    fetched anew each time.

    Args:
        ctx: the command's context.
        feeds: addresses.
        config: how.
        stores: whether they will be matched, for which there must be stores; better said before than after.

    Raises:
        StateError: if there is no store.
        FeedError: if there is nothing at all, since nothing could be fetched; else when the block has ended, if there
            is anything that could not be fetched.
        OutputError, BusyError: if the folder cannot be written.
    """
    if not feeds:
        yield None
        return
    if stores:
        _require_stores(ctx)
    state = next(filter(_is_own, options.state_paths(ctx)), None)
    with _temporary() if state is None else nullcontext(state / FOLDER) as folder:
        found = _fetch(ctx, feeds, folder, config)
        if not found.files:
            _require_all(found)
        yield found
        _require_all(found)


def keeping(ctx: click.Context, wanted: Wanted) -> Path | None:
    """The state directory in whose store it is kept what feeds gave; None to keep nothing.

    Nothing is kept of several stores at once, in exported ones, of what is not verified (the badge would warn by it),
    or of a search that is narrower or wider than the configuration has it.
    """
    states = options.state_paths(ctx)
    asked_otherwise = any(text.lstrip().startswith("match.tolerance_s") for text in options.session(ctx).overrides)
    if wanted.fetched is None or wanted.allow_unsigned or asked_otherwise or len(states) != 1:
        return None
    return states[0] if _is_own(states[0]) else None


def _require_all(fetched: Fetched) -> None:
    if len(fetched.failures) == 1:
        raise fetched.failures[0]
    for failure in fetched.failures[:_SHOWN]:
        output.warning(str(failure))
    if fetched.failures:
        number, hint = len(fetched.failures), fetched.failures[0].hint
        raise FeedError(f"{number} things could not be fetched; what there is is without them", hint)


def _require_stores(ctx: click.Context) -> None:
    from bzd.store.state import store_file  # noqa: PLC0415  cryptography takes 40 ms to load

    for state in options.state_paths(ctx):
        if not os.path.exists(store_file(state)):  # noqa: PTH110  Path.exists raises where the folder is closed
            raise StateError(f"there is no store at {state}")


def _fetch(ctx: click.Context, feeds: Sequence[str], folder: Path, config: Config) -> Fetched:
    from bzd.feed.fetching import Fetching, Terms  # noqa: PLC0415  see above
    from bzd.feed.folder import opened  # noqa: PLC0415  see above

    terms = Terms((config.store.retention_days + _MARGIN_DAYS) * _DAY_S, config.match.feed_exact)
    with opened(folder) as place, _bar() as bar:
        found = Fetching(place, options.session(ctx).clock, terms, bar).fetch(feeds)
    gone = f", {found.removed} old ones removed" if found.removed else ""
    output.note(f"key files of feeds: {len(found.files)}, {len(found.new)} of them new{gone}")
    if found.left_out:
        output.warning(f"{found.left_out} lines of an index name no archive in its folder, and were left out")
    return found


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar of the files of a feed, on a terminal."""
    with match_progress.shown("files") as start:
        told: list[match_progress.Told] = []

        def show(feed: str, number: int, count: int) -> None:
            if number == 1:
                told[:] = [start(feed, count)]
            else:
                told[0](1)

        yield show


def _is_own(state: Path) -> bool:
    """Whether it is a state directory, no exported store, that can be written to."""
    return os.path.isdir(state) and os.access(state, os.W_OK | os.X_OK)  # noqa: PTH112  is_dir raises where it is closed


@contextmanager
def _temporary() -> Iterator[Path]:
    # Not in /tmp, which may be memory; /var/tmp is for larger files (file-hierarchy(7)).
    place = os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108  a folder of its own, whose name nobody knows before
    with tempfile.TemporaryDirectory(prefix="bzd-feed-", dir=place) as name:
        yield Path(name)
