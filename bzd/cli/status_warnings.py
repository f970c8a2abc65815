# SPDX-License-Identifier: Apache-2.0
"""What `bzd status` says of cases that were near: first, in words, and only to who can open the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import options
from bzd.errors import BzdError

if TYPE_CHECKING:  # protobuf and cryptography take 70 ms to load
    from bzd.config import Config
    from bzd.store.identity import Identity

SERVICE_CREDENTIAL = Path("/run/credentials/bzd.service/bzd-identity")
"""Where root finds the identity that systemd gives the service (systemd.exec(5), `LoadCredential=`)."""
CLOSED = "there is a warning; `sudo bzd status` shows it"
"""What everybody else is told."""


def lines(ctx: click.Context, state: Path, folder: Path | None) -> list[str]:
    """Sentences about days on which a case was near and about warnings that are withdrawn, then an empty line.

    Args:
        ctx: the command's context.
        state: the state directory of the running badge.
        folder: where it says that there is a warning, to whoever cannot open its store.
    """
    from bzd.daemon import runtime  # noqa: PLC0415  json and pathlib only, but not for --help

    found = _from_store(ctx, state)
    if found is None:
        told = folder is not None and os.path.exists(folder / runtime.WARNING_FILE)  # noqa: PTH110  see `bzd.cli.options`
        found = [CLOSED] if told else []
    return [*found, ""] if found else []


def _from_store(ctx: click.Context, state: Path) -> list[str] | None:
    """What is kept in the store; None if this user cannot open it."""
    from bzd.store import state as layout  # noqa: PLC0415  see above

    if not os.access(layout.store_file(state), os.R_OK):
        return None
    try:
        identities = _identities(state)
        return _sentences(state, identities, options.load_config(ctx).config) if identities else None
    except BzdError:
        # Its own command says what is wrong with a store, an identity or a configuration; this one is about the badge.
        return None


def _identities(state: Path) -> Sequence[Identity]:
    from bzd.store import state as layout  # noqa: PLC0415  see above

    path = layout.usual_identity(state) or SERVICE_CREDENTIAL
    return [layout.load_identity(path)] if os.access(path, os.R_OK) else []


def _sentences(state: Path, identities: Sequence[Identity], config: Config) -> list[str]:
    from bzd.cli import match_text  # noqa: PLC0415  see above
    from bzd.cli.match_result import result  # noqa: PLC0415  see above
    from bzd.matching import findings  # noqa: PLC0415  see above
    from bzd.matching.matcher import Matcher  # noqa: PLC0415  see above
    from bzd.store import open_reader  # noqa: PLC0415  see above

    with open_reader(state, identities) as reader:
        keys, revised = findings.known(reader.findings().keys)
        if not (keys or revised):
            return []
        matcher = Matcher({reader.label: reader.contacts()}, tolerance_s=config.match.tolerance_s, processes=1)
        label = reader.label
    matcher.match(keys, revised)
    found = result(matcher, config, config.match.rule, stores=[label])
    return match_text.sentences(found, config.match.day_offset_s)
