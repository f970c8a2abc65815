# SPDX-License-Identifier: Apache-2.0
"""Trying keys of cases on contacts, for `bzd match`: files each time anew, feeds so that nothing is read twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import match_batches, match_files, match_progress, options, reading
from bzd.cli.identities import load_identities
from bzd.cli.match_files import Source
from bzd.cli.reading import Reading, Selection
from bzd.clock import SystemClock
from bzd.config import Config
from bzd.model import Contact

if TYPE_CHECKING:  # protobuf and cryptography take 70 ms to load
    from bzd.feed.fetching import Fetched
    from bzd.matching.kept import Taken
    from bzd.matching.keyfile import KeyFile
    from bzd.matching.matcher import Matcher
    from bzd.matching.signing import VerifyKey


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be tried.

    Attributes:
        named: files of the command line.
        fetched: what there is of feeds; None without any.
        trusted: public keys that they must verify with.
        allow_unsigned: take files that are not signed, or cannot be verified.
    """

    named: Sequence[Source]
    fetched: Fetched | None
    trusted: Sequence[VerifyKey]
    allow_unsigned: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried.

    Attributes:
        matcher: knows what was found.
        stores: labels of the stores.
        owned: whose keys are known, by protocol and key, if that was asked for.
        files: number of files that were tried.
        earlier: number of files that were tried some other time, and need not be tried again.
        refused: the files that were refused.
    """

    matcher: Matcher
    stores: Sequence[str]
    owned: Mapping[tuple[str, bytes], str] = field(default_factory=dict)
    files: int = 0
    earlier: int = 0
    refused: Sequence[match_files.Reading[KeyFile] | match_files.Reading[Taken]] = ()

    def require_all(self) -> None:
        """Say at the end that what was shown is not all.

        Raises:
            InputError: if a file was refused.
        """
        for reading_of in self.refused:
            reading_of.require_all()


def try_anew(ctx: click.Context, wanted: Wanted, config: Config, *, graph: bool) -> Tried:
    """Try all files on all stores of the command line, and leave those as they are.

    Args:
        ctx: the command's context.
        wanted: what is to be tried.
        config: how.
        graph: whether it matters whose the keys are; then, without any files, the stores' own keys are tried.

    Raises:
        InputError: if none of the files could be read.
        StateError, IdentityError, StoreError: what the stores raise.
    """
    from bzd.cli import match_owners  # noqa: PLC0415  see above
    from bzd.matching.matcher import Matcher  # noqa: PLC0415  see above

    with reading.open_stores(ctx) as stores:
        heard = _by_label(stores)
        owned = match_owners.owners(stores) if graph else None
        stores.warn()
    matcher = Matcher(heard, tolerance_s=config.match.tolerance_s)
    sources = [*wanted.named, *map(Source, wanted.fetched.files if wanted.fetched else ())]
    if owned is not None and not wanted.named and wanted.fetched is None:
        matcher.match(owned.keys)
    files = _try_files(ctx, sources, wanted, matcher)
    return Tried(matcher, list(heard), owned.labels if owned else {}, files.done, 0, [files])


def try_kept(ctx: click.Context, state: Path, wanted: Wanted, fetched: Fetched, config: Config) -> Tried:
    """Try files of feeds on the store of one badge, and keep in it which were read and what was found.

    Files of the command line are tried then, and leave nothing there.

    Raises:
        InputError: if none of the files could be read.
        BusyError: if another process matches there, such as the badge's own.
        StateError, IdentityError, StoreError: what the store raises.
    """
    from bzd.matching.configured import configured  # noqa: PLC0415  see above
    from bzd.matching.kept import open_kept  # noqa: PLC0415  see above

    clock, identities = options.session(ctx).clock, load_identities(ctx, [state])
    # Not every computer says that its clock is kept right; a server that has the same time says so as well.
    right = fetched.agreed or (isinstance(clock, SystemClock) and clock.synchronised() is True)
    how = replace(configured(config), trusted=tuple(wanted.trusted))
    with open_kept(state, identities, how, now=clock.now(), clock_right=right) as kept, match_progress.shown() as start:

        def take(source: Source) -> Taken:
            taken = kept.take(source.path, progress=start(str(source.path), None))
            match_files.tell_skipped(source.path.name, taken.skipped or {})
            return taken

        taking = match_files.Reading([Source(path) for path in fetched.files], take)
        earlier = sum(not taken.read for taken in taking)
        matcher, label = kept.matcher, kept.label
    if not wanted.named:
        taking.require_some()
    files = _try_files(ctx, wanted.named, wanted, matcher)
    return Tried(matcher, [label], {}, taking.done - earlier + files.done, earlier, [taking, files])


def _try_files(
    ctx: click.Context, sources: Sequence[Source], wanted: Wanted, matcher: Matcher
) -> match_files.Reading[KeyFile]:
    """Try the keys of files; the same file under two names counts once.

    Raises:
        InputError: if none of the files could be read.
    """
    trusted, allow_unsigned, now = wanted.trusted, wanted.allow_unsigned, options.session(ctx).clock.now()
    files = match_files.Reading(sources, lambda of: match_files.read(of, trusted, now, allow_unsigned=allow_unsigned))
    seen: set[bytes] = set()
    batches = match_batches.Batches()
    with match_progress.shown() as start:
        for file in files:
            if file.sha256 not in seen:
                seen.add(file.sha256)
                batches.add(file)
                match_files.tell_skipped(file.name, file.skipped)
                told = start(file.name, len(file.keys) + len(file.revised))
                matcher.match(file.keys, file.revised, progress=told)
            del file  # the next one is read now, and both would be in memory
    files.require_some()
    batches.tell_missing()
    return files


def _by_label(stores: Reading) -> dict[str, list[Contact]]:
    """The contacts of each store. Labels that stand for two badges are told apart: their days must not be added up."""
    labels = {reader.store_id: reader.label for reader in stores.readers}
    names = list(labels.values())
    for reader in stores.readers:
        if names.count(labels[reader.store_id]) > 1:
            reader.label = f"{labels[reader.store_id]} ({reader.store_id.hex()[:8]})"
    heard: dict[str, list[Contact]] = {reader.label: [] for reader in stores.readers}
    for label, contact in stores.contacts(Selection()):
        heard[label].append(contact)
    return heard
