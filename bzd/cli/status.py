# SPDX-License-Identifier: Apache-2.0
"""`bzd status`: how the running badge is, in words, with what to do about what is wrong."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from bzd.cli import options, output
from bzd.errors import BzdError, StateError

SCHEMA = "bzd.status/1"
"""`schema` of what `--json` prints, which is what the daemon wrote."""
STALE_S = 20.0
"""A status file is written every 2 s; one older than this is that of a daemon that stands still."""
_WATCH_S = 1.0
_BARS = 20
_LABEL = 11
"""Columns before what is said."""
_WEAKEST_DBM, _STRONGEST_DBM = -100, -40
"""Ends of the strength bar: the weakest that is heard, and two badges side by side."""
_CLEAR = "\x1b[H\x1b[2J"
"""Cursor home and erase all (ECMA-48)."""


@click.command(epilog=options.examples("bzd status", "bzd status --watch", "bzd status --json"))
@options.form_options(json="One JSON object, as the daemon wrote it.")
@click.option("--watch", is_flag=True, help="Show who is near now, until Ctrl-C: strength and last heard, no names.")
@click.pass_context
def status(ctx: click.Context, *, form: str | None, watch: bool) -> None:
    """Show how the running badge is. Exit code 1 if something is wrong, 6 if no badge runs.

    Needs no root for members of the group bzd; what a warning is about is shown only to who can open the store.
    """
    from bzd.daemon import runtime  # noqa: PLC0415  json and pathlib only, but not for --help

    if form and watch:
        raise click.UsageError("--json and --watch exclude each other", ctx)
    folder = runtime.directory()
    if watch:
        _watch(folder)
        return
    found = read(folder)
    if form == "json":
        output.line(output.json_text(found))
    else:
        from bzd.cli import status_warnings  # noqa: PLC0415  not needed for --json

        told = _told(described, found)
        for text in status_warnings.lines(ctx, Path(found["store"]["path"]), folder):
            output.line(output.printable(text))
        for text in told:
            _show(text)
    if _told(problems, found):
        ctx.exit(BzdError.exit_code)


def _show(text: str) -> None:
    """Print a line, on a terminal in as many as it needs: what continues stands below what was said, not its label."""
    if output.on_terminal():
        indent, width = " " * _LABEL, max(shutil.get_terminal_size().columns, 3 * _LABEL)
        text = textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    output.line(text)


def read(folder: Path | None) -> dict[str, Any]:
    """What the daemon says of itself.

    Raises:
        StateError: if no daemon runs, or this user may not know.
    """
    from bzd.daemon import runtime  # noqa: PLC0415  see above

    try:
        found = None if folder is None else runtime.read_status(folder)
    except PermissionError as error:
        raise StateError(
            f"cannot read {folder}: permission denied",
            "join the group bzd: `sudo adduser $USER bzd`, then log in again",
        ) from error
    if found is None or not found.get("running"):
        raise StateError(
            "no badge runs here",
            "`systemctl start bzd` starts it, once `bzd install-service` has installed it; `journalctl -u bzd` says "
            "why it stopped",
        )
    if found.get("schema") != SCHEMA:
        raise _other_version(found.get("schema"))
    return found


def _told(tell: Callable[[dict[str, Any]], Iterable[str]], found: dict[str, Any]) -> list[str]:
    """What a function tells of a status.

    Raises:
        StateError: if it lacks what the function needs: its daemon was not restarted since an upgrade.
    """
    try:
        return list(tell(found))
    except (KeyError, TypeError, AttributeError) as error:
        raise _other_version(found.get("version")) from error


def _other_version(which: object) -> StateError:
    return StateError(
        f"the running badge is another version of bzd ({which})", "`systemctl restart bzd` starts this one"
    )


def problems(found: dict[str, Any]) -> list[str]:
    """What is wrong, a line each, with the remedy where one is known."""
    wrong = list(found["radio"]["troubles"].values())
    wrong += found.get("troubles", {}).values()  # a daemon that was not restarted since an upgrade may not have it
    if found.get("matching", {}).get("trouble"):
        wrong.append(f"cannot match: {found['matching']['trouble']}")
    if found["config_error"]:
        wrong.append(f"{found['config_error']}; mend it, then `systemctl reload bzd`")
    if _age(found) > STALE_S:
        wrong.append(f"it has said nothing for {_age(found):.0f} s; `systemctl restart bzd` starts it again")
    return wrong


def described(found: dict[str, Any]) -> Iterator[str]:
    """The status in words, line by line."""
    radio, clock = found["radio"], found["clock"]
    yield f"badge      {_state(found)}"
    mode = f"mode {radio['mode']}" if radio["mode"] else "no mode yet"
    yield f"radio      {radio['adapter']}, {radio['protocol']}, {mode}, {_heard(radio)}"
    yield f"near now   {_near(found['neighbours'])}, {found['sightings_per_minute']} sightings in the last minute"
    yield f"contacts   {found['contacts_today']} today, {found['contacts_waiting']} waiting to be stored"
    yield f"store      {output.printable(found['store']['path'])}, {found['store']['bytes'] / 1e6:.1f} MB"
    yield from _sealed_to(found.get("sealed_to", {}))
    yield f"clock      {_clock(clock)}"
    matching = found.get("matching", {"words": "unknown", "refused": {}})
    yield f"matching   {output.printable(matching['words'])}"
    for name, why in matching["refused"].items():
        yield f"           {output.printable(name)} is not used: {output.printable(why)}"
    yield f"dropped    {_dropped(found['dropped'])}"
    yield f"running    bzd {found['version']}, for {_span(found['uptime_s'])}, process {found['pid']}"
    if radio["mode"] and radio.get("verdict") is None:
        yield "advice     nobody has looked whether this radio gives the badge away: `sudo bzd doctor --radio`"
    for text in problems(found):
        yield f"problem    {output.printable(text)}"


def neighbours_shown(found: dict[str, Any]) -> Iterator[str]:
    """Who is near now, line by line: strength and last heard."""
    yield f"{_state(found)}   {_near(found['neighbours'])}"
    yield ""
    yield from (f"problem    {output.printable(text)}" for text in problems(found))
    for one in found["neighbours"]:
        share = (one["rssi"] - _WEAKEST_DBM) / (_STRONGEST_DBM - _WEAKEST_DBM)
        bar = "#" * round(_BARS * min(max(share, 0.0), 1.0))
        yield f"{one['rssi']:>5} dBm  {bar:<{_BARS}}  {one['ago_s']:>3.0f} s ago"


def _watch(folder: Path | None) -> None:
    while True:
        found = read(folder)
        if output.on_terminal():
            sys.stdout.write(_CLEAR)
        for text in _told(neighbours_shown, found):
            _show(text)
        sys.stdout.flush()
        time.sleep(_WATCH_S)


def _state(found: dict[str, Any]) -> str:
    if not found["paused"]:
        return "not well, see below" if problems(found) else output.printable(found["words"])
    until = found["paused_until"]
    return f"paused until {_local(until)}" if until else "paused; `bzd resume` puts it back on air"


def _heard(radio: dict[str, Any]) -> str:
    ago = radio["last_heard_ago_s"]
    return "nothing heard yet" if ago is None else f"last heard something {_span(ago)} ago"


def _near(neighbours: list[dict[str, Any]]) -> str:
    if not neighbours:
        return "nobody"
    return f"{len(neighbours)} badge{'s' if len(neighbours) > 1 else ''}, the strongest at {neighbours[0]['rssi']} dBm"


def _sealed_to(told: dict[str, list[str]]) -> Iterator[str]:
    """Fingerprints, of own keys only where they are others; and what changed since the store was made."""
    contacts, owners = told.get("contacts", []), told.get("own_keys", [])
    yield from (f"sealed to  {fingerprint}" for fingerprint in contacts)
    yield from (f"own keys   {fingerprint}" for fingerprint in owners if owners != contacts)
    yield from (f"warning    {text}; `bzd doctor` says what to do" for text in told.get("changed", []))


def _clock(clock: dict[str, Any]) -> str:
    if clock["synced"]:
        return f"right: {_local(clock['now'])}"
    return f"not known to be right ({_local(clock['now'])}); contacts are dated once a time server is reached"


def _local(text: str) -> str:
    """A time of the status, which is RFC 3339, as local time for a sentence."""
    from datetime import datetime  # noqa: PLC0415  not for --help

    return output.local(datetime.fromisoformat(text).timestamp())


def _dropped(counts: dict[str, int]) -> str:
    said = [f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items() if count]
    return ", ".join(said) or "nothing"


def _span(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _age(found: dict[str, Any]) -> float:
    """Seconds since the daemon wrote it; of another boot it counts as now, since systemd empties /run."""
    return max(time.clock_gettime(time.CLOCK_BOOTTIME) - float(found["updated_boottime"]), 0.0)
