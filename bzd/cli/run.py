# SPDX-License-Identifier: Apache-2.0
"""`bzd run`: the daemon."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import failure, options
from bzd.clock import Clock, SystemClock

if TYPE_CHECKING:  # bleak, dbus-next, asyncio and cryptography take most of a second to load on a Pi
    from bzd.config import Config
    from bzd.daemon.surroundings import LiveRadio
    from bzd.model import Advertisement
    from bzd.radio.broadcast import Broadcast


@click.command(epilog=options.examples("bzd run", "bzd run --adapter hci1 --set scan.mode=passive --debug"))
@click.option("--adapter", metavar="hciN", help="Bluetooth adapter; radio.adapter of the configuration if not given.")
@click.option("--debug", is_flag=True, help="Log more, IDs and addresses included.")
@options.state_option
@options.config_options
@click.pass_context
def run(ctx: click.Context, *, adapter: str | None, debug: bool) -> None:
    """Be a badge: broadcast a rolling ID, hear those of others, keep the contacts. Until SIGTERM or Ctrl-C.

    Is what the service runs. SIGHUP reads the configuration and the recipients again.
    """
    from bzd.daemon import one_openssl  # noqa: PLC0415  before anything that imports asyncio

    one_openssl.prepare()
    from bzd.daemon import journal, precautions, runtime  # noqa: PLC0415  see above
    from bzd.daemon.notify import Notifier  # noqa: PLC0415  see above
    from bzd.daemon.service import Setting, serve  # noqa: PLC0415  see above

    if adapter is not None:
        options.session(ctx).overrides += (f"radio.adapter={adapter}",)
    handler = journal.start(debug=debug)
    try:
        state = options.state_dir(ctx)
        precautions.take(state)
        serve(
            Setting(
                state=state,
                load_config=lambda: options.load_config(ctx).config,
                make_radio=partial(make_radio, state),
                clock=SystemClock(),
                runtime=runtime.directory(),
                notifier=Notifier(),
            )
        )
    except Exception as error:
        if not journal.under_journal(sys.stderr) or failure.debugging():
            raise
        ctx.exit(_last_words(error))
    finally:
        journal.stop(handler)


def _last_words(error: Exception) -> int:
    """Say why it ends as the daemon says everything: with a priority, and nobody's address in it; the exit code."""
    import logging  # noqa: PLC0415  see above

    code, lines = failure.explain(error)
    logging.getLogger(__name__).error("%s", "; ".join(text for _, text in lines))
    return code


def make_radio(
    state: Path, config: Config, broadcast: Broadcast, sink: Callable[[Advertisement], None], clock: Clock
) -> LiveRadio:
    """The radio of this machine, through bluetoothd, as far as the verdict in the state directory allows."""
    from bzd.radio import verdict  # noqa: PLC0415  see above
    from bzd.radio.radio import Radio  # noqa: PLC0415  see above

    return Radio(config, broadcast, sink, clock=clock, judge=partial(verdict.find, state))
