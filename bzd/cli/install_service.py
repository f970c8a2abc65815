# SPDX-License-Identifier: Apache-2.0
"""`bzd install-service`: bzd as a service that starts at boot, on this machine or in an image of one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import options, output
from bzd.cli.identities import load_recipient
from bzd.errors import BzdError, OutputError

if TYPE_CHECKING:  # the store's keys take 60 ms to load
    from bzd.service.installing import Installation


@click.command(
    name="install-service",
    epilog=options.examples(
        "sudo /opt/bzd/bin/bzd install-service --now",
        "sudo /opt/bzd/bin/bzd install-service --recipient admin.pub --recipient deputy.pub",
        "sudo bzd install-service --uninstall",
    ),
)
@options.recipient_options
@click.option("--experimental", is_flag=True, help="Have bluetoothd offer what the full scan mode needs.")
@click.option("--now", is_flag=True, help="Start it at once, and with it make the store; not before imaging a card.")
@click.option(
    "--no-radio-check", is_flag=True, help="With --now: leave out `bzd doctor --radio`, which takes a minute."
)
@click.option("--uninstall", is_flag=True, help="Take it away; store and configuration stay.")
@click.option("--delete-data", is_flag=True, help="With --uninstall: delete them as well, and the user.")
@click.option(
    "--root", type=options.PATH, default=Path("/"), metavar="DIR", help="Install into the system image mounted here."
)
@click.option("--prefix", metavar="DIR", help="Virtual environment to run from, as seen from the root; this one.")
def install_service(  # noqa: PLR0913  one argument for each option
    *,
    recipients: tuple[Path, ...],
    key_recipients: tuple[Path, ...],
    experimental: bool,
    now: bool,
    no_radio_check: bool,
    uninstall: bool,
    delete_data: bool,
    root: Path,
    prefix: str | None,
) -> None:
    """Install bzd as a service: its user, units, directories, a link in /usr/local/bin.

    It starts at boot; the sealed store and its identity are made when it first starts, so that a card's image holds
    none. Run it again after an upgrade, or to change something; what was changed by hand in /etc stays. With --now the
    radio is tried out as well, as by `bzd doctor --radio`.
    """
    from bzd.service.installing import Installation  # noqa: PLC0415  see above

    _check_usage(now=now, uninstall=uninstall, delete_data=delete_data, keys=bool(recipients), more=key_recipients)
    if not root.is_dir():
        raise OutputError(f"there is no directory {root}", "mount the image, and name where")
    installation = Installation(root, prefix or _own_prefix(root))
    if not installation.system.image and os.geteuid() != 0:
        raise OutputError("only root can install a service", "run it again with sudo")
    if now and not installation.system.running:
        raise OutputError("no service can be started here", "boot the image, or leave --now away")
    if uninstall:
        removed = installation.uninstall(delete_data=delete_data)
        _list("removed", removed, root)
        tell_rest(installation, removed, delete_data=delete_data)
        return
    sealed_to, owners = ([load_recipient(path) for path in paths] for paths in (recipients, key_recipients))
    had_store = installation.has_store
    _list("wrote", installation.install(sealed_to, owners, experimental=experimental), root)
    if had_store and sealed_to:
        output.warning("the store was made already, and stays sealed to whom it is; see /var/lib/bzd/recipients")
    if had_store and not now:
        output.warning("this card has a store already: badges imaged from it would share identity and signing key")
        output.hint("before imaging, stop bzd and remove what is in /var/lib/bzd: each badge makes its own")
    if now:
        installation.start(experimental=experimental)
    _tell_next(installation, now=now, experimental=experimental)
    if now and not no_radio_check:
        try_radio(installation)


def _check_usage(*, now: bool, uninstall: bool, delete_data: bool, keys: bool, more: tuple[Path, ...]) -> None:
    if delete_data and not uninstall:
        raise click.UsageError("--delete-data belongs to --uninstall")
    if uninstall and (now or keys or more):
        raise click.UsageError("--uninstall excludes --now, --recipient and --key-recipient")
    if more and not keys:
        raise click.UsageError("--key-recipient needs --recipient: without one the badge has its own identity")


def _own_prefix(root: Path) -> str:
    """The virtual environment of this process, as seen from a root; the usual one if it is not within that."""
    from bzd.service import source  # noqa: PLC0415  not needed for help

    own = Path(sys.prefix)
    return f"/{own.relative_to(root.resolve())}" if own.is_relative_to(root.resolve()) else source.PREFIX


def _list(done: str, paths: list[str], root: Path) -> None:
    for path in paths:
        output.line(f"{done} {output.printable(str(root / path))}")


def _tell_next(installation: Installation, *, now: bool, experimental: bool) -> None:
    if now:
        output.note("the badge runs; `bzd status` shows how it is, `bzd doctor` what could be better")
        return
    at_once = ", or now with `systemctl restart bzd`" if installation.system.running else ""
    output.note(f"the badge starts at the next boot{at_once}")
    if installation.has_feed:
        output.note("the feeds of match.feed are fetched from then on: bzd-feed.timer")
    if experimental and installation.system.running:
        output.hint("`systemctl restart bluetooth` makes bluetoothd offer its experimental interfaces")
    if not installation.has_store:
        output.hint("to image the card for other badges, do so before: the store and its identity are made then")


def try_radio(installation: Installation) -> None:
    """Have the verdict on this radio, for the badge that has just been started; that it cannot be had is no failure."""
    from bzd import config  # noqa: PLC0415  see above
    from bzd.cli import radio_trial  # noqa: PLC0415  see above

    try:
        file = options.SYSTEM_CONFIG
        adapter = config.load(file if file.exists() else None).config.radio.adapter
        found = radio_trial.look(installation.state, adapter)
    except BzdError as error:
        output.warning(f"the radio could not be tried out: {error}")
        output.hint(f"{error.hint}; then `sudo bzd doctor --radio`")
        return
    radio_trial.show(found)


def tell_rest(installation: Installation, removed: list[str], *, delete_data: bool) -> None:
    """Say what is left after uninstalling, and what still has to be done."""
    from bzd.service.installing import CONFIG, EXPERIMENTAL  # noqa: PLC0415  see above

    root = installation.system.root
    if EXPERIMENTAL in removed and installation.system.running:
        output.hint("bluetoothd offers its experimental interfaces until `systemctl restart bluetooth`")
    if delete_data:
        output.warning("flash memory keeps of deleted files what nobody can erase; destroy a card that must not talk")
    elif left := [str(path) for path in (installation.state, root / CONFIG) if path.exists()]:
        stay, them = ("stay", "them") if left[1:] else ("stays", "it")
        output.note(f"{' and '.join(left)} {stay}; --delete-data deletes {them}")
    elif not removed:
        output.note("nothing was installed here")
