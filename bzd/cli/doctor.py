# SPDX-License-Identifier: Apache-2.0
"""`bzd doctor`: whether this machine is fit for a badge, and what to do where it is not."""

from __future__ import annotations

import os
import shutil
import textwrap
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

import bzd
from bzd.cli import options, output, radio_trial
from bzd.cli.options import session

if TYPE_CHECKING:
    from bzd.doctor.facts import Facts
    from bzd.doctor.finding import Finding
    from bzd.doctor.trial import Trial

SCHEMA = "bzd.doctor/1"
"""`schema` of what `--json` prints."""
PROBLEM = 13
"""Exit code when a check found a problem."""

_MARKS = {"ok": "ok     ", "unknown": "?      ", "warning": "warning", "problem": "PROBLEM"}
_NARROWEST, _WIDEST = 60, 120
"""Columns. With fewer there are none to speak of beside the names of the checks."""


@click.command(
    epilog=options.examples("sudo bzd doctor", "sudo bzd doctor --radio", "ssh badge sudo bzd doctor --json")
)
@options.form_options(json="One JSON object.")
@click.option("--advertise", is_flag=True, help="Also try an advertisement, for a second, of an ID used for nothing.")
@click.option(
    "--radio", is_flag=True, help="Also try, for a minute, in which ways this radio keeps its address secret."
)
@options.config_options
@options.state_option
@click.pass_context
def doctor(ctx: click.Context, form: str | None, *, advertise: bool, radio: bool) -> None:
    """Check whether this machine is fit for a badge, and say what to do where it is not.

    Looks at kernel, BlueZ, adapter, address privacy, clock, store, disk and service; changes nothing. Some of it needs
    root. --advertise and --radio pause a running badge. --radio records with btmon what the kernel has this radio send
    in each way of scanning (nothing of the recording is kept), and leaves the verdict to the badge, which takes no way
    that gives it away.

    Exit code: 0 healthy, warnings included; 13 if there is a problem.
    """
    from bzd.doctor.checks import examine, healthy  # noqa: PLC0415  needs all of the radio

    trial = radio_trial.look(options.state_dir(ctx), _adapter(ctx)) if radio else None
    findings = examine(_gather(ctx, advertise=advertise))
    if form == "json":
        _json(findings, is_healthy=healthy(findings), trial=trial)
    else:
        if trial is not None:
            radio_trial.show(trial)
        _table(findings)
    if not healthy(findings):
        ctx.exit(PROBLEM)


def _adapter(ctx: click.Context) -> str:
    return options.load_config(ctx).config.radio.adapter


def _gather(ctx: click.Context, *, advertise: bool) -> Facts:
    import asyncio  # noqa: PLC0415  takes 60 ms to load

    from bzd.doctor import bluez_facts, machine_facts, quiet  # noqa: PLC0415  see above
    from bzd.doctor.facts import Facts  # noqa: PLC0415  see above

    state = options.state_dir(ctx)
    # Path.is_dir raises where a folder above may not be entered.
    with quiet.badge_paused(state) if advertise and os.path.isdir(state) else nullcontext():  # noqa: PTH112  see above
        config = options.load_config(ctx).config
        radio = asyncio.run(
            bluez_facts.radio(config.radio.adapter, state, advertise=advertise, scan_mode=config.scan.mode)
        )
    return Facts(
        radio=radio,
        system=machine_facts.system(session(ctx).clock),
        store=machine_facts.store(state),
        service=machine_facts.service(),
    )


def _json(findings: dict[str, Finding], *, is_healthy: bool, trial: Trial | None) -> None:
    import socket  # noqa: PLC0415  only here

    checks = [{"check": name, **finding._asdict()} for name, finding in findings.items()]
    head = {"schema": SCHEMA, "host": socket.gethostname(), "version": bzd.__version__, "healthy": is_healthy}
    tried = {} if trial is None else {"radio": radio_trial.as_json(trial)}
    output.line(output.json_text({**head, "checks": checks, **tried}))


def _table(findings: dict[str, Finding]) -> None:
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    # Commands, paths and fingerprints stay whole, for whoever copies them.
    fill = partial(textwrap.fill, width=width, break_long_words=False, break_on_hyphens=False)
    longest = max(map(len, findings))
    for name, finding in findings.items():
        head = f"{_MARKS[finding.verdict]}  {name:{longest}}  "
        indent = " " * len(head)
        output.line(fill(output.printable(finding.text), initial_indent=head, subsequent_indent=indent))
        if finding.remedy:
            remedy = output.printable(finding.remedy)
            output.line(fill(f"-> {remedy}", initial_indent=indent, subsequent_indent=f"{indent}   "))
